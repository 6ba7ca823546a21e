// What a member does for the soundness of what it holds, asked from above: states that are in
// doubt, snapshots and logs that have rotten at rest (safety.md 5, 10).
import type { Index, MemberId } from '@holdfast/base/ids';
import { type Configuration, membersOf } from '@holdfast/raft/configuration';
import type { Driver } from './driver.ts';
import type { StoredSnapshot } from './ports.ts';

export type UpkeepOptions = {
  /** Undefined until the start has recovered what there is. */
  readonly driver: () => Driver | undefined;
  readonly signal: () => AbortSignal;
  /** This member can not go on as it is, and must start anew. */
  readonly fail: (error: unknown) => void;
  readonly onProblem: (what: string, error: unknown) => void;
};

export class Upkeep {
  readonly #options: UpkeepOptions;

  constructor(options: UpkeepOptions) {
    this.#options = options;
  }

  /**
   * Streams the own state, as it is at `from` or later, to a peer whose state is in doubt; answers
   * whether it stands there. Rejects when no snapshot can be written.
   */
  async reseed(peer: MemberId, from: Index): Promise<boolean> {
    const driver = this.#options.driver();
    return (await driver?.snapshotter.reseed(peer, from, this.#options.signal())) ?? false;
  }

  /** Who belonged to the cluster at the last entry whose application is told of, and that one. */
  get applied(): { readonly index: Index; readonly configuration: Configuration } | undefined {
    const apply = this.#options.driver()?.apply;
    return apply && { index: apply.applied.index, configuration: apply.configuration };
  }

  /**
   * The own state has come into doubt: no snapshot that is being written of it is kept; and one
   * that leads hands over, as long as that lasts.
   */
  stateDoubted(): void {
    const driver = this.#options.driver();
    driver?.snapshotter.stateDoubted();
    driver?.doubt.handOver();
  }

  /** It does not read back any more: another one is taken. */
  snapshotLost(snapshot: StoredSnapshot): void {
    this.#options.driver()?.snapshotter.lost(snapshot);
  }

  /**
   * A start finds all damage there is, and the peers mend it. A member that is alone goes on, since
   * its state is sound, and nobody could mend its log: a snapshot makes the log dispensable.
   */
  logDamaged(error: unknown): void {
    const driver = this.#options.driver();
    if (!driver) return;
    if (membersOf(driver.raft.configuration).length > 1) this.#options.fail(error);
    else {
      this.#options.onProblem('the log is damaged, and there is no other member', error);
      driver.snapshotter.takeSoon();
    }
  }
}
