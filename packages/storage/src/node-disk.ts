// The machine's own disk under one root directory, and the lock that keeps a second process out of
// it. The only file of this package that touches the system. It interprets nothing: errors keep the
// system's codes, and what they mean is decided above.
import {
  closeSync,
  mkdirSync,
  openSync,
  statSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import {
  type FileHandle,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  statfs,
  unlink,
} from 'node:fs/promises';
import { connect, createServer, type Server } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { Disk, DiskFile } from './disk.ts';
import { DiskError, diskErrorCode } from './disk-error.ts';

export class NodeDisk implements Disk {
  readonly #root: string;

  /** `root` must exist. */
  constructor(root: string) {
    this.#root = root;
  }

  async open(
    path: string,
    options: { readonly create?: boolean; readonly readOnly?: boolean } = {},
  ): Promise<DiskFile> {
    const flags = options.create ? 'wx+' : options.readOnly ? 'r' : 'r+';
    return new NodeFile(await open(this.#at(path), flags, 0o600));
  }

  async list(directory: string): Promise<readonly string[]> {
    try {
      return (await readdir(this.#at(directory))).sort();
    } catch (error) {
      if (diskErrorCode(error) === 'ENOENT') return [];
      throw error;
    }
  }

  async makeDirectory(directory: string): Promise<void> {
    try {
      await mkdir(this.#at(directory), 0o700);
    } catch (error) {
      if (diskErrorCode(error) !== 'EEXIST') throw error;
    }
  }

  async remove(path: string): Promise<void> {
    await unlink(this.#at(path));
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(this.#at(from), this.#at(to));
  }

  async syncDirectory(directory: string): Promise<void> {
    const handle = await open(this.#at(directory), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.#root);
    return bavail * bsize;
  }

  #at(path: string): string {
    return join(this.#root, path);
  }
}

class NodeFile implements DiskFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async read(offset: number, length: number, memory?: Uint8Array): Promise<Uint8Array> {
    // Not zeroed: only what was read is handed out. Memory of its own, never a piece of a pool.
    const isEnough = memory !== undefined && memory.length >= length;
    const bytes = isEnough ? memory : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
    let count = 0;
    while (count < length) {
      const { bytesRead } = await this.#handle.read(bytes, count, length - count, offset + count);
      if (bytesRead === 0) break;
      count += bytesRead;
    }
    return bytes.subarray(0, count);
  }

  writeNow(offset: number, bytes: Uint8Array): void {
    const { fd } = this.#handle;
    for (let count = 0; count < bytes.length; ) {
      const written = writeSync(fd, bytes, count, bytes.length - count, offset + count);
      if (written === 0) throw new DiskError('EIO', 'the disk takes no more bytes');
      count += written;
    }
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    for (let count = 0; count < bytes.length; ) {
      const rest = bytes.length - count;
      const { bytesWritten } = await this.#handle.write(bytes, count, rest, offset + count);
      if (bytesWritten === 0) throw new DiskError('EIO', 'the disk takes no more bytes');
      count += bytesWritten;
    }
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async truncate(length: number): Promise<void> {
    await this.#handle.truncate(length);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** Makes a data directory where there is none. Throws `failed-precondition`. */
export function makeRoot(root: string): void {
  try {
    makeDirectories(resolve(root), 0o700);
  } catch (error) {
    const message = `the data directory ${root} can not be made: ${messageOf(error)}`;
    throw new HoldfastError('failed-precondition', message, { cause: error });
  }
}

/**
 * Makes a directory and those above it. Step by step: Node's own `recursive` goes round for ever
 * where a file system makes no folders, as in /proc. Throws what the system says.
 */
export function makeDirectories(directory: string, mode = 0o777): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  const parent = dirname(directory);
  if (parent !== directory) makeDirectories(parent, mode);
  try {
    mkdirSync(directory, mode);
  } catch (error) {
    // Somebody else may have made it just now; a file of that name is none.
    if (diskErrorCode(error) !== 'EEXIST' || !statSync(directory).isDirectory()) throw error;
  }
}

/** Held until close(), or until the process is dead in any way. */
export type DirectoryLock = { close(): Promise<void> };

/**
 * Makes this process the only one that works in `root` (which must exist), and writes its id to
 * `root/pid`. Rejects with `failed-precondition`, naming the directory and the holder, while
 * another process lives, even one that stands still. Nothing has to be cleaned up after a crash:
 * both locks are listening sockets, which die with their process.
 *
 * Two sockets, because each has a gap. The abstract one is named by the directory's inode and has
 * no file that could be stale, but is seen in one network namespace only. The one at `root/lock` is
 * seen from everywhere, but leaves a file; removing that file is safe under the abstract lock.
 */
export async function lockDirectory(root: string, pid: number): Promise<DirectoryLock> {
  const directory = openSync(root, 'r');
  const servers: Server[] = [];
  const release = async (): Promise<void> => {
    for (const server of servers.splice(0).reverse()) await closeServer(server);
    closeSync(directory);
  };
  try {
    const { dev, ino } = statSync(root);
    if (process.platform === 'linux') {
      servers.push(await listenOr(`\0holdfast-lock-${dev}-${ino}`, () => isHeld(root)));
    }
    // The short way through the open directory: a socket's path holds only 107 bytes.
    const base = process.platform === 'linux' ? `/proc/self/fd/${directory}` : root;
    servers.push(await listenOr(`${base}/lock`, () => removeStale(root, `${base}/lock`)));
    writeFileSync(join(root, 'pid'), `${pid}\n`);
  } catch (error) {
    await release();
    throw error;
  }
  let closing: Promise<void> | undefined;
  return {
    close: () => {
      closing ??= removePid(root).then(release);
      return closing;
    },
  };
}

/**
 * As lockDirectory, but for a process that only reads: not one byte of `root` is changed, so that a
 * member's remains can be looked at as they are, even on a disk that takes no writes. On Linux no
 * member of this network namespace starts there meanwhile; elsewhere a living one is refused.
 */
export async function lockForReading(root: string): Promise<DirectoryLock> {
  const { dev, ino } = statSync(root);
  const isLinux = process.platform === 'linux';
  const server = isLinux
    ? await listenOr(`\0holdfast-lock-${dev}-${ino}`, () => isHeld(root))
    : undefined;
  const directory = openSync(root, 'r');
  // The short way, as in lockDirectory.
  const deserted = await isDeserted(
    `${isLinux ? `/proc/self/fd/${directory}` : root}/lock`,
  ).finally(() => closeSync(directory));
  const close = async (): Promise<void> => {
    if (server) await closeServer(server);
  };
  if (deserted) return { close };
  await close();
  return isHeld(root);
}

/** Listens at `path`; when it is taken, `onTaken` throws, or clears the way for one more try. */
async function listenOr(path: string, onTaken: () => Promise<void>): Promise<Server> {
  try {
    return await listen(path);
  } catch (error) {
    if (diskErrorCode(error) !== 'EADDRINUSE') throw lockFailed(error);
  }
  await onTaken();
  return listen(path).catch((error: unknown) => {
    throw lockFailed(error);
  });
}

function listen(path: string): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer((socket) => socket.destroy());
    server.once('error', reject);
    server.listen(path, () => resolve(server.unref()));
  });
}

const closeServer = (server: Server): Promise<void> =>
  new Promise((resolve) => server.close(() => resolve()));

async function isHeld(root: string): Promise<never> {
  const text = await readFile(join(root, 'pid'), 'utf8').catch(() => ''); // The name is a courtesy.
  const pid = Number.parseInt(text, 10);
  const holder = Number.isNaN(pid) ? 'another process' : `process ${pid}`;
  throw new HoldfastError(
    'failed-precondition',
    `data directory ${root} is in use by ${holder}: stop it, or choose another --data-dir`,
    { details: { directory: root, ...(Number.isNaN(pid) ? {} : { pid }) } },
  );
}

async function removeStale(root: string, path: string): Promise<void> {
  if (!(await isDeserted(path))) await isHeld(root);
  try {
    unlinkSync(path);
  } catch (error) {
    if (diskErrorCode(error) !== 'ENOENT') throw lockFailed(error);
  }
}

/** Only a refusal proves that nobody listens; a full backlog belongs to a process that lives. */
async function isDeserted(path: string): Promise<boolean> {
  const code = await new Promise<string | undefined>((resolve) => {
    const socket = connect(path);
    const answer = (found: string | undefined): void => {
      socket.destroy();
      resolve(found);
    };
    socket.once('connect', () => answer(undefined));
    socket.once('error', (error) => answer(diskErrorCode(error)));
  });
  return code === 'ECONNREFUSED' || code === 'ENOENT';
}

const lockFailed = (error: unknown): HoldfastError =>
  new HoldfastError('unavailable', `the data directory cannot be locked: ${messageOf(error)}`, {
    cause: error,
  });

/** A pid file that stays behind misleads nobody: the lock decides. */
const removePid = (root: string): Promise<void> => unlink(join(root, 'pid')).catch(() => undefined);
