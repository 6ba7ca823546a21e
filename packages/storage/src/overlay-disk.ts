// A disk over another disk: reads go through, writes stay in memory and are forgotten at close. So
// what a start would do to a directory can be tried out without touching a byte of it. What is
// written counts as durable at once; whoever wants crashes takes a memory disk.
import { isZero } from './byte-codec.ts';
import type { Disk, DiskFile } from './disk.ts';
import { DiskError, diskErrorCode } from './disk-error.ts';
import { parentOf } from './file-steps.ts';
import { OverlayFile } from './overlay-file.ts';

export type OverlayDiskOptions = {
  readonly inner: Disk;
  /** Told of the bytes of each read that goes through, for a progress. */
  readonly onRead?: (bytes: number) => void;
};

export class OverlayDisk implements Disk {
  readonly #inner: Disk;
  readonly #onRead: (bytes: number) => void;
  /** Files that were opened or made here, by the name that they have now. */
  readonly #files = new Map<string, OverlayFile>();
  /** Files of the inner disk that were opened, also those that have lost their name since. */
  readonly #opened: OverlayFile[] = [];
  readonly #directories = new Set<string>();
  /** Names that the inner disk has, and this one no longer. */
  readonly #gone = new Set<string>();

  constructor(options: OverlayDiskOptions) {
    this.#inner = options.inner;
    this.#onRead = options.onRead ?? ((): void => undefined);
  }

  async open(
    path: string,
    options: { readonly create?: boolean; readonly readOnly?: boolean } = {},
  ): Promise<DiskFile> {
    const name = clean(path);
    const known = await this.#find(name);
    if (!options.create) {
      if (!known) throw new DiskError('ENOENT', path);
      return new OverlayHandle(known, options.readOnly ?? false);
    }
    if (known) throw new DiskError('EEXIST', path);
    if (!(await this.#hasDirectory(parentOf(name)))) throw new DiskError('ENOENT', path);
    const made = new OverlayFile(undefined, 0, this.#onRead);
    this.#files.set(name, made);
    return new OverlayHandle(made, false);
  }

  async list(directory: string): Promise<readonly string[]> {
    const prefix = clean(directory) === '' ? '' : `${clean(directory)}/`;
    const inner = await this.#inner.list(directory);
    const names = new Set(inner.filter((name) => !this.#gone.has(`${prefix}${name}`)));
    for (const path of [...this.#files.keys(), ...this.#directories]) {
      if (path.startsWith(prefix)) names.add(path.slice(prefix.length).split('/')[0] as string);
    }
    return [...names].sort();
  }

  async makeDirectory(directory: string): Promise<void> {
    this.#directories.add(clean(directory));
  }

  async remove(path: string): Promise<void> {
    const name = clean(path);
    if (!(await this.#find(name))) throw new DiskError('ENOENT', path);
    this.#forget(name);
  }

  async rename(from: string, to: string): Promise<void> {
    const file = await this.#find(clean(from));
    if (!file) throw new DiskError('ENOENT', from);
    this.#forget(clean(from));
    this.#files.set(clean(to), file);
    this.#gone.delete(clean(to));
  }

  async syncDirectory(): Promise<void> {}

  freeBytes(): Promise<number> {
    return this.#inner.freeBytes();
  }

  /** Forgets everything; handles are dead. */
  async close(): Promise<void> {
    this.#files.clear();
    for (const file of this.#opened.splice(0)) await file.release();
  }

  /** Kept under its name: what is written to it later is seen by whoever opens it again. */
  async #find(name: string): Promise<OverlayFile | undefined> {
    const known = this.#files.get(name);
    if (known || this.#gone.has(name)) return known;
    const inner = await openInner(this.#inner, name);
    if (!inner) return undefined;
    const file = new OverlayFile(inner, await inner.size(), this.#onRead);
    this.#files.set(name, file);
    this.#opened.push(file);
    return file;
  }

  async #hasDirectory(directory: string): Promise<boolean> {
    if (directory === '.' || this.#directories.has(directory)) return true;
    const parent = parentOf(directory);
    return (await this.#inner.list(parent)).includes(nameOf(directory));
  }

  #forget(name: string): void {
    this.#files.delete(name);
    this.#gone.add(name);
  }
}

/** The root is empty; there is one name for one place. */
const clean = (path: string): string => (path === '.' ? '' : path.replace(/^\.\//, ''));

const nameOf = (path: string): string => path.slice(path.lastIndexOf('/') + 1);

async function openInner(inner: Disk, name: string): Promise<DiskFile | undefined> {
  try {
    return await inner.open(name, { readOnly: true });
  } catch (error) {
    if (diskErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

/** One opening of a file; closing it leaves the file, which others may have open. */
class OverlayHandle implements DiskFile {
  readonly #file: OverlayFile;
  readonly #isReadOnly: boolean;
  #isClosed = false;

  constructor(file: OverlayFile, isReadOnly: boolean) {
    this.#file = file;
    this.#isReadOnly = isReadOnly;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    if (this.#isClosed) throw new DiskError('EBADF', 'the file is closed');
    return this.#file.read(offset, length);
  }

  writeNow(offset: number, bytes: Uint8Array): void {
    if (this.#isClosed || this.#isReadOnly) throw new DiskError('EBADF', 'not open for writing');
    this.#file.write(offset, isZero(bytes) ? bytes.length : bytes.slice());
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.writeNow(offset, bytes);
  }

  /** What is here is as durable as it will ever be. */
  async sync(): Promise<void> {}

  async truncate(length: number): Promise<void> {
    this.#file.truncate(length);
  }

  async size(): Promise<number> {
    return this.#file.size;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
  }
}
