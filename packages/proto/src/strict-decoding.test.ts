// Goal: bytes that are no message are refused as a whole, at the top and within, and fields of
// newer releases are stepped over. Method: bytes by hand, in front of and behind what is well.
import { describe, expect, it } from 'vitest';
import { LeaseGrantRequest, PutRequest, RangeRequest, TxnRequest } from './generated/etcd/rpc.ts';

const of = (...bytes: readonly number[]): Uint8Array => Uint8Array.from(bytes);
const ttl = [8, 60];

/** What begins no field, or ends behind the message. */
const broken: readonly (readonly [what: string, bytes: readonly number[]])[] = [
  ['a field of number 0', [0]],
  ['a field of number 0 with bytes', [2, 1, 1]],
  ['a group that ends and never began', [12]],
  ['a group that ends as another', [27, 36]],
  ['a group that does not end', [27, 8, 1]],
  ['a kind that there is not', [15]],
  ['a length behind the end', [26, 5, 1]],
  ['a tag that is cut off', [0x98]],
];

describe('a message is refused', () => {
  it.each(broken)('for %s', (_what, bytes) => {
    expect(() => LeaseGrantRequest.decode(of(...bytes))).toThrow();
    expect(() => LeaseGrantRequest.decode(of(...ttl, ...bytes))).toThrow();
  });

  it('for a known field of another type', () => {
    expect(() => PutRequest.decode(of(8, 1))).toThrow('field 1 begins with 8, not with 10');
    expect(() => LeaseGrantRequest.decode(of(10, 1, 1))).toThrow('field 1 begins with 10');
  });

  it('for what is broken in a message that stands in it', () => {
    const within = (...bytes: readonly number[]): Uint8Array => of(10, bytes.length, ...bytes);
    expect(TxnRequest.decode(within(8, 0)).compare).toHaveLength(1);
    expect(() => TxnRequest.decode(within(8, 0, 0))).toThrow('no field begins with 0');
    // The inner one says four bytes of a key and has one: the rest is not its own.
    const beyond = of(10, 3, 26, 4, 97, 98, 99, 100);
    expect(() => TxnRequest.decode(beyond)).toThrow('ends behind its message');
  });
});

describe('a field of a newer release', () => {
  it.each([
    ['number', [0xf8, 1, 5]],
    ['bytes', [0xfa, 1, 2, 1, 1]],
    ['32 bits', [0xfd, 1, 1, 2, 3, 4]],
    ['64 bits', [0xf9, 1, 1, 2, 3, 4, 5, 6, 7, 8]],
    ['a group', [0xfb, 1, 8, 1, 0xfc, 1]],
  ] as const)('is stepped over: %s', (_kind, bytes) => {
    const asked = RangeRequest.decode(of(10, 1, 97, ...bytes, 24, 7));
    expect([asked.key, asked.limit]).toEqual([of(97), 7n]);
  });
});
