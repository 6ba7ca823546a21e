// Goal: no restart forgets that a state is in doubt, and no rot makes a doubted one trusted.
import { index } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { type Quarantine, QuarantineFile, type StateTrust } from './quarantine-file.ts';

const quarantine: Quarantine = {
  checkIndex: index(77),
  own: { stateHash: 1n, contentHash: 0xffff_ffff_ffff_fffen },
  sound: { stateHash: 1n, contentHash: 3n },
  partsDiffering: 2,
  sinceMs: 1_700_000_000_000,
  isReplaced: false,
  mayOverwrite: true,
};

async function trustIn(disk: MemoryDisk): Promise<StateTrust> {
  disk.powerLoss(new SeededRandom(1));
  return await new QuarantineFile(disk.attach(), 'quarantine').open();
}

const sound: StateTrust = { quarantine: undefined, isUnproven: false };

it('a quarantine stands after a power cut, and its end does, too', async () => {
  const disk = new MemoryDisk();
  const file = new QuarantineFile(disk.attach(), 'quarantine');
  expect(await file.open()).toEqual(sound);
  await file.save({ quarantine, isUnproven: false });
  expect(await trustIn(disk)).toEqual({ quarantine, isUnproven: false });
  const again = new QuarantineFile(disk.attach(), 'quarantine');
  await again.open();
  await again.save({ quarantine: { ...quarantine, isReplaced: true }, isUnproven: true });
  expect(await trustIn(disk)).toMatchObject({ quarantine: { isReplaced: true }, isUnproven: true });
  const last = new QuarantineFile(disk.attach(), 'quarantine');
  await last.open();
  await last.save({ quarantine: undefined, isUnproven: true });
  expect(await trustIn(disk)).toEqual({ quarantine: undefined, isUnproven: true });
});

it('a file of which no copy can be read leaves the state in doubt', async () => {
  const disk = new MemoryDisk();
  const file = new QuarantineFile(disk.attach(), 'quarantine');
  await file.open();
  await file.save(sound);
  for (const offset of [30, 4096 + 30]) disk.flipBit('quarantine', offset, 0);
  const { quarantine: unreadable, isUnproven } = await trustIn(disk);
  expect(unreadable).toMatchObject({ checkIndex: 0, isReplaced: false });
  expect(isUnproven).toBe(true);
});
