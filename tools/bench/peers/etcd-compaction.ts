// Compaction by etcd's protocol, for both that speak it.
import {
  CompactionRequest,
  CompactionResponse,
  RangeRequest,
  RangeResponse,
} from '@holdfast/proto/etcd';

import { callUnary } from './grpc-unary.ts';

/** Of all history; answers when the memory is given back. */
export async function compactAll(endpoint: string): Promise<void> {
  const range = RangeRequest.decode(new Uint8Array(0));
  const { header } = await callUnary({
    endpoint,
    path: '/etcdserverpb.KV/Range',
    codecs: [RangeRequest, RangeResponse],
    request: { ...range, key: Buffer.from('bench-00000000') },
  });
  await callUnary({
    endpoint,
    path: '/etcdserverpb.KV/Compact',
    codecs: [CompactionRequest, CompactionResponse],
    request: { revision: BigInt(header?.revision ?? 0), physical: true },
  });
}
