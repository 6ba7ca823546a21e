// Goal: a joined checksum is the one of the bytes in one piece. Method: random bytes, cut anywhere;
// the check value of CRC-32 itself.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { crc32, joinCrc32 } from './crc32.ts';

describe('crc32', () => {
  it('has the check value of CRC-32/ISO-HDLC', () => {
    expect(crc32(Buffer.from('123456789'))).toBe(0xcbf43926);
  });

  it('of two pieces is joined to that of both, whatever their lengths', () => {
    const pieces = fc.tuple(fc.uint8Array({ maxLength: 300 }), fc.uint8Array({ maxLength: 3000 }));
    fc.assert(
      fc.property(pieces, ([first, second]) => {
        const joined = joinCrc32(crc32(first), crc32(second), second.length);
        expect(joined).toBe(crc32(second, crc32(first)));
      }),
    );
  });

  it('is joined over a block of a quarter of a megabyte', () => {
    const block = new Uint8Array(256 * 1024).map((_, at) => at * 7);
    expect(joinCrc32(0xdeadbeef, crc32(block), block.length)).toBe(crc32(block, 0xdeadbeef));
  });
});
