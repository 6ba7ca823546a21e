// Calls of simulated clients: each ends with an answer, an error, the end of the member that was
// asked, or the end of its client's patience. Owns who waits for which member.
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { ProvenUser } from '@holdfast/domain/subject';
import type { Engine } from '@holdfast/engine/engine';
import type { ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';

export type Target = { readonly member: ClusterMember; readonly engine: Engine };
export type Told<T> = { readonly answer: T } | { readonly error: HoldfastError };

export type ClientCallsOptions = {
  readonly queue: EventQueue;
  readonly members: ReadonlyMap<MemberId, ClusterMember>;
  readonly onFailure: (error: unknown) => void;
};

const callTimeoutMs = 3000;

export class ClientCalls {
  /** Who they are proven to be, but for those whose rights come and go. */
  subject: ProvenUser | undefined;
  readonly #options: ClientCallsOptions;
  readonly #abandon = new Map<ClusterMember, Set<() => void>>();
  /** Of calls that are over: a signal that never aborted serves the next call as well. */
  readonly #idle: AbortController[] = [];
  #count = 0;

  constructor(options: ClientCallsOptions) {
    this.#options = options;
  }

  /** What a call says of who asks. */
  as(actor: string, signal: AbortSignal) {
    return { actor, subject: this.subject, signal };
  }

  /** Operations that were asked of members since the beginning. */
  get count(): number {
    return this.#count;
  }

  /** Some member that can be asked; undefined if the one that was chosen is down: refused. */
  someone(random: Random): Target | undefined {
    const member = pick(random, [...this.#options.members.values()]);
    const { engine } = member;
    return engine && { member, engine };
  }

  /** The member's process died: whoever waits for it sees the connection end. */
  memberDown(member: ClusterMember): void {
    const waiting = [...(this.#abandon.get(member) ?? [])];
    this.#abandon.delete(member);
    for (const abandon of waiting) abandon();
  }

  /** The answer or the error; an end of the member or of patience leaves the outcome unknown. */
  async wait<T>({ member }: Target, work: (signal: AbortSignal) => Promise<T>): Promise<Told<T>> {
    this.#count += 1;
    const controller = this.#idle.pop() ?? new AbortController();
    const waiting = this.#abandon.get(member) ?? new Set();
    this.#abandon.set(member, waiting);
    return await new Promise<Told<T>>((resolve) => {
      const finish = (told: Told<T>): void => {
        timer.cancel();
        waiting.delete(onDown);
        resolve(told);
      };
      const onDown = (): void => finish({ error: lostConnection });
      const timer = this.#options.queue.after(callTimeoutMs, () => {
        finish({ error: outOfPatience });
        controller.abort(outOfPatience);
      });
      waiting.add(onDown);
      work(controller.signal).then(
        (answer) => {
          if (!controller.signal.aborted) this.#idle.push(controller);
          finish({ answer });
        },
        (error: unknown) => {
          // Clients are told operating errors alone; anything else is a bug of the member.
          if (isHoldfastError(error)) finish({ error });
          else this.#options.onFailure(error);
        },
      );
    });
  }

  pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.queue.after(delayMs, resolve));
  }
}

const unknown = { outcome: 'unknown' } as const;
const lostConnection = new HoldfastError('unavailable', 'the connection ended', unknown);
const outOfPatience = new HoldfastError('deadline-exceeded', 'the client gave up', unknown);
