// The memory twin of a Disk, for tests and the simulator. It knows both kinds of crash (a dead
// process keeps the page cache, a power loss does not), can be full, can fail, and can rot. Without
// a latency all operations end at once; everything is decided by the Random it is given.
import type { Clock } from '@holdfast/base/clock';
import { sleep } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';
import type { Disk, DiskFile } from './disk.ts';
import { DiskError } from './disk-error.ts';
import { parentOf } from './file-steps.ts';
import { MemoryFile } from './memory-file.ts';
import {
  applyName,
  cleanPath,
  copyNames,
  dropOrphans,
  type NameChange,
  type Names,
  touches,
} from './memory-names.ts';
import { sectorBytes } from './sector.ts';

export type DiskOperation = {
  readonly kind:
    | 'open'
    | 'read'
    | 'write'
    | 'sync'
    | 'truncate'
    | 'list'
    | 'make-directory'
    | 'remove'
    | 'rename'
    | 'sync-directory';
  readonly path: string;
  /** Counts all operations of this disk, from 1. */
  readonly number: number;
};

/**
 * What goes wrong with one operation. `writtenBytes` of a write arrive before it fails, in whole
 * sectors: a kernel takes a write page by page, and looks for a kill only between two of them.
 */
export type DiskFault =
  | { readonly kind: 'error'; readonly code: 'EIO' | 'ENOSPC'; readonly writtenBytes?: number }
  /** Of a sync: it fails, and what was not synced never reaches the medium (safety.md 1). */
  | { readonly kind: 'drop-pages' }
  /** Of a read: it succeeds, with the bytes that stand so far behind the asked place. */
  | { readonly kind: 'misdirect'; readonly byBytes: number }
  /** The process dies here: this and every later operation of this boot comes to nothing. */
  | { readonly kind: 'crash'; readonly writtenBytes?: number };

export type MemoryDiskOptions = {
  readonly capacityBytes?: number;
  readonly clock?: Clock;
  /** How long an operation takes; needs a clock. A sync takes effect at its end. */
  readonly latencyMs?: (operation: DiskOperation) => number;
  readonly inject?: (operation: DiskOperation) => DiskFault | undefined;
  /** What a call of a dead boot does: reject with `ECRASH` (default), or never answer. */
  readonly afterCrash?: 'reject' | 'hang';
};

export class MemoryDisk implements Disk {
  readonly #options: MemoryDiskOptions;
  #names: Names = { files: new Map(), directories: new Set(['']) };
  #durable: Names = { files: new Map(), directories: new Set(['']) };
  #changes: NameChange[] = [];
  #inject: MemoryDiskOptions['inject'];
  #capacityBytes: number;
  #operations = 0;
  #boot = 0;
  #dead = false;

  constructor(options: MemoryDiskOptions = {}) {
    this.#options = options;
    this.#inject = options.inject;
    this.#capacityBytes = options.capacityBytes ?? Number.POSITIVE_INFINITY;
  }

  get operationCount(): number {
    return this.#operations;
  }

  get usedBytes(): number {
    let bytes = 0;
    for (const file of this.#names.files.values()) bytes += file.size;
    return bytes;
  }

  /** Replaces what decides about faults; undefined: none from now on. */
  setFaults(inject: MemoryDiskOptions['inject']): void {
    this.#inject = inject;
  }

  /** From now on files may grow until they hold so many bytes together; undefined: for ever. */
  setCapacity(bytes: number | undefined): void {
    this.#capacityBytes = bytes ?? Number.POSITIVE_INFINITY;
  }

  /** The disk as one boot sees it: after a crash it is dead, whoever still holds it. */
  attach(): Disk {
    const boot = this.#boot;
    const guard = (): void => this.#checkBoot(boot);
    return {
      open: (path, options) => this.#guarded(guard, () => this.open(path, options)),
      list: (directory) => this.#guarded(guard, () => this.list(directory)),
      makeDirectory: (directory) => this.#guarded(guard, () => this.makeDirectory(directory)),
      remove: (path) => this.#guarded(guard, () => this.remove(path)),
      rename: (from, to) => this.#guarded(guard, () => this.rename(from, to)),
      syncDirectory: (directory) => this.#guarded(guard, () => this.syncDirectory(directory)),
      freeBytes: () => this.#guarded(guard, () => this.freeBytes()),
    };
  }

  /** `kill -9`: open files are gone, every byte and name that was written is still there. */
  processCrash(): void {
    this.#boot += 1;
    this.#dead = false;
  }

  /** The cache is gone: names and bytes that were not synced are kept, lost or torn by chance. */
  powerLoss(random: Random): void {
    this.processCrash();
    const kept = random.integer(0, this.#changes.length + 1);
    for (const change of this.#changes.slice(0, kept)) applyName(this.#durable, change);
    this.#changes = [];
    dropOrphans(this.#durable);
    this.#names = copyNames(this.#durable);
    const paths = [...this.#names.files.keys()].sort();
    for (const path of paths) this.#names.files.get(path)?.losePower(random);
  }

  flipBit(path: string, offset: number, bit = 0): void {
    this.#file(path).flipBit(offset, bit);
  }

  /** A copy of what a reader would see. */
  contents(path: string): Uint8Array {
    const file = this.#file(path);
    return file.read(0, file.size);
  }

  /** Every file's path, sorted. */
  paths(): readonly string[] {
    return [...this.#names.files.keys()].sort();
  }

  async open(
    path: string,
    options: { readonly create?: boolean; readonly readOnly?: boolean } = {},
  ): Promise<DiskFile> {
    await this.#run('open', path, () => {
      if (!options.create) return;
      if (!this.#names.directories.has(cleanPath(parentOf(path)))) throw missing(parentOf(path));
      if (this.#names.files.has(path)) throw new DiskError('EEXIST', `${path} exists`);
      this.#change({ kind: 'create', path, file: new MemoryFile() });
    });
    return new Handle(this.#port(path, this.#file(path), options.readOnly ?? false));
  }

  async list(directory: string): Promise<readonly string[]> {
    await this.#run('list', directory, () => undefined);
    const under = cleanPath(directory);
    const all = [...this.#names.files.keys(), ...this.#names.directories];
    return all
      .filter((path) => path !== '' && cleanPath(parentOf(path)) === under)
      .map((path) => path.slice(path.lastIndexOf('/') + 1))
      .sort();
  }

  async makeDirectory(directory: string): Promise<void> {
    await this.#run('make-directory', directory, () => {
      if (this.#names.directories.has(cleanPath(directory))) return;
      if (!this.#names.directories.has(cleanPath(parentOf(directory)))) {
        throw missing(parentOf(directory));
      }
      this.#change({ kind: 'make-directory', path: directory });
    });
  }

  async remove(path: string): Promise<void> {
    await this.#run('remove', path, () => {
      this.#file(path);
      this.#change({ kind: 'remove', path });
    });
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#run('rename', from, () => {
      if (!this.#names.directories.has(cleanPath(parentOf(to)))) throw missing(parentOf(to));
      this.#change({ kind: 'rename', path: from, to, file: this.#file(from) });
    });
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#run('sync-directory', directory, () => {
      const own = cleanPath(directory);
      if (!this.#names.directories.has(own)) throw missing(directory);
      const now = this.#changes.filter((change) => touches(change, own));
      for (const change of now) applyName(this.#durable, change);
      this.#changes = this.#changes.filter((change) => !touches(change, own));
    });
  }

  async freeBytes(): Promise<number> {
    const capacityBytes = Math.min(this.#capacityBytes, Number.MAX_SAFE_INTEGER);
    return Math.max(0, capacityBytes - this.usedBytes);
  }

  #port(path: string, file: MemoryFile, readOnly: boolean): HandlePort {
    const boot = this.#boot;
    const guard = (): void => this.#checkBoot(boot);
    return {
      file,
      call: (work) => this.#guarded(guard, work),
      read: (offset, length) =>
        this.#guarded(guard, () => this.#read(path, file, { offset, length })),
      run: (kind, effect) => this.#guarded(guard, () => this.#run(kind, path, effect)),
      write: (offset, bytes) => {
        guard();
        if (readOnly) throw new DiskError('EBADF', `${path} is open for reading only`);
        return this.#write(path, file, { offset, bytes });
      },
      sync: () => this.#guarded(guard, () => this.#sync(path, file, guard)),
    };
  }

  #write(
    path: string,
    file: MemoryFile,
    { offset, bytes }: { readonly offset: number; readonly bytes: Uint8Array },
  ): DiskOperation {
    const operation = this.#next('write', path);
    const fault = this.#inject?.(operation);
    if (fault) {
      const partial = 'writtenBytes' in fault ? (fault.writtenBytes ?? 0) : 0;
      file.write(offset, bytes.subarray(0, wholeSectors(offset, partial, bytes.length)));
      this.#fail(fault, operation);
    }
    const growth = Math.max(0, offset + bytes.length - file.size);
    if (growth > 0 && this.usedBytes + growth > this.#capacityBytes) {
      throw new DiskError('ENOSPC', `no space left for ${path}`);
    }
    file.write(offset, bytes);
    return operation;
  }

  async #read(
    path: string,
    file: MemoryFile,
    { offset, length }: { readonly offset: number; readonly length: number },
  ): Promise<Uint8Array> {
    const operation = this.#next('read', path);
    const fault = this.#inject?.(operation);
    const byBytes = fault?.kind === 'misdirect' ? fault.byBytes : 0;
    if (fault && fault.kind !== 'misdirect') this.#fail(fault, operation);
    const bytes = new Uint8Array(file.read(Math.max(0, offset + byBytes), length));
    await this.#pause(operation);
    return bytes;
  }

  async #sync(path: string, file: MemoryFile, guard: () => void): Promise<void> {
    const operation = this.#next('sync', path);
    const point = file.syncPoint();
    const fault = this.#inject?.(operation);
    await this.#pause(operation);
    guard();
    if (fault?.kind === 'drop-pages') file.dropPages();
    if (fault) this.#fail(fault, operation);
    file.syncTo(point);
  }

  /** One operation without bytes: its effect happens at once, its answer after the latency. */
  async #run(kind: DiskOperation['kind'], path: string, effect: () => void): Promise<void> {
    const boot = this.#boot;
    const operation = this.#next(kind, path);
    const fault = this.#inject?.(operation);
    if (fault) this.#fail(fault, operation);
    effect();
    await this.#pause(operation);
    this.#checkBoot(boot);
  }

  async #pause(operation: DiskOperation): Promise<void> {
    const { clock, latencyMs } = this.#options;
    if (clock && latencyMs) await sleep(clock, latencyMs(operation));
  }

  #next(kind: DiskOperation['kind'], path: string): DiskOperation {
    if (this.#dead) throw new DiskError('ECRASH', 'the process is dead');
    this.#operations += 1;
    return { kind, path, number: this.#operations };
  }

  #fail(fault: DiskFault, operation: DiskOperation): never {
    if (fault.kind === 'crash') {
      this.#dead = true;
      throw new DiskError('ECRASH', `died in ${operation.kind} of ${operation.path}`);
    }
    const code = fault.kind === 'error' ? fault.code : 'EIO';
    throw new DiskError(code, `injected into ${operation.kind} of ${operation.path}`);
  }

  #checkBoot(boot: number): void {
    if (boot !== this.#boot) throw new DiskError('ECRASH', 'the process that opened this is dead');
  }

  async #guarded<T>(guard: () => void, work: () => Promise<T>): Promise<T> {
    try {
      guard();
      const result = await work();
      guard();
      return result;
    } catch (error) {
      if (this.#options.afterCrash === 'hang' && isCrash(error)) return new Promise(() => {});
      throw error;
    }
  }

  #change(change: NameChange): void {
    applyName(this.#names, change);
    this.#changes.push(change);
  }

  #file(path: string): MemoryFile {
    const file = this.#names.files.get(path);
    if (!file) throw missing(path);
    return file;
  }
}

type HandlePort = {
  readonly file: MemoryFile;
  call<T>(work: () => Promise<T>): Promise<T>;
  read(offset: number, length: number): Promise<Uint8Array>;
  run(kind: DiskOperation['kind'], effect: () => void): Promise<void>;
  write(offset: number, bytes: Uint8Array): DiskOperation;
  sync(): Promise<void>;
};

class Handle implements DiskFile {
  readonly #port: HandlePort;
  #closed = false;

  constructor(port: HandlePort) {
    this.#port = port;
  }

  async read(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array> {
    this.#checkOpen();
    const bytes = await this.#port.read(offset, length);
    if (!memory || memory.length < length) return bytes;
    memory.set(bytes);
    return memory.subarray(0, bytes.length);
  }

  writeNow(offset: number, bytes: Uint8Array): void {
    this.#checkOpen();
    this.#port.write(offset, bytes);
  }

  write(offset: number, bytes: Uint8Array): Promise<void> {
    return this.#port.call(async () => {
      this.#checkOpen();
      this.#port.write(offset, bytes);
    });
  }

  async sync(): Promise<void> {
    this.#checkOpen();
    await this.#port.sync();
  }

  async truncate(length: number): Promise<void> {
    this.#checkOpen();
    await this.#port.run('truncate', () => this.#port.file.truncate(length));
  }

  async size(): Promise<number> {
    this.#checkOpen();
    return this.#port.file.size;
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  #checkOpen(): void {
    if (this.#closed) throw new DiskError('EBADF', 'the file is closed');
  }
}

const missing = (path: string): DiskError => new DiskError('ENOENT', `${path} is not there`);

/** How many of `count` bytes from `offset` on fill their sectors. */
function wholeSectors(offset: number, count: number, length: number): number {
  if (count >= length) return length;
  return Math.max(0, Math.floor((offset + count) / sectorBytes) * sectorBytes - offset);
}

const isCrash = (error: unknown): boolean => error instanceof DiskError && error.code === 'ECRASH';
