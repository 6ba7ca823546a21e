// Big answers, made piece by piece for all connections of the door together. One piece is made in a
// turn of the event loop, so that no number of lists keeps the loop from others; and none is made
// while as much is waiting for its readers as may be, so that no number of clients that ask and do
// not read costs more memory than that. Whoever waits is served in order.
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';

export type AnswerGateOptions = {
  readonly clock: Clock;
  /** Bytes that were made and not taken; one piece may go beyond it. */
  readonly unreadBytesMax: number;
  /** Who has taken nothing of a piece for so long is given up. */
  readonly unreadMs: number;
};

/** Where all room is taken, who has taken nothing for so long makes way for those that wait. */
const makeWayMs = 5000;
/** Answers that wait for their first piece; more are more than this member can serve in time. */
const waitingMax = 1000;

type Turn = { readonly start: () => Promise<unknown>; readonly refuse: (reason: unknown) => void };
type Unread = { readonly bytes: number; readonly sinceMs: number; readonly giveUp: () => void };

export class AnswerGate {
  readonly #options: AnswerGateOptions;
  readonly #waiting = new Set<Turn>();
  /** The oldest first. */
  readonly #unread = new Set<Unread>();
  #unreadBytes = 0;
  #isTurning = false;
  #timer: Timer | undefined;

  constructor(options: AnswerGateOptions) {
    this.#options = options;
  }

  /** Bytes that were made and that no socket has taken yet. */
  get unreadBytes(): number {
    return this.#unreadBytes;
  }

  /**
   * Makes the first piece of an answer, when its turn has come. Rejects with `resource-exhausted`
   * where that is not before the signal's end, or where too many wait already.
   */
  async first<T>(make: () => Promise<T>, signal: AbortSignal): Promise<T> {
    if (this.#waiting.size >= waitingMax) throw tooMany('too many lists wait here already');
    return await this.#inTurn(make, signal);
  }

  /** A further piece; its answer has begun, so it waits as long as its client does. */
  async next<T>(make: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return await this.#inTurn(make, signal);
  }

  /** Counts a piece until its reader has taken it; `giveUp` ends a reader that does not. */
  hold(bytes: number, giveUp: () => void): () => void {
    const unread = { bytes, sinceMs: this.#options.clock.monotonicMs(), giveUp };
    this.#unread.add(unread);
    this.#unreadBytes += bytes;
    this.#watchOldest();
    return () => {
      if (!this.#unread.delete(unread)) return;
      this.#unreadBytes -= bytes;
      this.#watchOldest();
      this.#turn();
    };
  }

  #inTurn<T>(make: () => Promise<T>, signal: AbortSignal): Promise<T> {
    return new Promise((resolve, reject) => {
      const onAbort = (): void => turn.refuse(refusalOf(signal.reason));
      const leave = (): void => {
        this.#waiting.delete(turn);
        signal.removeEventListener('abort', onAbort);
      };
      const turn: Turn = {
        start: () => {
          leave();
          const made = make();
          made.then(resolve, reject);
          return made;
        },
        refuse: (reason) => {
          leave();
          reject(reason);
        },
      };
      if (signal.aborted) {
        onAbort();
        return;
      }
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waiting.add(turn);
      this.#watchOldest();
      this.#turn();
    });
  }

  get #isFull(): boolean {
    return this.#unreadBytes >= this.#options.unreadBytesMax;
  }

  #turn(): void {
    if (this.#isTurning || this.#isFull || this.#waiting.size === 0) return;
    this.#isTurning = true;
    setImmediate(() => void this.#makeOne());
  }

  /** One at a time: what it holds is known before the next one is let in. Never rejects. */
  async #makeOne(): Promise<void> {
    const [first] = this.#waiting;
    try {
      if (!this.#isFull) await first?.start();
    } catch {
      // Its caller is told.
    }
    this.#isTurning = false;
    this.#turn();
  }

  /** One timer, for the reader that has taken nothing for the longest time. */
  #watchOldest(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    const [oldest] = this.#unread;
    if (oldest === undefined) return;
    const { clock, unreadMs } = this.#options;
    const isUrgent = this.#isFull && this.#waiting.size > 0;
    const patienceMs = isUrgent ? Math.min(makeWayMs, unreadMs) : unreadMs;
    const leftMs = oldest.sinceMs + patienceMs - clock.monotonicMs();
    this.#timer = clock.schedule(Math.max(leftMs, 0), () => oldest.giveUp());
  }
}

/** The call's end came while others had their turns; any other reason is the caller's own. */
const refusalOf = (reason: unknown): unknown =>
  isHoldfastError(reason) && reason.code === 'deadline-exceeded'
    ? tooMany('the lists before this one took too long')
    : reason;

const tooMany = (why: string): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${why}: ask again in a moment, with a smaller limit, or another member`,
  );
