// Goal: the fast writer and the generated codec never write a put differently. Method: puts of
// every shape, numbers at the borders of their bytes, behind prefixes.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Command } from './generated/holdfast/internal.ts';
import { encodePlainPut } from './put-encoder.ts';

const lengths = [0, 1, 127, 128, 300, 16_383, 16_384, 2_100_000];
const field = fc.constantFrom(...lengths).map((length) => new Uint8Array(length).fill(7));

const putRequest = fc.record({
  keyspace: fc.constantFrom(0, 1, 127, 128, 0x0fffffff, 0x10000000),
  key: field,
  value: field,
  lease: fc.constantFrom(0n, 0n, 7n),
  prevKv: fc.boolean(),
  ignoreValue: fc.constantFrom(false, false, true),
  ignoreLease: fc.constantFrom(false, false, true),
});

describe('the fast writer of puts', () => {
  it('writes what the generated codec writes, and leaves alone what is no plain put', () => {
    const prefix = Uint8Array.of(1, 2, 3);
    let written = 0;
    fc.assert(
      fc.property(putRequest, (value) => {
        const fast = encodePlainPut(value, prefix);
        const isPlain = value.lease === 0n && !value.ignoreValue && !value.ignoreLease;
        if (!fast) return !isPlain || value.keyspace > 0x0fffffff;
        written += 1;
        const body = Command.encode({ request: { $case: 'put', value } }).finish();
        expect(Buffer.compare(fast, Buffer.concat([prefix, body]))).toBe(0);
        return isPlain;
      }),
      { numRuns: 300 },
    );
    expect(written).toBeGreaterThan(20);
  });
});
