// Status and identity: what is acknowledged is what is read, through crashes at any operation and
// one bad copy (safety.md 4); two bad copies are said, not guessed.
import { crc32 } from '@holdfast/base/crc32';
import { isHoldfastError } from '@holdfast/base/errors';
import { clusterId, index, memberId, storeId, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { checkIdentity, IdentityFile } from './identity-file.ts';
import { MemoryDisk } from './memory-disk.ts';
import { StatusFile, type StoredStatus } from './status-file.ts';

const status = (inTerm: number, vote?: bigint): StoredStatus => ({
  state: {
    term: term(inTerm),
    vote: vote === undefined ? undefined : memberId(vote),
    repairing: inTerm % 2 === 0 ? { target: index(inTerm + 1) } : undefined,
  },
  installing: inTerm % 3 === 0,
});

async function openStatus(disk: MemoryDisk) {
  const file = new StatusFile({ disk: disk.attach() });
  return { file, recovery: await file.open() };
}

async function overwrite(disk: MemoryDisk, path: string, at: number, bytes: Uint8Array) {
  const file = await disk.open(path);
  file.writeNow(at, bytes);
  await file.sync();
  await file.close();
}

describe('the status file', () => {
  it('is empty at first, then what was saved', async () => {
    const disk = new MemoryDisk();
    const first = await openStatus(disk);
    expect(first.recovery).toEqual({ status: undefined, lost: false, copiesBad: 0 });
    let { file } = first;
    for (const one of [status(1), status(2, 7n), status(2 ** 53 - 2, 2n ** 64n - 1n), status(6)]) {
      await file.save(one);
      disk.powerLoss(new SeededRandom(1));
      const again = await openStatus(disk);
      expect(again.recovery).toEqual({ status: one, lost: false, copiesBad: 0 });
      file = again.file;
    }
  });

  it('shows the old or the new one after a crash at any operation', async () => {
    for (const power of [undefined, 1, 2, 3, 4]) {
      for (const bytes of [0, 100_000]) {
        for (let at = 1; at < 40; at += 1) {
          const disk = new MemoryDisk();
          const saved = await runStatus(disk, at, bytes);
          if (power === undefined) disk.processCrash();
          else disk.powerLoss(new SeededRandom(power));
          const { recovery } = await openStatus(disk);
          expect(recovery.lost).toBe(false);
          const found = recovery.status?.state.term ?? 0;
          expect([saved, saved + 1]).toContain(found);
          // What was told is kept: nothing may fall back behind it.
          disk.powerLoss(new SeededRandom(at));
          expect((await openStatus(disk)).recovery.status?.state.term ?? 0).toBe(found);
        }
      }
    }
  });

  it('bears one bad copy, of either place, after any acknowledged save', async () => {
    for (const offset of [0, 4, 20, 30, 4096, 4100, 4120, 4130]) {
      const disk = new MemoryDisk();
      const { file } = await openStatus(disk);
      await file.save(status(1));
      await file.save(status(5, 3n));
      disk.flipBit('status', offset, 1);
      const { recovery } = await openStatus(disk);
      expect(recovery).toEqual({ status: status(5, 3n), lost: false, copiesBad: 1 });
      expect((await openStatus(disk)).recovery.copiesBad).toBe(0);
    }
  });

  it('says so when both copies are bad', async () => {
    const disk = new MemoryDisk();
    const { file } = await openStatus(disk);
    await file.save(status(1));
    disk.flipBit('status', 30, 1);
    disk.flipBit('status', 4096 + 30, 1);
    const lost = await openStatus(disk);
    expect(lost.recovery).toEqual({ status: undefined, lost: true, copiesBad: 2 });
    await lost.file.save(status(9));
    expect((await openStatus(disk)).recovery.status).toEqual(status(9));
  });

  it('refuses a newer format', async () => {
    const disk = new MemoryDisk();
    const { file } = await openStatus(disk);
    await file.save(status(1));
    const copy = disk.contents('status').slice(0, 24 + 25);
    copy[8] = 9;
    new DataView(copy.buffer).setUint32(0, crc32(copy.subarray(4)), true);
    await overwrite(disk, 'status', 0, copy);
    const error = await openStatus(disk).catch((thrown: unknown) => thrown);
    expect(isHoldfastError(error, 'version-mismatch')).toBe(true);
  });

  it('is finished by a failed sync', async () => {
    const disk = new MemoryDisk();
    const { file } = await openStatus(disk);
    await file.save(status(1));
    disk.setFaults(({ kind }) => (kind === 'sync' ? { kind: 'drop-pages' } : undefined));
    await expect(file.save(status(2))).rejects.toMatchObject({ code: 'unavailable' });
    disk.setFaults(undefined);
    await expect(file.save(status(2))).rejects.toMatchObject({ code: 'unavailable' });
  });
});

/** Saves terms 1, 2, 3 ... until operation `at` kills it; answers the last acknowledged term. */
async function runStatus(disk: MemoryDisk, at: number, writtenBytes: number): Promise<number> {
  disk.setFaults(({ number }) => (number === at ? { kind: 'crash', writtenBytes } : undefined));
  let saved = 0;
  try {
    const { file } = await openStatus(disk);
    for (; saved < 12; saved += 1) await file.save(status(saved + 1));
  } catch {
    // The crash that was ordered.
  }
  disk.setFaults(undefined);
  return saved;
}

describe('the identity file', () => {
  const identity = {
    clusterId: clusterId(11n),
    memberId: memberId(22n),
    storeId: storeId(33n),
    name: 'nöde-1',
  };

  it('is made once, and its boot epoch grows durably with each open', async () => {
    const disk = new MemoryDisk();
    const first = new IdentityFile({ disk: disk.attach() });
    expect(await first.open()).toBeUndefined();
    expect(await first.create(identity)).toEqual({ ...identity, bootEpoch: 1 });
    for (let bootEpoch = 2; bootEpoch < 6; bootEpoch += 1) {
      disk.powerLoss(new SeededRandom(bootEpoch));
      const file = new IdentityFile({ disk: disk.attach() });
      expect(await file.open()).toEqual({ ...identity, bootEpoch });
    }
  });

  it('names what does not match', () => {
    const found = { ...identity, bootEpoch: 1 };
    expect(() => checkIdentity(found, identity)).not.toThrow();
    expect(() => checkIdentity(found, { clusterId: clusterId(12n) })).toThrow(
      /belongs to cluster 000000000000000b, not to 000000000000000c/,
    );
    expect(() => checkIdentity(found, { name: 'n2' })).toThrow(/nöde-1, not to n2/);
  });

  it('is never guessed when both copies are bad', async () => {
    const disk = new MemoryDisk();
    await new IdentityFile({ disk }).create(identity);
    disk.flipBit('identity', 40, 1);
    disk.flipBit('identity', 4096 + 40, 1);
    const opening = new IdentityFile({ disk }).open();
    await expect(opening).rejects.toMatchObject({ code: 'corrupt' });
  });
});
