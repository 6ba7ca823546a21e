// Calls that wait for a leader during an ordinary election: 900 ms at most, and not at all once no
// quorum has been reachable for two election timeouts (safety.md 23). The refusal names who is
// missing.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import { TimedWaiters } from './timed-waiters.ts';

export type LeaderView = {
  readonly leader: MemberId | undefined;
  readonly quorumReachable: boolean;
  readonly missingVoters: readonly MemberId[];
  /** For how long no leader has been heard; 0: there is one. */
  readonly leaderlessMs: number;
};

export type LeaderWaitOptions = {
  readonly clock: Clock;
  readonly view: () => LeaderView;
  /** The name that people know a member by. */
  readonly describe: (id: MemberId) => string;
  /** Calls that may wait at the same time. */
  readonly callsMax: number;
};

export class LeaderWait {
  readonly #options: LeaderWaitOptions;
  readonly #waiters: TimedWaiters;

  constructor(options: LeaderWaitOptions) {
    this.#options = options;
    this.#waiters = new TimedWaiters(options.clock);
  }

  /**
   * Resolves when there is a leader, or at release(). Rejects with `no-leader`, `no-quorum` or
   * `resource-exhausted`, nothing applied, or with the signal's reason.
   */
  async wait(waitMs: number, signal?: AbortSignal): Promise<void> {
    const { view, callsMax } = this.#options;
    const { leader, quorumReachable } = view();
    if (leader !== undefined) return;
    if (!quorumReachable) throw this.refusal();
    if (this.#waiters.count >= callsMax) throw tooMany(callsMax);
    if (!(await this.#waiters.wait(waitMs, signal))) throw this.refusal();
  }

  /** A leader is known now, or nobody needs to wait for one any more. */
  release(): void {
    this.#waiters.release();
  }

  refusal(): HoldfastError {
    const { quorumReachable, missingVoters, leaderlessMs } = this.#options.view();
    const names = missingVoters.map(this.#options.describe);
    const details = { missingVoters: names };
    if (quorumReachable) {
      return new HoldfastError(
        'no-leader',
        leaderlessMs > electionsMs
          ? unheard(leaderlessMs)
          : 'no leader was elected in time; an election is under way, try again',
        { details },
      );
    }
    return new HoldfastError(
      'no-quorum',
      'too few voters are reachable to accept writes or confirmed reads; missing: ' +
        `${names.join(', ')}. Start them again; stale reads still answer`,
      { details },
    );
  }
}

/** Longer than any election takes while a majority hears each other. */
export const electionsMs = 5000;

/** The others may well have a leader: then the way to that one is cut for this member alone. */
export const unheard = (ms: number): string =>
  `no leader was heard here for ${Math.floor(ms / 1000)} s, though enough voters are in reach: ` +
  'the way from here to the leader may be cut; ask another member, and look at the connections ' +
  'of this one';

const tooMany = (count: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${count} calls wait for a leader on this member, which is its limit: try again shortly`,
  );
