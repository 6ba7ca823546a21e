// The snapshots of one group, newest first. A damaged one is set aside and told, never deleted
// while it is the newest, and never hides the older one behind it (D-19).
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { formatLogId, type LogId, sameLogId } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import { viewOf } from './byte-codec.ts';
import type { Disk, DiskFile } from './disk.ts';
import { toOperatingError } from './disk-error.ts';
import { makeDurableDirectory, removeIfThere } from './file-steps.ts';
import type { Pace } from './log-scrub.ts';
import {
  decodeSnapshotFooter,
  decodeSnapshotHeader,
  footerBytes,
  isSnapshotName,
  type StoredSnapshot,
  snapshotFileBytes,
  snapshotHeaderBytesMax,
  snapshotName,
} from './snapshot-format.ts';
import { isPartName, openPart, partName } from './snapshot-part.ts';
import { BlockReader, readImage } from './snapshot-reader.ts';
import { SnapshotFileWriter } from './snapshot-writer.ts';

export type SnapshotFilesOptions = {
  readonly disk: Disk;
  /** Default `snapshots`. */
  readonly directory?: string;
  readonly groupId?: number;
  /** Told of each snapshot that cannot be used. */
  readonly onBad?: (bad: BadSnapshot) => void;
};

export type BadSnapshot = { readonly name: string; readonly reason: string };

/** A file whose ends are intact. */
type OpenedSnapshot = {
  readonly snapshot: StoredSnapshot;
  readonly headerBytes: number;
};

const badSuffix = '.bad';

export class SnapshotFiles {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #groupId: number;
  readonly #onBad: (bad: BadSnapshot) => void;
  readonly #bad: BadSnapshot[] = [];
  #snapshots: readonly StoredSnapshot[] = [];

  constructor(options: SnapshotFilesOptions) {
    this.#disk = options.disk;
    this.#directory = options.directory ?? 'snapshots';
    this.#groupId = options.groupId ?? 0;
    this.#onBad = options.onBad ?? ((): void => undefined);
  }

  /** Snapshots that could not be used, in the order in which that was found. */
  get bad(): readonly BadSnapshot[] {
    return this.#bad;
  }

  /**
   * Complete snapshots, newest first, by their headers and footers; what lies between is verified
   * when it is read. Unfinished ones are removed, but for the newest part of one that was being
   * received. Throws `version-mismatch`.
   */
  async open(): Promise<readonly StoredSnapshot[]> {
    try {
      await makeDurableDirectory(this.#disk, this.#directory);
      const found: StoredSnapshot[] = [];
      for (const name of await this.#disk.list(this.#directory)) {
        if (name.endsWith('.tmp')) await this.#disk.remove(this.#at(name));
        if (!isSnapshotName(name)) continue;
        const snapshot = await this.#look(name);
        if (snapshot) found.push(snapshot);
      }
      this.#snapshots = found.toReversed();
      await this.#sweepParts();
      await this.#disk.syncDirectory(this.#directory);
      return this.#snapshots;
    } catch (error) {
      throw toOperatingError(error, 'opening the snapshots');
    }
  }

  async create(meta: SnapshotMeta, stateHash: bigint): Promise<SnapshotFileWriter> {
    const path = this.#at(snapshotName(meta));
    const writer = new SnapshotFileWriter({
      disk: this.#disk,
      path,
      unfinishedPath: `${path}.tmp`,
      head: { meta, stateHash, groupId: this.#groupId },
      onCommit: (image) => this.#add({ ...meta, stateHash, ...image }),
    });
    await writer.start();
    return writer;
  }

  /**
   * A writer for a snapshot that a peer sends: where a part of this very one was kept, it goes on
   * behind its last good block; undefined: it stands here whole. Parts of others are removed.
   * Rejects with `disk-full` before a byte is sent if it cannot fit.
   */
  async receive(snapshot: StoredSnapshot): Promise<SnapshotFileWriter | undefined> {
    const { bytes, checksum, stateHash, last, configuration } = snapshot;
    const twin = this.#snapshots.find((one) => sameLogId(one.last, last));
    if (twin?.checksum === checksum && twin.bytes === bytes) return undefined;
    const meta = { last, configuration };
    const head = { meta, stateHash, groupId: this.#groupId };
    const unfinishedPath = this.#at(partName(snapshot));
    try {
      await this.#removeParts((name) => name !== partName(snapshot));
      const part = await openPart(this.#disk, unfinishedPath, { head, imageBytes: bytes });
      const writer = new SnapshotFileWriter({
        disk: this.#disk,
        path: this.#at(snapshotName(meta)),
        unfinishedPath,
        head,
        expected: { bytes, checksum },
        part,
        onCommit: (image) => this.#add({ ...meta, stateHash, ...image }),
      });
      await writer.start();
      await this.#checkRoom(writer, bytes);
      return writer;
    } catch (error) {
      throw toOperatingError(error, 'receiving a snapshot');
    }
  }

  /**
   * The image's bytes from `offset` on, each chunk verified before it is given, and the whole at
   * the end if it is read as a whole. Throws `corrupt`, after setting the file aside: the next
   * open() answers the older one; `unavailable` where the disk refuses. A chunk is overwritten once
   * the next one has been asked for.
   */
  async *read(snapshot: StoredSnapshot, offset = 0): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      yield* this.#read(snapshot, offset);
    } catch (error) {
      throw toOperatingError(error, 'reading a snapshot');
    }
  }

  async *#read(
    snapshot: StoredSnapshot,
    offset: number,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const name = snapshotName(snapshot);
    const file = await this.#disk.open(this.#at(name), { readOnly: true });
    let reason: string | undefined;
    try {
      const opened = await this.#verifyEnds(file, name);
      reason = typeof opened === 'string' ? opened : yield* readOpened(file, opened, offset);
    } finally {
      await file.close();
    }
    if (reason === undefined) return;
    await this.#setAside(name, reason);
    throw corrupt(snapshot.last, reason);
  }

  /** Reads every snapshot again; answers those that cannot be used, which are set aside. */
  async scrub(pace: Pace): Promise<readonly StoredSnapshot[]> {
    const bad: StoredSnapshot[] = [];
    for (const snapshot of this.#snapshots) {
      try {
        for await (const chunk of this.read(snapshot)) await pace(chunk.length);
      } catch (error) {
        const isKept = this.#snapshots.some(({ last }) => sameLogId(last, snapshot.last));
        if (isHoldfastError(error, 'corrupt')) bad.push(snapshot);
        // One that a newer one has replaced meanwhile is gone, and that is no damage.
        else if (isKept) throw error;
      }
    }
    return bad;
  }

  /** Its image cannot be used, though its bytes are those that were written: set aside and told. */
  async reject(snapshot: StoredSnapshot, reason: string): Promise<void> {
    const name = snapshotName(snapshot);
    if (this.#snapshots.some((one) => snapshotName(one) === name)) {
      await this.#setAside(name, reason);
    }
  }

  /**
   * Deletes all but the newest `keep` and those of `held`, damaged ones that are older than all
   * that stay, and parts that are no newer than the newest.
   */
  async retain(keep: number, held: readonly LogId[] = []): Promise<readonly StoredSnapshot[]> {
    const isKept = (snapshot: StoredSnapshot, at: number): boolean =>
      at < keep || held.some((last) => sameLogId(last, snapshot.last));
    const kept = this.#snapshots.filter(isKept);
    const dead = this.#snapshots.filter((one, at) => !isKept(one, at)).map(snapshotName);
    this.#snapshots = kept;
    try {
      for (const name of [...dead, ...(await this.#outlived(kept))]) {
        await removeIfThere(this.#disk, this.#at(name));
      }
      await this.#disk.syncDirectory(this.#directory);
    } catch (error) {
      throw toOperatingError(error, 'removing old snapshots');
    }
    return kept;
  }

  /** Holds nothing open between calls; part of the contract all the same. */
  async close(): Promise<void> {}

  #add(snapshot: StoredSnapshot): void {
    const others = this.#snapshots.filter((other) => !sameLogId(other.last, snapshot.last));
    this.#snapshots = [...others, snapshot].sort((a, b) => b.last.index - a.last.index);
  }

  async #look(name: string): Promise<StoredSnapshot | undefined> {
    const file = await this.#disk.open(this.#at(name), { readOnly: true });
    let opened: OpenedSnapshot | string;
    try {
      opened = await this.#verifyEnds(file, name);
    } finally {
      await file.close();
    }
    if (typeof opened !== 'string') return opened.snapshot;
    await this.#setAside(name, opened);
    return undefined;
  }

  /** What the header and footer say, or why they cannot be believed. */
  async #verifyEnds(file: DiskFile, name: string): Promise<OpenedSnapshot | string> {
    const ends = await this.#readEnds(file, name);
    // One wrong answer of a disk is no damage.
    return typeof ends === 'string' ? this.#readEnds(file, name) : ends;
  }

  async #readEnds(file: DiskFile, name: string): Promise<OpenedSnapshot | string> {
    const size = await file.size();
    const start = await file.read(0, Math.min(size, snapshotHeaderBytesMax));
    const header = decodeSnapshotHeader(start);
    if (!header || header.groupId !== this.#groupId) return 'its header is damaged';
    if (snapshotName(header.meta) !== name) return 'its name and its header differ';
    const footer = decodeSnapshotFooter(
      await file.read(Math.max(0, size - footerBytes), footerBytes),
    );
    if (!footer || footer.headerCrc !== viewOf(start).getUint32(0, true)) {
      return 'its footer is damaged';
    }
    const { headerBytes, meta, stateHash } = header;
    if (size !== snapshotFileBytes(headerBytes, footer.imageBytes)) return 'its size is wrong';
    const { imageBytes: bytes, imageCrc: checksum } = footer;
    return { snapshot: { ...meta, stateHash, bytes, checksum }, headerBytes };
  }

  async #setAside(name: string, reason: string): Promise<void> {
    const bad = { name, reason };
    this.#bad.push(bad);
    this.#onBad(bad);
    this.#snapshots = this.#snapshots.filter((other) => snapshotName(other) !== name);
    await this.#disk.rename(this.#at(name), this.#at(`${name}${badSuffix}`));
    await this.#disk.syncDirectory(this.#directory);
  }

  async #outlived(kept: readonly StoredSnapshot[]): Promise<readonly string[]> {
    const [newest, oldest] = [kept[0], kept.at(-1)];
    if (!newest || !oldest) return [];
    const names = await this.#disk.list(this.#directory);
    return names.filter(
      (name) =>
        (name.endsWith(badSuffix) && name < snapshotName(oldest)) ||
        (isPartName(name) && isOutlived(name, newest)),
    );
  }

  /** At most one part is kept, and none that a complete snapshot has overtaken. */
  async #sweepParts(): Promise<void> {
    const parts = (await this.#disk.list(this.#directory)).filter(isPartName);
    const [newest, last] = [this.#snapshots[0], parts.at(-1)];
    const kept = last !== undefined && !(newest && isOutlived(last, newest)) ? last : undefined;
    await this.#removeParts((name) => name !== kept);
  }

  async #removeParts(isDead: (name: string) => boolean): Promise<void> {
    for (const name of await this.#disk.list(this.#directory)) {
      if (isPartName(name) && isDead(name)) await this.#disk.remove(this.#at(name));
    }
  }

  async #checkRoom(writer: SnapshotFileWriter, imageBytes: number): Promise<void> {
    const missing = snapshotFileBytes(0, imageBytes - writer.offset);
    const free = await this.#disk.freeBytes();
    if (free >= missing) return;
    // The part goes as well: the log needs the room more (safety.md 9).
    await writer.abort();
    throw new HoldfastError(
      'disk-full',
      `a snapshot of ${imageBytes} bytes does not fit: it needs ${missing} more, ` +
        `and ${free} are free`,
    );
  }

  #at(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** Yields the image; returns why the rest cannot be believed, or undefined. */
async function* readOpened(
  file: DiskFile,
  { snapshot, headerBytes }: OpenedSnapshot,
  offset: number,
): AsyncGenerator<Uint8Array, string | undefined, undefined> {
  const place = { headerBytes, imageBytes: snapshot.bytes };
  const reader = new BlockReader(file, place, offset);
  try {
    return yield* readImage(reader, { offset, checksum: snapshot.checksum });
  } finally {
    await reader.close();
  }
}

/** Whether a part is of a snapshot that is no newer than a complete one. */
const isOutlived = (part: string, newest: StoredSnapshot): boolean =>
  part.slice(0, snapshotName(newest).length) <= snapshotName(newest);

const corrupt = (last: LogId, reason: string): HoldfastError =>
  new HoldfastError('corrupt', `snapshot ${formatLogId(last)} cannot be used: ${reason}`, {
    details: { index: last.index, term: last.term },
  });
