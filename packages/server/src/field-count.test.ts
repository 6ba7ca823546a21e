// Goal: what has too many fields is known by its bytes, wherever they stand, and nothing that a
// client may ask for is taken for it. Method: messages of the generated codecs, and bytes by hand.
import { putOperation, txnOperation, txnRequest } from '@holdfast/domain/requests';
import { Requests } from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';
import { TxnRequest } from '@holdfast/proto/internal';
import { describe, expect, it } from 'vitest';

import { fieldsMax, flat, hasTooManyFields, txnShape } from './field-count.ts';
import { put, requestOf } from './frames/frame-client.fixture.ts';
import { requestsShape } from './frames/request-shape.ts';

const of = (...bytes: readonly number[]) => Uint8Array.from(bytes);
const times = (count: number, bytes: Uint8Array) => Buffer.concat(Array(count).fill(bytes));
/** A field that begins with this tag, of four kinds. */
const kinds = [of(8, 1), of(9, 1, 2, 3, 4, 5, 6, 7, 8), of(10, 3, 8, 8, 8), of(13, 1, 2, 3, 4)];
const key = (at: number) => ({ keyspace: 0, key: Buffer.from(`k${at}`) });
const value = new Uint8Array(100);

describe('a message', () => {
  it.each(kinds)('is known by the number of its fields, whatever they are like: %#', (field) => {
    expect(hasTooManyFields(times(fieldsMax, field), flat)).toBe(false);
    expect(hasTooManyFields(times(fieldsMax + 1, field), flat)).toBe(true);
  });

  it('is not looked into where a value stands', () => {
    const long = times(fieldsMax + 1, of(8, 1));
    const asked = encode(Requests, { requests: [requestOf(1, put('a', long))] });
    expect(hasTooManyFields(asked, requestsShape)).toBe(false);
  });

  it('is looked into where messages stand, however deep', () => {
    const operations = Array.from({ length: 20_000 }, (_, at) => putOperation(key(at), value));
    const flatTxn = txnRequest({ success: operations });
    const nested = txnRequest({ failure: [txnOperation(flatTxn)] });
    for (const txn of [flatTxn, nested]) {
      const bytes = encode(TxnRequest, txn);
      expect([hasTooManyFields(bytes, flat), hasTooManyFields(bytes, txnShape)]).toEqual([
        ...[false, true],
      ]);
    }
  });

  it('of all that the SDK puts into one frame is let through', () => {
    const requests = Array.from({ length: 64 }, (_, id) => {
      const success = Array.from({ length: 128 }, (__, at) => putOperation(key(at), value));
      return requestOf(id + 1, { $case: 'txn', value: txnRequest({ success }) });
    });
    const bytes = encode(Requests, { requests });
    expect(bytes.length).toBeGreaterThan(900_000);
    expect(hasTooManyFields(bytes, requestsShape)).toBe(false);
  });

  it('that is cut off, or none at all, is left to the decoder', () => {
    const long = times(fieldsMax, of(8, 1));
    for (const end of [of(10, 0xff, 0xff, 0xff, 0x7f), of(15), of(0xff), of(11), of(12)]) {
      expect(hasTooManyFields(Buffer.concat([long.subarray(2), end]), flat)).toBe(false);
    }
    expect(hasTooManyFields(new Uint8Array(fieldsMax * 3).fill(0xff), flat)).toBe(false);
  });
});
