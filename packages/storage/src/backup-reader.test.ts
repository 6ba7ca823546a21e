// Goal: a backup is the one that was made, or it is refused with the place of the damage; and a
// file has its name only when it is whole. Method: every kind of damage at every kind of place,
// bytes cut into pieces at will, disks that fill up.
import { createHash } from 'node:crypto';
import { crc32 } from '@holdfast/base/crc32';
import { clusterId, index, memberId, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { encodeBackup } from './backup-encoder.ts';
import { checkBackup, readPieces, writeBackup } from './backup-files.ts';
import { type BackupHead, encodeBackupHeader } from './backup-format.ts';
import { BackupReader, type BackupSummary, openBackup } from './backup-reader.ts';
import { viewOf } from './byte-codec.ts';
import { MemoryDisk } from './memory-disk.ts';
import { findWrongBytes } from './one-wrong-byte.ts';
import { blockDataBytes } from './snapshot-format.ts';

const head: BackupHead = {
  clusterId: clusterId(0xfedc_ba98_7654_3210n),
  memberId: memberId(2n),
  clusterVersion: 4,
  revision: 12_345,
  last: { index: index(20_000), term: term(7) },
  stateHash: 0xffff_0000_ffff_0001n,
  createdAtMs: 1_800_000_000_000,
  storeBytes: 700_000,
  version: '1.2.3',
};

const noise = (length: number): Uint8Array =>
  Uint8Array.from({ length }, (_, at) => (at * 7919 + (at >>> 8) * 31) & 0xff);

async function* inPieces(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += length) yield bytes.subarray(at, at + length);
}

async function gathered(pieces: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const piece of pieces) parts.push(piece.slice());
  return new Uint8Array(Buffer.concat(parts));
}

const fileOf = (image: Uint8Array, isSealed = false): Promise<Uint8Array> =>
  gathered(encodeBackup(head, inPieces(image, 100_000), { isSealed }));

/** The image and the summary, or what reading throws. */
async function read(
  file: Uint8Array,
  length = 65_536,
): Promise<{ readonly image: Uint8Array; readonly summary: BackupSummary }> {
  const opened = await openBackup(inPieces(file, length));
  const image = await gathered(opened.image);
  const summary = opened.summary();
  if (!summary) throw new Error('an image that has ended has a summary');
  return { image, summary };
}

const anySignal = new AbortController().signal;

describe('a backup', () => {
  it('gives back head and image, at any length and however it is cut', async () => {
    for (const length of [1, 80, blockDataBytes, blockDataBytes + 1, 700_000]) {
      const image = noise(length);
      const file = await fileOf(image);
      for (const cut of [13, 4096, 1_000_000]) {
        if (cut === 13 && length > 1000) continue;
        const { image: found, summary } = await read(file, cut);
        expect(Buffer.compare(found, image)).toBe(0);
        const imageCrc = crc32(image);
        const blocks = Math.ceil(length / blockDataBytes);
        const { bytes } = summary;
        expect(summary).toEqual({ head, bytes, imageBytes: length, imageCrc, blocks });
        expect(bytes).toBe(file.length);
      }
    }
  });

  it('is refused for a changed byte anywhere, and the byte is named', async () => {
    const file = await fileOf(noise(300_000));
    const places = fc.oneof(
      fc.nat(file.length - 1),
      fc.nat(120),
      fc.nat(60).map((back) => file.length - 1 - back),
      fc.nat(40).map((at) => head.version.length + 88 + blockDataBytes + at),
    );
    await fc.assert(
      fc.asyncProperty(places, fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        const bad = file.slice();
        bad[at] = (bad[at] as number) ^ mask;
        const error = await read(bad).catch((thrown: unknown) => thrown);
        expect(error).toMatchObject({ name: 'HoldfastError' });
        const { code, message } = error as { readonly code: string; readonly message: string };
        // What says which kind of bytes these are, and how many, makes them something else.
        if (at >= 4 && at < 8) expect(code).toBe('invalid-argument');
        else expect(code).toBe('corrupt');
        const isInside = at >= 200 && at < 88 + blockDataBytes;
        if (isInside) expect(message).toMatch(new RegExp(`it is byte (\\d+ or )*${at}\\b`));
      }),
      {
        numRuns: 300,
        examples: [
          [0, 1],
          [9, 1],
          [12, 1],
          [99, 255],
          [200, 248],
          [file.length - 1, 128],
        ],
      },
    );
  });

  it('is refused when it is cut anywhere, and when bytes follow', async () => {
    const file = await fileOf(noise(300_000));
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), async (length) => {
        const cut = read(file.subarray(0, length));
        const code = length < 16 ? 'invalid-argument' : 'corrupt';
        await expect(cut).rejects.toMatchObject({ code });
      }),
      { numRuns: 100, examples: [[0], [15], [16], [91], [file.length - 32], [file.length - 1]] },
    );
    const longer = new Uint8Array(Buffer.concat([file, noise(1)]));
    await expect(read(longer)).rejects.toThrow('bytes follow its end');
  });

  it('of which a whole block is missing, or of two halves, is refused', async () => {
    const [file, other] = [await fileOf(noise(600_000)), await fileOf(noise(600_001))];
    const first = 88 + head.version.length;
    const second = first + 12 + blockDataBytes;
    const without = Buffer.concat([file.subarray(0, first), file.subarray(second)]);
    await expect(read(new Uint8Array(without))).rejects.toThrow('block 0');
    const late = encodeBackupHeader({ ...head, revision: 12_346 });
    const swapped = new Uint8Array(Buffer.concat([late, other.subarray(late.length)]));
    await expect(read(swapped)).rejects.toThrow('two different backups');
  });

  it('of a newer format, and what is none, are told from damage', async () => {
    const file = await fileOf(noise(1000));
    const newer = file.slice();
    const length = 88 + head.version.length;
    viewOf(newer).setUint16(8, 3, true);
    viewOf(newer).setUint32(0, crc32(newer.subarray(4, length)), true);
    await expect(read(newer)).rejects.toMatchObject({ code: 'version-mismatch' });
    const text = new TextEncoder().encode('a letter to somebody, and no backup at all');
    await expect(read(text)).rejects.toThrow('no backup of Holdfast');
  });
});

describe('a sealed backup', () => {
  it('is the same and has the length of a snapshot of etcd, and its digest at the end', async () => {
    for (const length of [1, 407, 408, 409, blockDataBytes + 1]) {
      const image = noise(length);
      const [plain, file] = [await fileOf(image), await fileOf(image, true)];
      expect(file.length % 512).toBe(32);
      expect(file.length - plain.length).toBeLessThan(512 + 32);
      const digest = createHash('sha256').update(file.subarray(0, -32)).digest();
      expect(Buffer.compare(file.subarray(-32), digest)).toBe(0);
      for (const cut of [511, 1_000_000]) {
        const { image: found, summary } = await read(file, cut);
        expect(Buffer.compare(found, image)).toBe(0);
        expect(summary).toMatchObject({ head, bytes: file.length, imageBytes: length });
      }
    }
  });

  it('is refused for a changed byte, without its seal, and when bytes follow', async () => {
    const file = await fileOf(noise(3000), true);
    for (const at of [file.length - 1, file.length - 32, file.length - 33, 9, 200]) {
      const bad = file.slice();
      bad[at] = (bad[at] as number) ^ 1;
      await expect(read(bad)).rejects.toMatchObject({ code: 'corrupt' });
    }
    const plain = await fileOf(noise(3000));
    for (const length of [plain.length, file.length - 1]) {
      await expect(read(file.subarray(0, length))).rejects.toThrow('its seal: it was cut short');
    }
    const longer = new Uint8Array(Buffer.concat([file, noise(1)]));
    await expect(read(longer)).rejects.toThrow('bytes follow its end');
  });
});

describe('a wrong byte', () => {
  it('is found from the checksum alone, wherever it is', () => {
    const bytes = noise(5000);
    fc.assert(
      fc.property(fc.nat(4999), fc.integer({ min: 1, max: 255 }), (offset, difference) => {
        const bad = bytes.slice();
        bad[offset] = (bad[offset] as number) ^ difference;
        expect(findWrongBytes(bad, crc32(bytes))).toContainEqual({ offset, difference });
      }),
    );
    expect(findWrongBytes(bytes, crc32(bytes))).toEqual([]);
  });
});

describe('a backup file', () => {
  const options = (disk: MemoryDisk) => ({
    disk,
    path: 'b',
    unfinishedPath: 'b.tmp',
    reader: new BackupReader(),
    signal: anySignal,
  });

  it('has its name when it is whole and synced, as a power cut shows', async () => {
    const disk = new MemoryDisk();
    const file = await fileOf(noise(3_000_000));
    const summary = await writeBackup(inPieces(file, 70_000), options(disk));
    expect(summary.bytes).toBe(file.length);
    disk.powerLoss(new SeededRandom(1));
    expect(Buffer.compare(await gathered(readPieces(disk, 'b')), file)).toBe(0);
    const again = await checkBackup(new BackupReader(), readPieces(disk, 'b'), anySignal);
    expect(again).toEqual(summary);
  });

  it('is gone when its bytes end early, are damaged, or find no room', async () => {
    const disk = new MemoryDisk({ capacityBytes: 2_000_000 });
    const file = await fileOf(noise(600_000));
    const cut = writeBackup(inPieces(file.subarray(0, 500_000), 70_000), options(disk));
    await expect(cut).rejects.toMatchObject({ code: 'corrupt' });
    const bad = file.slice();
    bad[400_000] = (bad[400_000] as number) ^ 1;
    const damaged = writeBackup(inPieces(bad, 70_000), options(disk));
    await expect(damaged).rejects.toThrow('it is byte 400000');
    const large = writeBackup(inPieces(await fileOf(noise(3_000_000)), 70_000), options(disk));
    await expect(large).rejects.toMatchObject({ code: 'disk-full' });
    expect(await disk.list('')).toEqual([]);
  });
});
