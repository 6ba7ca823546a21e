// Goal: the reserve holds real bytes as long as there is room for them, and gives them back at once
// when there is none (safety.md 9). Method: a disk in memory of a known size.
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { SpaceReserve } from './space-reserve.ts';

const mebibyte = 1024 * 1024;

async function filled(capacityBytes: number, looks = 4) {
  const disk = new MemoryDisk({ capacityBytes });
  const reserve = newReserve(disk);
  for (let look = 0; look < looks; look += 1) await reserve.tend(0);
  return { disk, reserve };
}

const newReserve = (disk: MemoryDisk): SpaceReserve =>
  new SpaceReserve({ disk, path: 'reserve', segmentBytes: 4 * mebibyte });

async function fill(disk: MemoryDisk, leaveBytes: number): Promise<void> {
  const file = await disk.open('filler', { create: true });
  await file.write(0, new Uint8Array((await disk.freeBytes()) - leaveBytes));
}

describe('the reserve', () => {
  it('holds a segment of the log and a quarter more than the newest snapshot', async () => {
    const { disk, reserve } = await filled(100 * mebibyte);
    expect([reserve.heldBytes, disk.usedBytes]).toEqual([4 * mebibyte, 4 * mebibyte]);
    for (let look = 0; look < 4; look += 1) await reserve.tend(40 * mebibyte);
    expect([reserve.heldBytes, disk.usedBytes]).toEqual([54 * mebibyte, 54 * mebibyte]);
    expect(reserve.isLow).toBe(false);
  });

  it('is given up once, gives all back, and the disk is low until there is room', async () => {
    const { disk, reserve } = await filled(100 * mebibyte);
    await fill(disk, 0);
    await reserve.tend(0);
    expect(reserve.isLow).toBe(false);
    expect([await reserve.giveUp(), reserve.isLow, reserve.heldBytes]).toEqual([true, true, 0]);
    expect(await disk.freeBytes()).toBe(4 * mebibyte);
    expect([await reserve.giveUp(), reserve.isLow]).toEqual([false, true]);
    await reserve.tend(0);
    expect([reserve.isLow, reserve.heldBytes]).toEqual([true, 0]);
    await disk.remove('filler');
    await reserve.tend(0);
    expect([reserve.isLow, reserve.heldBytes]).toEqual([false, 4 * mebibyte]);
  });

  it('leaves the last of the room to others', async () => {
    const { disk, reserve } = await filled(4.5 * mebibyte);
    expect([reserve.isLow, reserve.heldBytes]).toEqual([false, 3.5 * mebibyte]);
    expect(await disk.freeBytes()).toBe(mebibyte);
  });

  it('is found again by the next start, and so is that there was none', async () => {
    const { disk } = await filled(100 * mebibyte);
    await fill(disk, 0);
    const next = newReserve(disk);
    await next.tend(0);
    expect([next.isLow, next.heldBytes]).toEqual([false, 4 * mebibyte]);
    await next.giveUp();
    const file = await disk.open('other', { create: true });
    await file.write(0, new Uint8Array(3 * mebibyte));
    const last = newReserve(disk);
    await last.tend(0);
    expect([last.isLow, last.heldBytes]).toEqual([true, 0]);
  });

  it('keeps what it has where the disk refuses more', async () => {
    const { disk, reserve } = await filled(100 * mebibyte);
    disk.setFaults(({ kind }) =>
      kind === 'write' ? { kind: 'error', code: 'ENOSPC' } : undefined,
    );
    await reserve.tend(40 * mebibyte);
    expect([reserve.isLow, reserve.heldBytes]).toEqual([false, 4 * mebibyte]);
  });
});
