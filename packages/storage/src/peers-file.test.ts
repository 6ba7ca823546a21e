// Goal: a start finds the members and the founders as they were saved last, whatever happened to
// one of the two copies. Method: a memory disk, damage in one copy and in both.
import { memberId } from '@holdfast/base/ids';
import { expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { type KnownPeers, PeersFile } from './peers-file.ts';

const known: KnownPeers = {
  founders: [memberId(1n), memberId(0xffff_ffff_ffff_fff0n)],
  members: [
    { memberId: memberId(1n), name: 'n1', peerAddress: '10.0.0.1:4654' },
    { memberId: memberId(7n), name: 'n7', peerAddress: '[::1]:4654' },
  ],
  isCandidate: true,
};

async function saved(value: KnownPeers): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const file = new PeersFile(disk);
  expect(await file.open()).toBeUndefined();
  await file.save(value);
  await file.close();
  return disk;
}

async function reopened(disk: MemoryDisk): Promise<KnownPeers | undefined> {
  const file = new PeersFile(disk);
  try {
    return await file.open();
  } finally {
    await file.close();
  }
}

async function damage(disk: MemoryDisk, ...offsets: readonly number[]): Promise<void> {
  const file = await disk.open('peers');
  for (const offset of offsets) file.writeNow(offset, new Uint8Array([0xff, 0xff]));
  await file.sync();
  await file.close();
}

it('says what was saved', async () => {
  expect(await reopened(await saved(known))).toEqual(known);
});

it('bears the loss of one copy, and says so of both', async () => {
  const disk = await saved(known);
  await damage(disk, 30);
  expect(await reopened(disk)).toEqual(known);
  await damage(disk, 30, 4096 + 30);
  await expect(reopened(disk)).rejects.toThrow(/list of peers cannot be read in either copy/);
});

it('keeps the first of more members than it has room for', async () => {
  const members = Array.from({ length: 200 }, (_, n) => ({
    memberId: memberId(BigInt(n + 1)),
    name: `member-${n}`,
    peerAddress: `member-${n}.example.internal:4654`,
  }));
  const found = await reopened(await saved({ ...known, members }));
  expect(found?.members.length).toBeGreaterThan(40);
  expect(found?.members).toEqual(members.slice(0, found?.members.length));
});
