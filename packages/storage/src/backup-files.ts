// Backup files on a disk: one is written beside its name and gets it when it is whole, checked and
// synced; one is read in pieces. The same for a file that a person asked for and for those that a
// member makes by its schedule.
import { HoldfastError } from '@holdfast/base/errors';
import type { BackupReader, BackupSummary } from './backup-reader.ts';
import type { Disk, DiskFile } from './disk.ts';
import { toOperatingError } from './disk-error.ts';
import { bulkBytes, createFresh, discard, parentOf } from './file-steps.ts';

/** Synced on the way, so that the last sync does not stall everybody else's (speed.md 5). */
const syncBytes = 16 * bulkBytes;

export type BackupWriteOptions = {
  readonly disk: Disk;
  readonly path: string;
  /** Where it stands until it is whole. */
  readonly unfinishedPath: string;
  /** Checks what comes; a fresh one. */
  readonly reader: BackupReader;
  readonly signal: AbortSignal;
  readonly onProgress?: (bytes: number) => void;
};

/**
 * Writes a backup that comes in pieces. On any failure nothing stands under its name, and what was
 * written is gone. Throws `corrupt` for what is not whole, `disk-full`, `unavailable`, or what the
 * pieces throw.
 */
export async function writeBackup(
  pieces: AsyncIterable<Uint8Array>,
  options: BackupWriteOptions,
): Promise<BackupSummary> {
  const { disk, path, unfinishedPath, reader } = options;
  const file = await onDisk(() => createFresh(disk, unfinishedPath));
  const sink = new Sink(file);
  try {
    for await (const piece of pieces) {
      options.signal.throwIfAborted();
      for (const _ of reader.take(piece)); // Data that nobody wants here: only the checks count.
      await onDisk(() => sink.write(piece));
      options.onProgress?.(reader.offset);
    }
    const summary = reader.finish();
    await onDisk(async () => {
      await sink.end();
      await disk.rename(unfinishedPath, path);
      await disk.syncDirectory(parentOf(path));
      await file.close();
    });
    return summary;
  } catch (error) {
    await sink.quiet();
    await discard(disk, file, unfinishedPath);
    throw error;
  }
}

/** The bytes of a file in pieces; each is overwritten once the next one is asked for. */
export async function* readPieces(
  disk: Disk,
  path: string,
  onRead: (bytes: number) => void = () => undefined,
): AsyncGenerator<Uint8Array, void, undefined> {
  const file = await disk.open(path, { readOnly: true });
  const memory = new Uint8Array(bulkBytes);
  try {
    for (let at = 0; ; ) {
      const bytes = await file.read(at, bulkBytes, memory);
      if (bytes.length === 0) return;
      at += bytes.length;
      yield bytes;
      onRead(bytes.length);
    }
  } finally {
    await file.close();
  }
}

/** Reads a whole backup, and nothing of it is kept. Throws as BackupReader does. */
export async function checkBackup(
  reader: BackupReader,
  pieces: AsyncIterable<Uint8Array>,
  signal: AbortSignal,
): Promise<BackupSummary> {
  for await (const piece of pieces) {
    signal.throwIfAborted();
    for (const _ of reader.take(piece)); // As above.
  }
  return reader.finish();
}

/** Gathers pieces into long writes; one is under way while the next is filled. */
class Sink {
  readonly #file: DiskFile;
  #memory = new Uint8Array(bulkBytes);
  #other = new Uint8Array(bulkBytes);
  #filled = 0;
  #offset = 0;
  #unsyncedBytes = 0;
  #writing: Promise<void> = Promise.resolve();

  constructor(file: DiskFile) {
    this.#file = file;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const count = Math.min(bytes.length - at, bulkBytes - this.#filled);
      this.#memory.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled === bulkBytes) await this.#flush();
    }
  }

  /** All of it is written and synced. */
  async end(): Promise<void> {
    await this.#flush();
    await this.#writing;
    await this.#file.sync();
  }

  /** Nothing is under way any more. */
  async quiet(): Promise<void> {
    await Promise.allSettled([this.#writing]);
  }

  async #flush(): Promise<void> {
    const bytes = this.#memory.subarray(0, this.#filled);
    await this.#writing;
    this.#writing = this.#append(bytes);
    this.#writing.catch(() => undefined); // Thrown where it is awaited.
    [this.#memory, this.#other] = [this.#other, this.#memory];
    this.#filled = 0;
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#file.write(this.#offset, bytes);
    this.#offset += bytes.length;
    this.#unsyncedBytes += bytes.length;
    if (this.#unsyncedBytes < syncBytes) return;
    this.#unsyncedBytes = 0;
    await this.#file.sync();
  }
}

async function onDisk<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    // Told from a failure of whoever sends it: no name was given, so nothing has been done.
    const { code, message } = toOperatingError(error, 'writing a backup');
    throw new HoldfastError(code, message, { cause: error, details: { isOnDisk: true } });
  }
}
