// Goal: what was received of a snapshot is worth something after every kind of break, and nothing
// of it is ever taken on trust (D-14). Method: parts on a memory disk, broken off by a link, a
// kill, a power loss and rot.
import { equalBytes } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import { index, memberId, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { newConfiguration } from '@holdfast/raft/configuration';
import { describe, expect, it } from 'vitest';
import { MemoryDisk, type MemoryDiskOptions } from './memory-disk.ts';
import { SnapshotFiles } from './snapshot-files.ts';
import { blockDataBytes, type StoredSnapshot } from './snapshot-format.ts';

const image = new Uint8Array(5 * blockDataBytes + 1000).map((_, at) => (at * 31) % 251);

const snapshotAt = (at: number, bytes = image): StoredSnapshot => ({
  last: { index: index(at), term: term(1) },
  configuration: newConfiguration({ voters: [memberId(1n)] }),
  bytes: bytes.length,
  stateHash: BigInt(at),
  checksum: crc32(bytes),
});

async function open(disk: MemoryDisk): Promise<SnapshotFiles> {
  const files = new SnapshotFiles({ disk: disk.attach() });
  await files.open();
  return files;
}

/** Receives the image up to `through`, and breaks off. */
async function receivePart(files: SnapshotFiles, at: number, through: number): Promise<number> {
  const writer = await files.receive(snapshotAt(at));
  const from = writer?.offset ?? 0;
  await writer?.write(image.subarray(from, through));
  await writer?.suspend();
  return from;
}

/** Receives what is missing; answers where it went on. */
async function receiveRest(files: SnapshotFiles, at: number): Promise<number> {
  const writer = await files.receive(snapshotAt(at));
  const from = writer?.offset ?? 0;
  await writer?.write(image.subarray(from));
  await writer?.commit();
  const [found] = await files.open();
  const parts: Uint8Array[] = [];
  for await (const part of files.read(found as StoredSnapshot)) parts.push(part.slice());
  expect(equalBytes(new Uint8Array(Buffer.concat(parts)), image)).toBe(true);
  return from;
}

const parts = (disk: MemoryDisk): readonly string[] =>
  disk.paths().filter((path) => path.endsWith('.part'));

async function broken(options?: MemoryDiskOptions): Promise<MemoryDisk> {
  const disk = new MemoryDisk(options);
  await receivePart(await open(disk), 7, 3.5 * blockDataBytes);
  return disk;
}

describe('a part of a received snapshot', () => {
  it('is gone on with behind its last whole block, in the same process', async () => {
    const disk = new MemoryDisk();
    const files = await open(disk);
    await receivePart(files, 7, 3.5 * blockDataBytes);
    expect(await receivePart(files, 7, 4.5 * blockDataBytes)).toBe(3 * blockDataBytes);
    expect(await receiveRest(files, 7)).toBe(4 * blockDataBytes);
    expect(parts(disk)).toEqual([]);
  });

  it('is gone on with after a kill', async () => {
    const disk = await broken();
    disk.processCrash();
    expect(await receiveRest(await open(disk), 7)).toBe(3 * blockDataBytes);
  });

  it('counts only as far as its blocks are intact after a power loss', async () => {
    const offsets = new Set<number>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const disk = await broken();
      disk.powerLoss(new SeededRandom(seed));
      offsets.add(await receiveRest(await open(disk), 7));
    }
    expect(offsets.size).toBeGreaterThan(1);
  });

  it('counts only up to a rotten block', async () => {
    const disk = await broken();
    disk.flipBit(parts(disk)[0] ?? '', blockDataBytes + 5000);
    expect(await receiveRest(await open(disk), 7)).toBe(blockDataBytes);
  });

  it('begins anew where its header is another one', async () => {
    const disk = await broken();
    disk.flipBit(parts(disk)[0] ?? '', 41); // The state's hash.
    expect(await receiveRest(await open(disk), 7)).toBe(0);
  });

  it('gives way to one of another snapshot, also of another image at the same index', async () => {
    const disk = await broken();
    const files = await open(disk);
    const other = image.slice(0, 2 * blockDataBytes);
    const writer = await files.receive(snapshotAt(7, other));
    expect(writer?.offset).toBe(0);
    expect(parts(disk)).toHaveLength(1);
    await writer?.write(other);
    await writer?.commit();
    expect(parts(disk)).toEqual([]);
  });

  it('goes when a complete snapshot has overtaken it, at once or at the next start', async () => {
    for (const how of ['retain', 'open']) {
      const disk = await broken();
      const files = await open(disk);
      const { stateHash, ...meta } = snapshotAt(7);
      const own = await files.create(meta, stateHash);
      await own.write(new Uint8Array(10));
      await own.commit();
      if (how === 'retain') await files.retain(2);
      else await open(disk);
      expect(parts(disk), how).toEqual([]);
    }
  });

  it('is refused where it cannot fit, before a byte is sent, and leaves the room to the log', async () => {
    const disk = new MemoryDisk({ capacityBytes: 4 * blockDataBytes });
    const files = await open(disk);
    await expect(files.receive(snapshotAt(7))).rejects.toMatchObject({ code: 'disk-full' });
    expect(parts(disk)).toEqual([]);
  });

  it('goes after a failed write or sync: what that has left is never trusted', async () => {
    const disk = new MemoryDisk();
    const files = await open(disk);
    const writer = await files.receive(snapshotAt(7));
    await writer?.write(image.subarray(0, 2 * blockDataBytes));
    disk.setFaults(({ kind }) => (kind === 'write' ? { kind: 'error', code: 'EIO' } : undefined));
    const failing = (async () => {
      await writer?.write(image.subarray(2 * blockDataBytes));
      await writer?.commit();
    })();
    await expect(failing).rejects.toMatchObject({ code: 'unavailable' });
    disk.setFaults(undefined);
    await writer?.suspend();
    expect(parts(disk)).toEqual([]);
    expect(await receiveRest(files, 7)).toBe(0);
  });

  it('goes when a sync beside the stream has failed, though the stream breaks before that is met', async () => {
    const disk = new MemoryDisk();
    const files = await open(disk);
    const large = new Uint8Array(20 * 1024 * 1024);
    const writer = await files.receive(snapshotAt(7, large));
    disk.setFaults(({ kind }) => (kind === 'sync' ? { kind: 'drop-pages' } : undefined));
    await writer?.write(large.subarray(0, 18 * 1024 * 1024));
    await writer?.suspend();
    disk.setFaults(undefined);
    expect(parts(disk)).toEqual([]);
  });
});
