// One `holdfast dev` a folder: a file with the process that owns it. A file left by a process that
// has ended is taken over. The start time tells a process from a later one with the same number.
import { readFileSync } from 'node:fs';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';

export type DevOwner = {
  readonly pid: number;
  /** Clock ticks since boot, where the system tells; empty elsewhere. */
  readonly startedAt: string;
  /** Where its page is. */
  readonly page: string;
};

/** Each ends with a lock, a living owner, or somebody else's takeover a little further on. */
const roundsMax = 100;

let claims = 0;

export class DevLock {
  readonly #path: string;

  private constructor(path: string) {
    this.#path = path;
  }

  /** Rejects with `already-exists` (details.owner) while another living process holds it. */
  static async take(directory: string, page: string): Promise<DevLock> {
    const path = join(directory, 'dev.lock');
    const mine: DevOwner = { pid: process.pid, startedAt: startedAt(process.pid), page };
    for (let round = 0; round < roundsMax; round += 1) {
      if (await claim(path, mine)) return new DevLock(path);
      const owner = await readOwner(path);
      if (isHeld(owner)) throw taken(directory, owner);
      await removeStale(path, mine);
    }
    throw new HoldfastError('unavailable', `the lock ${path} keeps changing hands`);
  }

  async release(): Promise<void> {
    await rm(this.#path, { force: true });
  }
}

/** A link appears with its content or not at all, and never over another. */
async function claim(path: string, mine: DevOwner): Promise<boolean> {
  claims += 1;
  const beside = `${path}.${mine.pid}.${claims}`;
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

/** Undefined: a file that is no lock of ours. */
async function readOwner(path: string): Promise<DevOwner | 'none' | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as DevOwner;
  } catch (error) {
    return (error as { code?: string }).code === 'ENOENT' ? 'none' : undefined;
  }
}

const isHeld = (owner: DevOwner | 'none' | undefined): owner is DevOwner =>
  owner !== undefined && owner !== 'none' && isAlive(owner);

/**
 * Under a lock of its own: of two that find the same stale file, the slower one would else remove
 * what the quicker one has put in its place.
 */
async function removeStale(path: string, mine: DevOwner): Promise<void> {
  const guard = `${path}.takeover`;
  if (!(await claim(guard, mine))) {
    const holder = await readOwner(guard);
    if (holder !== 'none' && !isHeld(holder)) await rm(guard, { force: true });
    return;
  }
  try {
    const owner = await readOwner(path);
    // Where there is no file, somebody may put one there right now.
    if (owner !== 'none' && !isHeld(owner)) await rm(path);
  } finally {
    await rm(guard, { force: true });
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
