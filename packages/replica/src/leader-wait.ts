// Calls that wait for a leader during an ordinary election: 900 ms at most, and not at all once no
// quorum has been reachable for two election timeouts (safety.md 23). The refusal names who is missing.
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';

export type LeaderView = {
  readonly leader: MemberId | undefined;
  readonly quorumReachable: boolean;
  readonly missingVoters: readonly MemberId[];
};

type Waiting = { readonly resolve: () => void; readonly timer: Timer };

export class LeaderWait {
  readonly #clock: Clock;
  readonly #view: () => LeaderView;
  readonly #describe: (id: MemberId) => string;
  #waiting = new Set<Waiting>();

  constructor(options: {
    readonly clock: Clock;
    readonly view: () => LeaderView;
    /** The name that people know a member by. */
    readonly describe: (id: MemberId) => string;
  }) {
    this.#clock = options.clock;
    this.#view = options.view;
    this.#describe = options.describe;
  }

  /** Resolves when there is a leader; rejects with `no-leader` or `no-quorum`, nothing applied. */
  async wait(waitMs: number): Promise<void> {
    const view = this.#view();
    if (view.leader !== undefined) return;
    if (!view.quorumReachable) throw this.refusal();
    await new Promise<void>((resolve, reject) => {
      const waiting: Waiting = {
        resolve,
        timer: this.#clock.schedule(waitMs, () => {
          this.#waiting.delete(waiting);
          reject(this.refusal());
        }),
      };
      this.#waiting.add(waiting);
    });
  }

  /** A leader is known now. */
  release(): void {
    const waiting = this.#waiting;
    if (waiting.size === 0) return;
    this.#waiting = new Set();
    for (const one of waiting) {
      one.timer.cancel();
      one.resolve();
    }
  }

  refusal(): HoldfastError {
    const { quorumReachable, missingVoters } = this.#view();
    const names = missingVoters.map(this.#describe);
    const details = { missingVoters: names };
    if (quorumReachable) {
      return new HoldfastError(
        'no-leader',
        'no leader was elected in time; an election is under way, try again',
        { details },
      );
    }
    return new HoldfastError(
      'no-quorum',
      `too few voters are reachable to accept writes or confirmed reads; missing: ${names.join(', ')}. ` +
        'Start them again; stale reads still answer',
      { details },
    );
  }

  /** Ends all waiting at a close. */
  close(): void {
    this.release();
  }
}
