// Turns at something that few may do at a time. Who comes when all are taken waits for one, and who
// comes when too many wait is told to come again. Those who wait are called from each place they
// come from in its turn, and where there are too many it is the place with the most that loses its
// last: whoever asks for all there is can not keep the others from theirs. A turn goes from hand to
// hand: it is never free for a moment in which somebody else might take it, too.
import { HoldfastError } from '@holdfast/base/errors';

export type TurnsOptions = {
  readonly runningMax: number;
  readonly waitingMax: number;
  /** Who waits for what, as it is said to those that are told to come again. */
  readonly what: string;
};

type Waiting = { readonly call: () => void; readonly refuse: (reason: HoldfastError) => void };

export class Turns {
  readonly #options: TurnsOptions;
  /** By where they come from, which is called in this order; none is empty. */
  readonly #waiting = new Map<string, Waiting[]>();
  #count = 0;
  #running = 0;

  constructor(options: TurnsOptions) {
    this.#options = options;
  }

  /** Whoever has taken one gives it back. Rejects with `resource-exhausted`. */
  async take(from: string): Promise<void> {
    if (this.#running < this.#options.runningMax) {
      this.#running += 1;
      return;
    }
    if (this.#count >= this.#options.waitingMax && !this.#makeRoom(from)) throw this.#tooMany();
    await new Promise<void>((call, refuse) => this.#wait(from, { call, refuse }));
  }

  /** To the next one, at once: it counts among those that run before it knows. */
  give(): void {
    const [next] = this.#waiting;
    if (!next) {
      this.#running -= 1;
      return;
    }
    const [from, line] = next;
    this.#waiting.delete(from);
    if (line.length > 1) this.#waiting.set(from, line.slice(1)); // Behind the others.
    this.#count -= 1;
    (line[0] as Waiting).call();
  }

  #wait(from: string, one: Waiting): void {
    const line = this.#waiting.get(from);
    if (line) line.push(one);
    else this.#waiting.set(from, [one]);
    this.#count += 1;
  }

  /** False: nobody waits from one place more than would then wait from that one. */
  #makeRoom(from: string): boolean {
    let longest: Waiting[] = [];
    for (const line of this.#waiting.values()) if (line.length > longest.length) longest = line;
    if (longest.length < 2 + (this.#waiting.get(from)?.length ?? 0)) return false;
    longest.pop()?.refuse(this.#tooMany());
    this.#count -= 1;
    return true;
  }

  #tooMany(): HoldfastError {
    const { waitingMax, what } = this.#options;
    return new HoldfastError('resource-exhausted', `${waitingMax} ${what} already`);
  }
}
