// What is written by hand must be what the contract says, in whatever memory it is written.
import { SnapshotChunk } from '@holdfast/proto/peer';
import { expect, it } from 'vitest';
import { ChunkMemories, encodeSnapshotChunk } from './snapshot-chunk.ts';

it('a chunk is encoded as the generated code does it, at any offset and length', () => {
  for (const offset of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
    for (const length of [0, 1, 127, 128, 20_000]) {
      const data = new Uint8Array(length).fill(7);
      const expected = SnapshotChunk.encode({ offset, data }).finish();
      expect(Buffer.compare(encodeSnapshotChunk(offset, data), expected)).toBe(0);
    }
  }
});

it('memory of a chunk is lent again once its bytes were consumed, and never before', () => {
  const memories = new ChunkMemories();
  const [first, second] = [memories.lend(100, 100, 0), memories.lend(50, 150, 99)];
  expect(second).not.toBe(first);
  expect(memories.lend(100, 250, 100)).toBe(first);
  expect(memories.lend(50, 300, 149)).not.toBe(second);
  // Too small for this one: it goes.
  expect(memories.lend(100, 400, 299)).not.toBe(second);
  expect(memories.lend(90, 490, 399)).toBe(first);

  first.fill(0xff);
  const data = new Uint8Array(90).fill(7);
  const expected = SnapshotChunk.encode({ offset: 5, data }).finish();
  expect(Buffer.compare(encodeSnapshotChunk(5, data, first), expected)).toBe(0);
});
