// Snapshots that come from the leader: received beside the old state, then, when the core has
// decided so, switched to in one covered step (safety.md 6, D-15).
import { assert } from '@holdfast/base/assert';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type { HardState } from '@holdfast/raft/ready';
import type { ApplyLoop } from './apply-loop.ts';
import type {
  IncomingSnapshot,
  LogStore,
  SnapshotStore,
  StateMachine,
  StatusStore,
} from './ports.ts';
import type { Snapshotter } from './snapshotter.ts';

export type SnapshotInstallerOptions = {
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly apply: ApplyLoop;
  readonly snapshotter: Snapshotter;
  readonly hardState: () => HardState;
  /** Ends what is being received. */
  readonly signal: AbortSignal;
  /** The snapshot stands beside the old state, whole: the core may decide. */
  readonly onReceived: (from: MemberId, meta: SnapshotMeta) => void;
};

export class SnapshotInstaller {
  readonly #options: SnapshotInstallerOptions;
  #isReceiving = false;

  constructor(options: SnapshotInstallerOptions) {
    this.#options = options;
  }

  /**
   * Resolves when the stream is verified and durable; the old state is untouched. One at a time; a
   * second one is refused with `resource-exhausted`, and its sender tries again.
   */
  async receive(incoming: IncomingSnapshot): Promise<void> {
    if (this.#isReceiving) throw busy();
    this.#isReceiving = true;
    try {
      const { from, meta } = incoming;
      // What is applied needs no image: the core tells the leader so.
      if (meta.last.index > this.#options.apply.applied.index) await this.#store(incoming);
      this.#options.onReceived(from, meta);
    } finally {
      this.#isReceiving = false;
    }
  }

  async #store({ meta, stateHash, chunks }: IncomingSnapshot): Promise<void> {
    const writer = await this.#options.snapshots.create(meta, stateHash);
    try {
      for await (const chunk of chunks) {
        this.#options.signal.throwIfAborted();
        await writer.write(chunk);
      }
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    await this.#options.snapshotter.received();
  }

  /**
   * The switch: durable mark, new state, new log, mark gone. Rejects if the disk or the file fails.
   */
  async install(meta: SnapshotMeta): Promise<void> {
    const { log, status, snapshots, stateMachine, apply } = this.#options;
    const stored = this.#options.snapshotter.find(meta.last);
    assert(stored !== undefined, 'a snapshot is installed from the own store');
    await apply.pause();
    const state = this.#options.hardState();
    await status.save({ state, installing: true });
    await stateMachine.restore(meta.last, snapshots.read(stored));
    await log.reset(meta.last);
    await status.save({ state, installing: false });
  }
}

const busy = (): HoldfastError =>
  new HoldfastError('resource-exhausted', 'another snapshot is being received');
