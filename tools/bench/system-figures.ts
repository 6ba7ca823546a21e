// What the system says about a process and a disk: processor time, resident memory, cost of a sync.
import { open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { benchDirectory } from './bench-cluster.ts';

const ticksPerSecond = 100;
const syncRounds = 300;

/** Processor time of a process so far, in milliseconds (proc(5), fields 14 and 15). */
export async function cpuMsOf(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return ((Number(fields[11]) + Number(fields[12])) * 1_000) / ticksPerSecond;
}

/** Resident memory in MiB. */
export async function residentMiBOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1_024;
}

export type SyncCost = { readonly p50Ms: number; readonly p99Ms: number };

/** As `measureSync`, where the members' data will stand. */
export async function measureDisk(): Promise<SyncCost> {
  const directory = await benchDirectory();
  try {
    return await measureSync(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Of a 4 KiB write with fdatasync on a preallocated file in a folder. */
export async function measureSync(directory: string): Promise<SyncCost> {
  const path = join(directory, 'sync-cost');
  const page = Buffer.alloc(4_096, 1);
  await using file = await open(path, 'w');
  await file.write(Buffer.alloc(page.length * syncRounds));
  await file.sync();
  const costs: number[] = [];
  for (let round = 0; round < syncRounds; round += 1) {
    const startMs = performance.now();
    await file.write(page, 0, page.length, round * page.length);
    await file.datasync();
    costs.push(performance.now() - startMs);
  }
  await rm(path);
  costs.sort((a, b) => a - b);
  const at = (fraction: number): number => costs[Math.floor(costs.length * fraction)] as number;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
