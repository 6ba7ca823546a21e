// Members on small disks of their own: ext4 in a file each, mounted over the data directories. A
// test can fill them up to the last block, and hold them up. Needs root and loop devices;
// everything that was mounted is unmounted by its dispose, frozen or not.
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  fsyncSync,
  openSync,
  rmSync,
  statfsSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { ProcessCluster, type ProcessMember } from './process-cluster.ts';

const run = (command: string, ...args: readonly string[]): void => {
  execFileSync(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
};

/** Why there can be no such disks here; undefined: there can. */
export function noSmallDisks(): string | undefined {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'not root on Linux';
  try {
    run('losetup', '--find');
    for (const tool of ['mkfs.ext4', 'fsfreeze']) run('sh', '-c', `command -v ${tool}`);
    return undefined;
  } catch {
    return 'no loop device, or no mkfs.ext4 and fsfreeze';
  }
}

export class SmallDisk {
  readonly #path: string;
  #isFrozen = false;

  constructor(path: string) {
    this.#path = path;
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#path);
    return bavail * bsize;
  }

  get usedPercent(): number {
    const { bavail, blocks } = statfsSync(this.#path);
    return 100 * (1 - bavail / blocks);
  }

  /** Writes a file of somebody else's until no more than that is free. */
  fill(leaveBytes = 0): void {
    const file = openSync(this.#filler, 'a');
    try {
      for (const size of [256 * 1024, 4096]) {
        while (this.freeBytes - size >= leaveBytes) {
          if (!wrote(file, new Uint8Array(size))) break;
        }
        fsyncSync(file);
      }
    } finally {
      closeSync(file);
    }
  }

  makeRoom(): void {
    rmSync(this.#filler, { force: true });
  }

  /** From now on whoever writes there stands still, as on a disk that does not answer. */
  freeze(): void {
    run('fsfreeze', '--freeze', this.#path);
    this.#isFrozen = true;
  }

  thaw(): void {
    if (this.#isFrozen) run('fsfreeze', '--unfreeze', this.#path);
    this.#isFrozen = false;
  }

  unmount(): void {
    this.thaw();
    run('umount', '--lazy', this.#path);
  }

  get #filler(): string {
    return join(this.#path, 'of-somebody-else');
  }
}

/** False: there is no room. */
function wrote(file: number, bytes: Uint8Array): boolean {
  try {
    writeSync(file, bytes);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === 'ENOSPC') return false;
    throw error;
  }
}

/** Over the place where a data directory is. */
export function mountSmallDisk(place: string, image: string, bytes: number): SmallDisk {
  writeFileSync(image, '');
  truncateSync(image, bytes);
  // No blocks for root alone: the members of a test are root.
  run('mkfs.ext4', '-q', '-m', '0', image);
  run('mount', '-o', 'loop', image, place);
  rmSync(join(place, 'lost+found'), { recursive: true });
  return new SmallDisk(place);
}

export class SmallDiskCluster implements AsyncDisposable {
  readonly cluster: ProcessCluster;
  readonly #disks = new Map<string, SmallDisk>();

  private constructor(cluster: ProcessCluster) {
    this.cluster = cluster;
  }

  static async start(
    size: number,
    { bytes, flags }: { readonly bytes: number; readonly flags: readonly string[] },
  ): Promise<SmallDiskCluster> {
    const small = new SmallDiskCluster(await ProcessCluster.layOut(size, flags));
    try {
      for (const { place } of small.cluster.members) {
        const image = join(small.cluster.root, `${place.name}.ext4`);
        small.#disks.set(place.name, mountSmallDisk(place.dataDir, image, bytes));
      }
      for (const member of small.cluster.members) member.start();
      await small.cluster.ready();
    } catch (error) {
      await small[Symbol.asyncDispose]();
      throw error;
    }
    return small;
  }

  disk({ place }: ProcessMember): SmallDisk {
    return this.#disks.get(place.name) as SmallDisk;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const disk of this.#disks.values()) disk.thaw();
    await Promise.all(this.cluster.running.map((member) => member.kill()));
    for (const disk of this.#disks.values()) disk.unmount();
    await this.cluster[Symbol.asyncDispose]();
  }
}
