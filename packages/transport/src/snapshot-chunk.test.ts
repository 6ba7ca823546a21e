// What is written by hand must be what the contract says.
import { SnapshotChunk } from '@holdfast/proto/peer';
import { expect, it } from 'vitest';
import { encodeSnapshotChunk } from './snapshot-chunk.ts';

it('a chunk is encoded as the generated code does it, at any offset and length', () => {
  for (const offset of [0, 1, 127, 128, 300, 2 ** 31, 2 ** 32 + 5, Number.MAX_SAFE_INTEGER]) {
    for (const length of [0, 1, 127, 128, 20_000]) {
      const data = new Uint8Array(length).fill(7);
      const expected = SnapshotChunk.encode({ offset, data }).finish();
      expect(Buffer.compare(encodeSnapshotChunk(offset, data), expected)).toBe(0);
    }
  }
});
