// Snapshots of the own state: when they are due (safety.md 8), how they are written while writes go
// on, which are kept, and how far the log may then be purged. A snapshot that cannot be written is
// told and tried again later: nothing that was acknowledged depends on it, so it ends no member.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import { type Index, index, type MemberId, minIndex } from '@holdfast/base/ids';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { Configuration } from '@holdfast/raft/configuration';
import { type LogId, sameLogId } from '@holdfast/raft/entry';
import type {
  LogStore,
  PeerTransport,
  SnapshotStore,
  SpaceReserve,
  StateImage,
  StateMachine,
  StoredSnapshot,
} from './ports.ts';
import type { ReplicaSettings } from './settings.ts';
import { type SendProgress, SnapshotSending } from './snapshot-sending.ts';
import { TokenBucket, throttled } from './token-bucket.ts';

export type SnapshotterOptions = {
  /** Of this member. */
  readonly id: MemberId;
  readonly clock: Clock;
  readonly log: LogStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly transport: Pick<PeerTransport, 'sendSnapshot'>;
  readonly reserve?: SpaceReserve | undefined;
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
  /** Nothing of the own state may be kept or sent. */
  readonly isDoubted: () => boolean;
  /** Somebody reads the whole state, as a backup does. */
  readonly isStateRead?: () => boolean;
};

/** What people see of the own snapshots. */
export type SnapshotStatus = {
  /** The newest one's last index, or 0. */
  readonly index: Index;
  readonly bytes: number;
  /** How long the last one took; undefined before the first of this boot. */
  readonly lastMs: number | undefined;
  readonly isTaking: boolean;
  /** Tries that failed since one has gone well. */
  readonly failures: number;
  /** Why the last of these failed. */
  readonly lastFailure: string | undefined;
  readonly sending: readonly SendProgress[];
};

/**
 * All members apply the same entries, and would all be busy with a snapshot at the same time. So
 * the first ones after a start are due apart from each other, over this share of the way; those
 * that follow stay as far apart.
 */
const firstSpread = 0.5;
/**
 * One that nobody waits for takes about so long, or less where that is slow enough: written as fast
 * as the disk allows, it would cost the writes beside it a core and their p99.
 */
const calmSeconds = 10;
const calmBytesPerSecondMin = 50_000_000;
/**
 * While somebody reads the whole state, a snapshot is due only after so many times the log: the two
 * would each take as long as both.
 */
const patience = 2;
/** Bytes of log after which a snapshot is due while the disk is low. */
const lowLogBytes = 1024 * 1024;

export class Snapshotter {
  readonly #options: SnapshotterOptions;
  readonly #bucket: TokenBucket;
  readonly #sending: SnapshotSending;
  #stored: readonly StoredSnapshot[];
  #logBytes = 0;
  #notBeforeMs: number;
  #lastMs: number | undefined;
  #isFirst = true;
  /** Somebody waits for the one that is being written. */
  #isUrgent = false;
  /** How often the own state has come into doubt since the start. */
  #doubts = 0;
  #failures = 0;
  #lastFailure: string | undefined;
  #running: Promise<void> | undefined;

  constructor(options: SnapshotterOptions) {
    this.#options = options;
    this.#stored = options.stored;
    const { clock, settings, onFailure } = options;
    // A start counts as a snapshot: one that is due would slow the replay down.
    this.#notBeforeMs = clock.monotonicMs() + settings.snapshotIntervalMinMs;
    this.#bucket = new TokenBucket(clock, { bytesPerSecond: settings.snapshotWriteBytesPerSecond });
    this.#sending = new SnapshotSending({
      ...options,
      stored: () => this.#stored,
      onCorrupt: (snapshot) => this.lost(snapshot),
      onFailure,
    });
  }

  /** The newest snapshot's index, or 0. */
  get newestIndex(): Index {
    return this.#stored[0]?.last.index ?? index(0);
  }

  get status(): SnapshotStatus {
    return {
      index: this.newestIndex,
      bytes: this.#stored[0]?.bytes ?? 0,
      lastMs: this.#lastMs,
      isTaking: this.#running !== undefined,
      failures: this.#failures,
      lastFailure: this.#failures > 0 ? this.#lastFailure : undefined,
      sending: this.#sending.progress,
    };
  }

  /** Entries of so many bytes were applied; takes a snapshot when one is due. */
  applied(bytes: number): void {
    this.#logBytes += bytes;
    if (!this.#running && this.#isDue()) this.#options.tasks.run((signal) => this.#takeDue(signal));
  }

  /** Takes one now, or joins the one that is being taken. Rejects when it cannot be written. */
  async take(signal: AbortSignal): Promise<void> {
    this.#isUrgent = true;
    await this.#takeOne(signal);
  }

  async #takeOne(signal: AbortSignal): Promise<void> {
    this.#running ??= this.#take(signal).finally(() => {
      this.#running = undefined;
      this.#isUrgent = false;
    });
    await this.#running;
  }

  /** A received snapshot has become the own state. Those of a state in doubt go at once. */
  installed(snapshot: StoredSnapshot): void {
    const isOldGood = !this.#options.isDoubted();
    const older = this.#stored.filter(({ last }) => last.index < snapshot.last.index);
    this.#stored = isOldGood ? [snapshot, ...older] : [snapshot];
    this.#logBytes = 0;
    const keep = isOldGood ? this.#options.settings.snapshotsKept : 1;
    this.#options.tasks.run((signal) => this.#tidy(keep, signal));
  }

  /** Streams a snapshot to a peer, and reports how it ended. */
  send(peer: MemberId): void {
    this.#options.tasks.run(async (signal) => {
      const sent = !this.#options.isDoubted() && (await this.#sending.send(peer, signal));
      this.#options.onSent(peer, sent);
    });
  }

  /**
   * Streams a state as it is at `from` or later to a peer that holds its log and does not trust its
   * state; answers whether it stands there. Rejects when no snapshot can be written.
   */
  async reseed(peer: MemberId, from: Index, signal: AbortSignal): Promise<boolean> {
    // The first may join one that was begun before.
    for (let tries = 0; tries < 2 && this.newestIndex < from; tries += 1) await this.take(signal);
    if (this.newestIndex < from || this.#options.isDoubted()) return false;
    return await this.#sending.sendNewest(peer, signal);
  }

  /** It helps nobody any more: the older one is kept for that, and a fresh one comes at once. */
  lost(snapshot: StoredSnapshot): void {
    this.#stored = this.#stored.filter(({ last }) => !sameLogId(last, snapshot.last));
    this.takeSoon();
  }

  /** What is being written of it is never kept, not even if the doubt has ended by then. */
  stateDoubted(): void {
    this.#doubts += 1;
  }

  /** As one that is due. */
  takeSoon(): void {
    this.#options.tasks.run((signal) => this.#takeDue(signal));
  }

  #isDue(): boolean {
    const { settings, clock } = this.#options;
    const way = this.#isFirst ? this.#firstPart : 1;
    const earlierMs = settings.snapshotIntervalMinMs * (1 - way);
    const isLow = this.#options.reserve?.isLow ?? false;
    // Neither the log's room on a low disk waits (safety.md 9), nor one that has failed before.
    const mayWait = !isLow && this.#failures === 0 && this.#options.isStateRead?.() === true;
    const part = mayWait ? way * patience : way;
    if (clock.monotonicMs() < this.#notBeforeMs - earlierMs) return false;
    if (this.#options.isDoubted()) return false;
    const entries = this.#options.applied().id.index - this.newestIndex;
    const quarter = (this.#stored[0]?.bytes ?? 0) / 4;
    const leastBytes = isLow ? lowLogBytes : settings.snapshotLogBytesMin;
    return (
      entries >= settings.snapshotEntriesMax * part ||
      this.#logBytes >= Math.max(leastBytes, quarter) * part
    );
  }

  /** Of each way to the first one: the members one after the other, in order of their ids. */
  get #firstPart(): number {
    const { voters, learners } = this.#options.applied().configuration;
    const members = [...voters, ...learners];
    const place = Math.max(0, members.indexOf(this.#options.id));
    return 1 - (firstSpread * place) / Math.max(1, members.length);
  }

  async #takeDue(signal: AbortSignal): Promise<void> {
    try {
      await this.#takeOne(signal);
    } catch (error) {
      // The log is kept for as long as there is no newer snapshot: nothing is lost, it is tried
      // again.
      if (!signal.aborted) this.#options.onFailure('snapshot', error);
    }
  }

  async #take(signal: AbortSignal): Promise<void> {
    const { settings, clock } = this.#options;
    const startMs = clock.monotonicMs();
    this.#isFirst = false;
    this.#notBeforeMs = startMs + settings.snapshotIntervalMinMs;
    try {
      if (!(await this.#writeInRoom(signal))) return;
      this.#failures = 0;
      this.#lastMs = clock.monotonicMs() - startMs;
    } catch (error) {
      this.#failures += 1;
      this.#lastFailure = messageOf(error);
      const waitMs = settings.snapshotRetryMs * 2 ** Math.min(this.#failures - 1, 20);
      this.#notBeforeMs = startMs + Math.min(waitMs, settings.snapshotIntervalMinMs);
      throw error;
    }
    this.#sending.overtake();
    await this.#retain();
    await this.#purge();
  }

  /** On a full disk the older one goes first, and then the reserve (safety.md 9). */
  async #writeInRoom(signal: AbortSignal): Promise<boolean> {
    try {
      return await this.#write(signal);
    } catch (error) {
      if (!isHoldfastError(error, 'disk-full')) throw error;
      const { reserve, snapshots } = this.#options;
      const before = this.#stored.length;
      this.#stored = await snapshots.retain(1, this.#sending.held());
      const hasGiven = await reserve?.giveUp();
      if (!hasGiven && this.#stored.length === before) throw error;
      return await this.#write(signal);
    }
  }

  /** Answers false if there is nothing new to write. */
  async #write(signal: AbortSignal): Promise<boolean> {
    const { stateMachine, snapshots } = this.#options;
    const { id, configuration } = this.#options.applied();
    if (id.index <= this.newestIndex || this.#options.isDoubted()) return false;
    const logBytes = this.#logBytes;
    const doubts = this.#doubts;
    const image = stateMachine.image();
    try {
      const writer = await snapshots.create({ last: id, configuration }, image.stateHash);
      try {
        for await (const chunk of this.#paced(image, signal)) await writer.write(chunk);
        // safety.md 7: a leader may have applied what it has not synced yet.
        await this.#options.persisted(id.index);
        signal.throwIfAborted();
        if (this.#doubts !== doubts || this.#options.isDoubted()) throw doubted();
        await writer.commit();
      } catch (error) {
        await writer.abort();
        throw error;
      }
    } finally {
      image.release();
    }
    this.#logBytes = Math.max(0, this.#logBytes - logBytes);
    return true;
  }

  #paced(image: StateImage, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const { clock, reserve, settings } = this.#options;
    const calm = Math.max(calmBytesPerSecondMin, (this.#stored[0]?.bytes ?? 0) / calmSeconds);
    const bytesPerSecond = Math.min(calm, settings.snapshotWriteBytesPerSecond);
    const calmly = new TokenBucket(clock, { bytesPerSecond });
    const take: TokenBucket['take'] = (...piece) =>
      (this.#isUrgent || reserve?.isLow ? this.#bucket : calmly).take(...piece);
    return throttled(image.chunks(), { take }, signal);
  }

  async #retain(keep = this.#options.settings.snapshotsKept): Promise<void> {
    const held = this.#options.isDoubted() ? [] : this.#sending.held();
    this.#stored = await this.#options.snapshots.retain(keep, held);
  }

  /** What is left of older snapshots goes; it is tried again with the next one. */
  async #tidy(keep: number, signal: AbortSignal): Promise<void> {
    try {
      await this.#retain(keep);
    } catch (error) {
      if (!signal.aborted) this.#options.onFailure('removing old snapshots', error);
    }
  }

  /**
   * The log is kept back to the older snapshot, which needs it if the newer one rots (D-19), and to
   * any that a peer is being sent.
   */
  async #purge(): Promise<void> {
    const older = this.#stored[this.#options.settings.snapshotsKept - 1];
    if (!older) return;
    // A received snapshot may be ahead of the own state.
    let through = minIndex(older.last.index, this.#options.applied().id.index);
    for (const { index: held } of this.#sending.held()) through = minIndex(through, held);
    const last = await this.#options.log.purge(through);
    // Beyond that only an install begins the log, which tells so when the state has switched, too.
    if (last.index <= through) this.#options.onPurged(last);
  }
}

const doubted = (): HoldfastError =>
  new HoldfastError('unavailable', 'the state came into doubt while its snapshot was written');
