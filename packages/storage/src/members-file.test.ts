// The list of known members: what was saved comes back, and its loss is no failure.
import { memberId, storeId } from '@holdfast/base/ids';
import { expect, it } from 'vitest';
import { MembersFile } from './members-file.ts';
import { MemoryDisk } from './memory-disk.ts';

const known = new Map([
  [memberId(1n), storeId(0xffff_ffff_ffff_fff1n)],
  [memberId(2n), storeId(12n)],
]);

it('keeps each member with its store', async () => {
  const disk = new MemoryDisk();
  const file = new MembersFile(disk.attach());
  expect(await file.open()).toEqual(new Map());
  await file.save(known);
  disk.processCrash();
  expect(await new MembersFile(disk.attach()).open()).toEqual(known);
});

it('is empty where neither copy can be read', async () => {
  const disk = new MemoryDisk();
  const file = new MembersFile(disk.attach());
  await file.open();
  await file.save(known);
  await file.close();
  const raw = await disk.open('members');
  await raw.write(0, new Uint8Array(8192).fill(1));
  await raw.close();
  expect(await new MembersFile(disk.attach()).open()).toEqual(new Map());
});

it('holds no more than fits', async () => {
  const many = new Map(
    Array.from({ length: 400 }, (_, n) => [memberId(BigInt(n + 1)), storeId(BigInt(n + 1))]),
  );
  const disk = new MemoryDisk();
  const file = new MembersFile(disk.attach());
  await file.open();
  await file.save(many);
  expect((await new MembersFile(disk.attach()).open()).size).toBe(254);
});
