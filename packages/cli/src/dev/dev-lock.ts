// One `holdfast dev` a folder: a file with the process that owns it. A file left by a process that
// has ended is taken over. The start time tells a process from a later one with the same number.
import { readFileSync } from 'node:fs';
import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';

export type DevOwner = {
  readonly pid: number;
  /** Clock ticks since boot, where the system tells; empty elsewhere. */
  readonly startedAt: string;
  /** Where its page is. */
  readonly page: string;
};

export class DevLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Rejects with `already-exists` (details.owner) while another living process holds it. */
  static async take(directory: string, page: string): Promise<DevLock> {
    const path = join(directory, 'dev.lock');
    const mine: DevOwner = { pid: process.pid, startedAt: startedAt(process.pid), page };
    for (let round = 0; round < 5; round += 1) {
      if (await claim(path, mine)) return new DevLock(path);
      const owner = await readOwner(path);
      if (owner !== undefined && isAlive(owner)) throw taken(directory, owner);
      await setAside(path, owner);
    }
    throw new HoldfastError('unavailable', `the lock ${path} keeps changing hands`);
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** A link appears with its content or not at all, and never over another. */
async function claim(path: string, mine: DevOwner): Promise<boolean> {
  const beside = `${path}.${mine.pid}`;
  await writeFile(beside, JSON.stringify(mine));
  try {
    await link(beside, path);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(beside, { force: true });
  }
}

async function readOwner(path: string): Promise<DevOwner | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as DevOwner;
  } catch {
    return undefined; // Gone meanwhile, or no lock of ours: nobody to wait for.
  }
}

/** Moves the stale file away, and puts it back where it was not the stale one any more. */
async function setAside(path: string, stale: DevOwner | undefined): Promise<void> {
  const aside = `${path}.stale.${process.pid}`;
  try {
    await rename(path, aside);
    const moved = await readOwner(aside);
    if (moved !== undefined && moved.pid !== stale?.pid && isAlive(moved)) await link(aside, path);
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code !== 'ENOENT' && code !== 'EEXIST') throw error; // Another one was quicker: look again.
  } finally {
    await rm(aside, { force: true });
  }
}

function isAlive(owner: DevOwner): boolean {
  try {
    process.kill(owner.pid, 0);
  } catch (error) {
    if ((error as { code?: string }).code !== 'EPERM') return false;
  }
  return startedAt(owner.pid) === owner.startedAt;
}

/** Field 22 of /proc/PID/stat (proc(5)), counted after the name, which may hold spaces. */
function startedAt(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
  } catch {
    return ''; // Another system, or the process has ended: then nothing more can be told.
  }
}

const taken = (directory: string, owner: DevOwner): HoldfastError =>
  new HoldfastError(
    'already-exists',
    `a development cluster already runs on ${directory} (process ${owner.pid}); it is left alone`,
    { details: { owner, page: owner.page, hint: `its page is ${owner.page}` } },
  );
