// The state of this member as a backup, while writes go on: consistent at one revision, encoded as
// it is asked for. An image holds back the giving back of compacted memory, so how many there are,
// how long each may last and how much may pile up under it are bounded: a reader that is too slow
// loses its backup, and the member goes on.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { StoreImage } from '@holdfast/mvcc/store-image';
import type { LogId } from '@holdfast/raft/entry';
import type { MemberIdentity } from '@holdfast/replica/ports';
import { TokenBucket, throttled } from '@holdfast/replica/token-bucket';
import { encodeBackup } from '@holdfast/storage/backup-encoder';
import type { BackupHead } from '@holdfast/storage/backup-format';
import type { ReadOptions } from './engine.ts';

export type BackupSettings = {
  /** Of all backups of this member together. */
  readonly bytesPerSecond: number;
  readonly concurrentMax: number;
  /** Until its last byte was taken. */
  readonly timeoutMs: number;
  /** Compacted memory that may wait for a backup, or a quarter of the store where that is more. */
  readonly heldBytesMax: number;
};

const defaultBackupSettings: BackupSettings = {
  bytesPerSecond: 200_000_000,
  concurrentMax: 2,
  timeoutMs: 3_600_000,
  heldBytesMax: 256 * 1024 * 1024,
};

export type BackupsOptions = {
  readonly clock: Clock;
  readonly store: KvStore;
  readonly identity: MemberIdentity;
  /** Of Holdfast. */
  readonly version: string;
  readonly backupSettings?: Partial<BackupSettings> | undefined;
  /** Waits until this member can answer as the options ask. */
  readonly awaitFresh: (options: ReadOptions) => Promise<unknown>;
  /** What the store holds; undefined while the member recovers, or doubts its state. */
  readonly applied: () => LogId | undefined;
};

/** The bytes of the backup file, once; to be closed whatever becomes of it. */
export type OpenBackup = {
  readonly head: BackupHead;
  /** Throws `deadline-exceeded` or `resource-exhausted` for a reader that is too slow. */
  readonly pieces: AsyncGenerator<Uint8Array, void, undefined>;
  /** Throws `unavailable` once the state that it is of has come into doubt: it is no good then. */
  requireSound(): void;
  close(): Promise<void>;
};

export class Backups {
  readonly #options: BackupsOptions;
  readonly #settings: BackupSettings;
  readonly #bucket: TokenBucket;
  #underWay = 0;
  /** How often the state has come into doubt: one that has ended counts, too. */
  #doubts = 0;

  constructor(options: BackupsOptions) {
    this.#options = options;
    this.#settings = { ...defaultBackupSettings, ...options.backupSettings };
    const { bytesPerSecond } = this.#settings;
    this.#bucket = new TokenBucket(options.clock, { bytesPerSecond });
  }

  /** Backups that are being read now. */
  get underWay(): number {
    return this.#underWay;
  }

  /** What is under way is of a state that is not to be trusted. */
  stateDoubted(): void {
    this.#doubts += 1;
  }

  /**
   * Everything that was acknowledged before the call is in it, unless a lesser consistency is asked
   * for. The options' signal ends the wait for that, `life` the backup; `isSealed`: as etcd's tools
   * keep it. Throws `resource-exhausted` while as many as there may be are under way, and what a
   * read throws.
   */
  async open(options: ReadOptions, life: AbortSignal, isSealed = false): Promise<OpenBackup> {
    this.#requireRoom();
    await this.#options.awaitFresh(options);
    this.#requireRoom();
    const { store, applied } = this.#options;
    const last = applied();
    if (last?.index !== store.appliedIndex) {
      const why = 'it is starting, or doubts what it holds';
      throw new HoldfastError('unavailable', `this member has no state to give away: ${why}`);
    }
    const head = this.#headOf(last);
    const requireSound = this.#soundnessNow();
    const image = store.image();
    this.#underWay += 1;
    const end = new AbortController();
    const signal = AbortSignal.any([life, end.signal]);
    const pieces = this.#pieces({ head, image, isSealed, requireSound, signal });
    let closing: Promise<void> | undefined;
    const close = async (): Promise<void> => {
      end.abort(new HoldfastError('cancelled', 'the backup was closed'));
      // Nothing may be encoded from an image that was released: first what is under way ends.
      await pieces.return().catch(() => undefined); // Whoever read it was told.
      image.release();
      this.#underWay -= 1;
    };
    return { head, pieces, requireSound, close: () => (closing ??= close()) };
  }

  #soundnessNow(): () => void {
    const doubts = this.#doubts;
    return () => {
      if (this.#doubts !== doubts) throw doubted();
    };
  }

  #requireRoom(): void {
    const { concurrentMax } = this.#settings;
    if (this.#underWay < concurrentMax) return;
    throw new HoldfastError(
      'resource-exhausted',
      `this member makes ${this.#underWay} backups already: wait for one, or ask another member`,
    );
  }

  #headOf(last: LogId): BackupHead {
    const { clock, store, identity, version } = this.#options;
    const { clusterId, memberId } = identity;
    return {
      clusterId,
      memberId,
      clusterVersion: store.clusterVersion,
      revision: store.revision,
      last,
      stateHash: BigInt.asUintN(64, store.stateHash),
      createdAtMs: clock.wallMs(),
      storeBytes: store.bytes,
      version,
    };
  }

  async *#pieces({
    head,
    image,
    isSealed,
    requireSound,
    signal,
  }: {
    readonly head: BackupHead;
    readonly image: StoreImage;
    readonly isSealed: boolean;
    readonly requireSound: () => void;
    readonly signal: AbortSignal;
  }): AsyncGenerator<Uint8Array, void, undefined> {
    const { clock } = this.#options;
    const settings = this.#settings;
    const endMs = clock.monotonicMs() + settings.timeoutMs;
    const heldBefore = this.#heldBytes;
    const heldMax = Math.max(settings.heldBytesMax, head.storeBytes / 4);
    const pieces = encodeBackup(head, image.chunks(), { isSealed });
    for await (const piece of throttled(pieces, this.#bucket, signal)) {
      signal.throwIfAborted();
      requireSound();
      if (clock.monotonicMs() > endMs) throw tooSlow('deadline-exceeded', settings.timeoutMs);
      if (this.#heldBytes - heldBefore > heldMax) throw tooSlow('resource-exhausted', heldMax);
      yield piece;
    }
    requireSound(); // It is whole with its last piece, and that may have been on its way for long.
  }

  /** Memory of records that are compacted and not given back, and what stands empty. */
  get #heldBytes(): number {
    const { store } = this.#options;
    return store.residentBytes - store.bytes;
  }
}

const doubted = (): HoldfastError =>
  new HoldfastError(
    'unavailable',
    'the backup is not to be kept: the state of this member came into doubt while it was made; ' +
      'make another, or ask another member',
  );

function tooSlow(code: 'deadline-exceeded' | 'resource-exhausted', bound: number): HoldfastError {
  const what =
    code === 'deadline-exceeded'
      ? `it took longer than ${Math.round(bound / 1000)} s`
      : `${Math.round(bound / 1_000_000)} MB of compacted memory waited for it`;
  return new HoldfastError(
    code,
    `the backup was broken off: ${what}; whoever reads it must be quicker, or be nearer`,
  );
}
