// A member whose state is in doubt, as far as the log and the others are concerned (safety.md 10).
// It votes and acknowledges as before, because both rest on its log. It may even come to office,
// where its log is the longest, and then hands over: what a leader answers comes from its state.
import { type Clock, pause } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type { Raft } from '@holdfast/raft/raft';
import type { CoreLoop } from './core-loop.ts';
import type { StateDoubt } from './ports.ts';

export type DoubtedStateOptions = {
  readonly raft: Raft;
  readonly loop: CoreLoop;
  readonly clock: Clock;
  readonly nextTurn: (action: () => void) => void;
  /** Of a sound state, as far as that is known. */
  readonly successor: () => MemberId | undefined;
  readonly tasks: TaskGroup;
  /** Absent: the state is never in doubt. */
  readonly doubt?: StateDoubt | undefined;
};

/** Between two tries to hand over, and to see whether a log has come so far. */
const handOverMs = 500;
const lookMs = 10;
/** What a leader has committed is here by then, or the links are too bad for it. */
const reachMsMax = 10_000;
/** Nothing is applied for so long, so that a second try finds a state that stands still. */
const replaceAgainMs = 5000;

export class DoubtedState {
  readonly #options: DoubtedStateOptions;
  #handOverAtMs = 0;

  constructor(options: DoubtedStateOptions) {
    this.#options = options;
  }

  get isDoubted(): boolean {
    return this.#options.doubt?.isDoubted ?? false;
  }

  /** Another state has taken its place. */
  onReplaced(): void {
    this.#options.doubt?.onReplaced();
  }

  /** Whether a peer's snapshot may take the place of the state alone, beneath the log as it is. */
  replaces({ last }: SnapshotMeta): boolean {
    return this.isDoubted && this.#options.raft.holds(last);
  }

  /** Names a successor, if this member leads and is in doubt; again and again while it lasts. */
  handOver(): void {
    const { raft, loop, clock, nextTurn, successor } = this.#options;
    if (!this.isDoubted || raft.role !== 'leader') return;
    const nowMs = clock.monotonicMs();
    if (nowMs < this.#handOverAtMs) return;
    this.#handOverAtMs = nowMs + handOverMs;
    const to = successor();
    if (to !== undefined) nextTurn(() => loop.enqueue({ type: 'transfer-leadership', to }));
  }

  /**
   * Until the snapshot is no further than what is committed and synced here (safety.md 7). Rejects
   * with `unavailable` when that takes too long.
   */
  async reached({ last }: SnapshotMeta): Promise<void> {
    const { raft, clock, tasks } = this.#options;
    const untilMs = clock.monotonicMs() + reachMsMax;
    while (raft.commit < last.index || raft.marks().persisted < last.index) {
      await pause(clock, lookMs, tasks.signal);
      tasks.signal.throwIfAborted();
      if (clock.monotonicMs() > untilMs) {
        throw new HoldfastError('unavailable', `the own log has not come to ${last.index} yet`);
      }
    }
  }

  /** Runs the action after some seconds, if this member still lives then. */
  later(action: () => void): void {
    const { clock, tasks } = this.#options;
    tasks.run(async (signal) => {
      await pause(clock, replaceAgainMs, signal);
      if (!signal.aborted) action();
    });
  }
}
