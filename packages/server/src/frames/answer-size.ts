// How large an answer becomes in a frame, as far as it can be told before it is encoded.
import type { Response } from '@holdfast/proto/client';
import type { ResponseOp } from '@holdfast/proto/internal';

/** What a response takes beside its keys and values, at the most. */
export const responseBytes = 64;

/** Of what stands in it in bytes; the rest is a few numbers. */
export function sizeOf(response: Response['response'] | ResponseOp['response']): number {
  switch (response?.$case) {
    case 'range':
      return sizeOfPairs(response.value.kvs);
    case 'put':
      return sizeOfPairs(response.value.prevKv ? [response.value.prevKv] : []);
    case 'deleteRange':
      return sizeOfPairs(response.value.prevKvs);
    case 'txn':
      return response.value.responses.reduce(
        (sum, inner) => sum + sizeOf(inner.response),
        responseBytes,
      );
    case 'failure':
      return responseBytes + response.value.message.length + response.value.details.length;
    case 'leaseTime':
      return response.value.keys.reduce((sum, key) => sum + key.length + 8, responseBytes);
    case 'leases':
      return responseBytes + response.value.ids.length * 10;
    default:
      return responseBytes;
  }
}

const sizeOfPairs = (
  pairs: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[],
): number =>
  pairs.reduce(
    (sum, { key, value }) => sum + key.length + value.length + responseBytes,
    responseBytes,
  );
