// The snapshots of one group, newest first. A damaged one is set aside and told, never deleted
// while it is the newest, and never hides the older one behind it (D-19).
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { formatLogId, type LogId, sameLogId } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import { viewOf } from './byte-codec.ts';
import type { Disk, DiskFile } from './disk.ts';
import { toOperatingError } from './disk-error.ts';
import { makeDurableDirectory, removeIfThere } from './file-steps.ts';
import {
  blockDataBytes,
  blockHeaderBytes,
  decodeSnapshotFooter,
  decodeSnapshotHeader,
  footerBytes,
  isSnapshotName,
  openBlock,
  type SnapshotFooter,
  type StoredSnapshot,
  snapshotFileBytes,
  snapshotHeaderBytesMax,
  snapshotName,
} from './snapshot-format.ts';
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
  readonly footer: SnapshotFooter;
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
   * when it is read. Unfinished ones are removed. Throws `version-mismatch`.
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
      await this.#disk.syncDirectory(this.#directory);
      this.#snapshots = found.toReversed();
      return this.#snapshots;
    } catch (error) {
      throw toOperatingError(error, 'opening the snapshots');
    }
  }

  async create(meta: SnapshotMeta, stateHash: bigint): Promise<SnapshotFileWriter> {
    const writer = new SnapshotFileWriter({
      disk: this.#disk,
      path: this.#at(snapshotName(meta)),
      head: { meta, stateHash, groupId: this.#groupId },
      onCommit: (bytes) => this.#add({ ...meta, stateHash, bytes }),
    });
    await writer.start();
    return writer;
  }

  /**
   * The image's bytes in order, each chunk verified before it is given, and the whole at the end.
   * Throws `corrupt`, after setting the file aside: the next open() answers the older one.
   */
  async *read(snapshot: StoredSnapshot): AsyncGenerator<Uint8Array, void, undefined> {
    const name = snapshotName(snapshot);
    const file = await this.#openFile(name);
    let reason: string | undefined;
    try {
      const opened = await this.#verifyEnds(file, name);
      if (typeof opened === 'string') reason = opened;
      else reason = yield* readBlocks(file, opened);
    } finally {
      await file.close();
    }
    if (reason === undefined) return;
    await this.#setAside(name, reason);
    throw corrupt(snapshot.last, reason);
  }

  /** Deletes all but the newest `keep`, and damaged ones that are older than all that stay. */
  async retain(keep: number): Promise<readonly StoredSnapshot[]> {
    const kept = this.#snapshots.slice(0, keep);
    const dead = this.#snapshots.slice(keep).map(snapshotName);
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
    return { snapshot: { ...meta, stateHash, bytes: footer.imageBytes }, headerBytes, footer };
  }

  async #openFile(name: string): Promise<DiskFile> {
    try {
      return await this.#disk.open(this.#at(name), { readOnly: true });
    } catch (error) {
      throw toOperatingError(error, 'reading a snapshot');
    }
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
    const oldest = kept.at(-1);
    if (!oldest) return [];
    const names = await this.#disk.list(this.#directory);
    return names.filter((name) => name.endsWith(badSuffix) && name < snapshotName(oldest));
  }

  #at(name: string): string {
    return `${this.#directory}/${name}`;
  }
}

/** Yields each block's data; returns why the rest cannot be believed, or undefined. */
async function* readBlocks(
  file: DiskFile,
  { headerBytes, footer }: OpenedSnapshot,
): AsyncGenerator<Uint8Array, string | undefined, undefined> {
  let offset = headerBytes;
  let crc = 0;
  for (let number = 0; number < footer.blocks; number += 1) {
    const left = footer.imageBytes - number * blockDataBytes;
    const length = blockHeaderBytes + Math.min(blockDataBytes, left);
    const data = openBlock(await file.read(offset, length), number);
    if (!data) return `block ${number} is damaged`;
    crc = crc32(data, crc);
    offset += length;
    yield data;
  }
  return crc === footer.imageCrc ? undefined : 'its whole checksum is wrong';
}

const corrupt = (last: LogId, reason: string): HoldfastError =>
  new HoldfastError('corrupt', `snapshot ${formatLogId(last)} cannot be used: ${reason}`, {
    details: { index: last.index, term: last.term },
  });
