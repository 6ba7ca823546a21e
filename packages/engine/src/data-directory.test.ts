// Goal: whatever a disk says while a data directory is opened reaches the caller as an operating
// error, with a code. Method: one failing operation at a time, until none is left that could fail.
import { HoldfastError } from '@holdfast/base/errors';
import { clusterId, memberId, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import { expect, it } from 'vitest';
import { openDataDirectory } from './data-directory.ts';

const open = (disk: MemoryDisk) =>
  openDataDirectory({
    disk,
    random: new SeededRandom(1),
    clusterId: clusterId(1n),
    memberId: memberId(2n),
    name: 'n2',
  });

// Found by seeds 8 and 52 of the simulator: a raw EIO of a directory ended the member as a bug.
it('an operation that fails is told with a code, whichever it is', async () => {
  const whole = new MemoryDisk();
  await open(whole);
  expect(whole.operationCount).toBeGreaterThan(8);
  for (let number = 1; number <= whole.operationCount; number += 1) {
    const disk = new MemoryDisk({
      inject: (operation) =>
        operation.number === number ? { kind: 'error', code: 'EIO' } : undefined,
    });
    const error: unknown = await open(disk).catch((reason: unknown) => reason);
    expect(error, `operation ${number}`).toBeInstanceOf(HoldfastError);
    expect((error as HoldfastError).code).toBe('unavailable');
  }
});

it('a directory whose identity file was taken away is refused, and left as it is', async () => {
  const disk = new MemoryDisk();
  const { status } = await open(disk);
  await status.save({
    state: { term: term(3), vote: memberId(1n), repairing: undefined },
    installing: false,
  });
  await status.close();
  await disk.remove('identity');
  const before = disk.paths();
  await expect(open(disk)).rejects.toMatchObject({ code: 'corrupt' });
  expect(disk.paths()).toEqual(before);
});
