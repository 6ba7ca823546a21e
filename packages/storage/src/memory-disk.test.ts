// What only the twin can do: crash in two ways, be full, fail, rot, take its time. The simulator's
// verdicts stand on these, so each is pinned down here.
import { equalBytes } from '@holdfast/base/bytes';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { diskErrorCode } from './disk-error.ts';
import { MemoryDisk } from './memory-disk.ts';

const filled = (value: number, length: number): Uint8Array => new Uint8Array(length).fill(value);

async function durableFile(disk: MemoryDisk, path: string, content: Uint8Array) {
  const file = await disk.open(path, { create: true });
  file.writeNow(0, content);
  await file.sync();
  await disk.syncDirectory('.');
  return file;
}

describe('a process crash', () => {
  it('keeps every byte and name, and ends every open file', async () => {
    const disk = new MemoryDisk();
    const boot = disk.attach();
    const file = await boot.open('a', { create: true });
    file.writeNow(0, filled(1, 1000));
    disk.processCrash();
    expect(disk.contents('a')).toEqual(filled(1, 1000));
    expect(() => file.writeNow(0, filled(2, 1))).toThrow(/ECRASH/);
    await expect(file.sync()).rejects.toThrow(/ECRASH/);
    await expect(boot.list('.')).rejects.toThrow(/ECRASH/);
    expect(await disk.attach().list('.')).toEqual(['a']);
  });

  it('strikes in the middle of a write, and holds until the next boot', async () => {
    const disk = new MemoryDisk();
    const file = await durableFile(disk, 'a', filled(1, 2048));
    disk.setFaults(({ kind }) =>
      kind === 'write' ? { kind: 'crash', writtenBytes: 1200 } : undefined,
    );
    expect(() => file.writeNow(100, filled(2, 1900))).toThrow(/ECRASH/);
    disk.setFaults(undefined);
    await expect(disk.list('.')).rejects.toThrow(/ECRASH/);
    disk.processCrash();
    // Whole sectors: the write began at 100, and stops at 1,024.
    const at = [99, 100, 1023, 1024].map((offset) => disk.contents('a')[offset]);
    expect(at).toEqual([1, 2, 2, 1]);
  });
});

describe('a power loss', () => {
  it('keeps what was synced, whatever came after', async () => {
    for (let seed = 0; seed < 50; seed += 1) {
      const disk = new MemoryDisk();
      const file = await durableFile(disk, 'a', filled(1, 4096));
      file.writeNow(1024, filled(2, 1024));
      disk.powerLoss(new SeededRandom(seed));
      const left = disk.contents('a');
      expect(equalBytes(left.subarray(0, 1024), filled(1, 1024))).toBe(true);
      expect(equalBytes(left.subarray(2048), filled(1, 2048))).toBe(true);
      expect([...left.subarray(1024, 2048)].every((byte) => byte === 1 || byte === 2)).toBe(true);
    }
  });

  it('tears a write at sectors, and does so in every way', async () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed += 1) {
      const disk = new MemoryDisk();
      const file = await durableFile(disk, 'a', filled(1, 1536));
      file.writeNow(100, filled(2, 1300));
      disk.powerLoss(new SeededRandom(seed));
      const left = disk.contents('a');
      const sectors = [200, 600, 1100].map((at) => left[at]);
      expect(new Set(left.subarray(512, 1024)).size).toBe(1);
      seen.add(sectors.join());
    }
    expect(seen.size).toBe(8);
  });

  it('may lose an earlier write and keep a later one', async () => {
    let found = false;
    for (let seed = 0; seed < 60 && !found; seed += 1) {
      const disk = new MemoryDisk();
      const file = await durableFile(disk, 'a', filled(0, 1024));
      file.writeNow(0, filled(1, 512));
      file.writeNow(512, filled(2, 512));
      disk.powerLoss(new SeededRandom(seed));
      const left = disk.contents('a');
      found = left[0] === 0 && left[600] === 2;
    }
    expect(found).toBe(true);
  });

  it('loses names whose directory was not synced, in order', async () => {
    const outcomes = new Set<string>();
    for (let seed = 0; seed < 40; seed += 1) {
      const disk = new MemoryDisk();
      await durableFile(disk, 'a', filled(1, 1));
      await disk.rename('a', 'b');
      await (await disk.open('c', { create: true })).close();
      disk.powerLoss(new SeededRandom(seed));
      outcomes.add(disk.paths().join());
    }
    expect([...outcomes].sort()).toEqual(['a', 'b', 'b,c']);
  });

  it('is the same for the same seed', async () => {
    const run = async (): Promise<Uint8Array> => {
      const disk = new MemoryDisk();
      const file = await durableFile(disk, 'a', filled(1, 8192));
      for (let at = 0; at < 8192; at += 700) file.writeNow(at, filled(2, 650));
      disk.powerLoss(new SeededRandom(7));
      return disk.contents('a');
    };
    expect(await run()).toEqual(await run());
  });
});

describe('faults', () => {
  it('a failed sync drops the pages: readable until the power goes, then gone', async () => {
    const disk = new MemoryDisk();
    const file = await durableFile(disk, 'a', filled(1, 512));
    file.writeNow(0, filled(2, 512));
    disk.setFaults(({ kind }) => (kind === 'sync' ? { kind: 'drop-pages' } : undefined));
    await expect(file.sync()).rejects.toThrow(/EIO/);
    disk.setFaults(undefined);
    await file.sync();
    expect(disk.contents('a')).toEqual(filled(2, 512));
    disk.processCrash();
    expect(disk.contents('a')).toEqual(filled(2, 512));
    disk.powerLoss(new SeededRandom(1));
    expect(disk.contents('a')).toEqual(filled(1, 512));
  });

  it('dropped pages become durable where a later write covers them', async () => {
    const disk = new MemoryDisk();
    const file = await durableFile(disk, 'a', filled(1, 1024));
    file.writeNow(0, filled(2, 1024));
    disk.setFaults(({ kind }) => (kind === 'sync' ? { kind: 'drop-pages' } : undefined));
    await expect(file.sync()).rejects.toThrow(/EIO/);
    disk.setFaults(undefined);
    file.writeNow(0, filled(3, 512));
    await file.sync();
    disk.powerLoss(new SeededRandom(1));
    expect(disk.contents('a')).toEqual(new Uint8Array([...filled(3, 512), ...filled(1, 512)]));
  });

  it('a full disk says ENOSPC, and takes bytes again when there is room', async () => {
    const disk = new MemoryDisk({ capacityBytes: 100 });
    const file = await disk.open('a', { create: true });
    file.writeNow(0, filled(1, 90));
    expect(await disk.freeBytes()).toBe(10);
    const error = await file.write(90, filled(1, 20)).catch((thrown: unknown) => thrown);
    expect(diskErrorCode(error)).toBe('ENOSPC');
    file.writeNow(0, filled(2, 90));
    await file.truncate(50);
    file.writeNow(50, filled(3, 50));
  });

  it('a read may bring the bytes of another place, once', async () => {
    const disk = new MemoryDisk();
    const file = await durableFile(disk, 'a', new Uint8Array([1, 2, 3, 4]));
    disk.setFaults(({ kind }) => (kind === 'read' ? { kind: 'misdirect', byBytes: 2 } : undefined));
    expect(await file.read(0, 2)).toEqual(new Uint8Array([3, 4]));
    disk.setFaults(undefined);
    expect(await file.read(0, 2)).toEqual(new Uint8Array([1, 2]));
  });

  it('fills up while it is used, and has room again when it is told so', async () => {
    const disk = new MemoryDisk();
    const file = await durableFile(disk, 'a', filled(1, 100));
    disk.setCapacity(100);
    file.writeNow(0, filled(2, 100));
    expect(() => file.writeNow(100, filled(3, 1))).toThrow(/ENOSPC/);
    expect(await disk.freeBytes()).toBe(0);
    disk.setCapacity(undefined);
    file.writeNow(100, filled(3, 1));
    expect(disk.usedBytes).toBe(101);
  });

  it('a flipped bit is there after a crash of either kind', async () => {
    const disk = new MemoryDisk();
    await durableFile(disk, 'a', filled(0, 10));
    disk.flipBit('a', 4, 3);
    disk.powerLoss(new SeededRandom(1));
    expect(disk.contents('a')[4]).toBe(8);
  });

  it('a slow sync takes effect at its end', async () => {
    const clock = new ManualClock();
    const latencyMs = ({ kind }: { kind: string }): number => (kind === 'sync' ? 50 : 0);
    const disk = new MemoryDisk({ clock, latencyMs });
    const opening = disk.open('a', { create: true });
    await clock.advanceAsync(1);
    const file = await opening;
    file.writeNow(0, filled(1, 512));
    let done = false;
    const syncing = file.sync().then(() => {
      done = true;
    });
    await clock.advanceAsync(49);
    expect(done).toBe(false);
    await clock.advanceAsync(1);
    await syncing;
    expect(done).toBe(true);
  });

  it('a dead boot can be made to hang instead of failing', async () => {
    const disk = new MemoryDisk({ afterCrash: 'hang' });
    const boot = disk.attach();
    disk.processCrash();
    let settled = false;
    const forget = (): void => {
      settled = true;
    };
    void boot.list('.').then(forget, forget);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    expect(settled).toBe(false);
  });
});
