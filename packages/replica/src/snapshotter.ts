// Snapshots of the own state: when they are due (safety.md 8), how they are written while writes go
// on, which are kept, and how far the log may then be purged. Also sends them to peers.
import type { Clock } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { Index, MemberId } from '@holdfast/base/ids';
import { index, minIndex } from '@holdfast/base/ids';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { Configuration } from '@holdfast/raft/configuration';
import type { LogId } from '@holdfast/raft/entry';
import type {
  LogStore,
  PeerTransport,
  SnapshotStore,
  StateMachine,
  StoredSnapshot,
} from './ports.ts';
import type { ReplicaSettings } from './settings.ts';

export type SnapshotterOptions = {
  readonly clock: Clock;
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly transport: Pick<PeerTransport, 'sendSnapshot'>;
  readonly settings: ReplicaSettings;
  readonly tasks: TaskGroup;
  /** What the state machine holds now, and under which configuration. */
  readonly applied: () => { readonly id: LogId; readonly configuration: Configuration };
  /** Resolves when the log is synced up to and with `through`. */
  readonly persisted: (through: Index) => Promise<void>;
  readonly onPurged: (last: LogId) => void;
  readonly onSent: (peer: MemberId, sent: boolean) => void;
  readonly onFailure: (what: string, error: unknown) => void;
  readonly stored: readonly StoredSnapshot[];
};

export class Snapshotter {
  readonly #options: SnapshotterOptions;
  #stored: readonly StoredSnapshot[];
  #logBytes = 0;
  #lastTakenMs: number;
  #running: Promise<void> | undefined;

  constructor(options: SnapshotterOptions) {
    this.#options = options;
    this.#stored = options.stored;
    this.#lastTakenMs = options.clock.monotonicMs() - options.settings.snapshotIntervalMinMs;
  }

  /** The newest snapshot's index, or 0. */
  get newestIndex(): Index {
    return this.#stored[0]?.last.index ?? index(0);
  }

  /** Entries of so many bytes were applied; takes a snapshot when one is due. */
  applied(bytes: number): void {
    this.#logBytes += bytes;
    if (!this.#running && this.#isDue()) this.#options.tasks.run((signal) => this.#takeDue(signal));
  }

  /** Takes one now, or joins the one that is being taken. Rejects when it cannot be written. */
  async take(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#take(signal).finally(() => {
      this.#running = undefined;
    });
    await this.#running;
  }

  /** A snapshot that was received stands in the store now. */
  async received(): Promise<void> {
    this.#stored = await this.#options.snapshots.retain(this.#options.settings.snapshotsKept);
    this.#logBytes = 0;
  }

  /** The newest stored snapshot that covers `last`: the one that was just received. */
  find(last: LogId): StoredSnapshot | undefined {
    return this.#stored.find((one) => one.last.index === last.index && one.last.term === last.term);
  }

  /** Streams the newest snapshot to a peer, and reports how it ended. */
  send(peer: MemberId): void {
    this.#options.tasks.run(async (signal) => {
      const sent = await this.#send(peer, signal);
      this.#options.onSent(peer, sent);
    });
  }

  async #send(peer: MemberId, signal: AbortSignal): Promise<boolean> {
    const { snapshots, transport, onFailure } = this.#options;
    const newest = this.#stored[0];
    if (!newest) return false;
    try {
      await transport.sendSnapshot({
        to: peer,
        snapshot: newest,
        chunks: snapshots.read(newest),
        signal,
      });
      return true;
    } catch (error) {
      // What rotted helps nobody: the older one is kept for that, and a fresh one comes at once.
      if (isHoldfastError(error, 'corrupt')) {
        this.#stored = this.#stored.filter((one) => one !== newest);
        this.#options.tasks.run((taskSignal) => this.#takeDue(taskSignal));
      }
      if (!signal.aborted) onFailure(`sending a snapshot to ${peer.toString(16)}`, error);
      return false;
    }
  }

  #isDue(): boolean {
    const { settings, clock } = this.#options;
    if (clock.monotonicMs() - this.#lastTakenMs < settings.snapshotIntervalMinMs) return false;
    const entries = this.#options.applied().id.index - this.newestIndex;
    const quarter = (this.#stored[0]?.bytes ?? 0) / 4;
    return (
      entries >= settings.snapshotEntriesMax ||
      this.#logBytes >= Math.max(settings.snapshotLogBytesMin, quarter)
    );
  }

  async #takeDue(signal: AbortSignal): Promise<void> {
    try {
      await this.take(signal);
    } catch (error) {
      // The log is kept for as long as there is no newer snapshot: nothing is lost, it is tried
      // again.
      if (!signal.aborted) this.#options.onFailure('snapshot', error);
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    const { stateMachine, snapshots, settings, clock } = this.#options;
    const { id, configuration } = this.#options.applied();
    if (id.index <= this.newestIndex) return;
    this.#lastTakenMs = clock.monotonicMs();
    this.#logBytes = 0;
    const image = stateMachine.image();
    try {
      const writer = await snapshots.create({ last: id, configuration }, image.stateHash);
      try {
        for await (const chunk of image.chunks()) {
          signal.throwIfAborted();
          await writer.write(chunk);
        }
        // safety.md 7: a leader may have applied what it has not synced yet.
        await this.#options.persisted(id.index);
        signal.throwIfAborted();
        await writer.commit();
      } catch (error) {
        await writer.abort();
        throw error;
      }
    } finally {
      image.release();
    }
    this.#stored = await snapshots.retain(settings.snapshotsKept);
    await this.#purge();
  }

  /** The log is kept back to the older snapshot, which needs it if the newer one rots (D-19). */
  async #purge(): Promise<void> {
    const older = this.#stored[this.#options.settings.snapshotsKept - 1];
    if (!older) return;
    // A received snapshot may be ahead of the own state.
    const through = minIndex(older.last.index, this.#options.applied().id.index);
    this.#options.onPurged(await this.#options.log.purge(through));
  }
}
