// Goal: the fast reader and the generated codec never read a put differently. Method: encoded puts
// of every shape, whole, cut short, and with bytes changed.
import { Command, type PutRequest } from '@holdfast/proto/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { put } from './command.fixture.ts';
import { decodePlainPut as decodeFrom } from './put-decoder.ts';

const decodePlainPut = (body: Uint8Array) => decodeFrom(body, 0, body.length);

const plain = (request: PutRequest) => ({
  ...request,
  key: [...request.key],
  value: [...request.value],
});

function generated(body: Uint8Array): unknown {
  const { request } = Command.decode(body);
  return request?.$case === 'put' ? plain(request.value) : undefined;
}

const putRequest = fc.record({
  keyspace: fc.nat(),
  key: fc.uint8Array({ maxLength: 300 }),
  value: fc.uint8Array({ maxLength: 300 }),
  lease: fc.constantFrom(0n, 0n, 7n),
  prevKv: fc.boolean(),
  ignoreValue: fc.constantFrom(false, false, true),
  ignoreLease: fc.constantFrom(false, false, true),
});

const encoded = putRequest.map((value) =>
  Command.encode({ request: { $case: 'put', value } }).finish(),
);

describe('the fast reader of puts', () => {
  it('reads a plain put, and leaves the others alone', () => {
    expect(decodePlainPut(Command.encode(put('a', 'b')).finish())).toEqual(
      Command.decode(Command.encode(put('a', 'b')).finish()).request?.value,
    );
    const withLease = Command.encode(put('a', 'b', { lease: 7n })).finish();
    expect(decodePlainPut(withLease)).toBeUndefined();
  });

  it('agrees with the generated codec wherever it answers', () => {
    fc.assert(
      fc.property(encoded, fc.nat(), fc.nat(255), fc.boolean(), (body, at, byte, cut) => {
        const changed = Uint8Array.from(cut ? body.subarray(0, at % body.length) : body);
        if (!cut) changed[at % changed.length] = byte;
        for (const bytes of [body, changed]) {
          const fast = decodePlainPut(bytes);
          if (fast) expect(plain(fast)).toEqual(generated(bytes));
          const thrice = Buffer.concat([bytes, bytes, bytes]);
          const amid = decodeFrom(thrice, bytes.length, 2 * bytes.length);
          expect(amid && plain(amid)).toEqual(fast && plain(fast));
        }
      }),
      { numRuns: 1000 },
    );
  });
});
