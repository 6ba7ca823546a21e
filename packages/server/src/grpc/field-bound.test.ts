// Goal: a message of millions of fields is refused by its bytes, without being decoded. Method: the
// services over an engine in memory, without a socket; what follows the fields would not decode.
import { ManualClock } from '@holdfast/base/manual-clock';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { beforeEach, describe, expect, it } from 'vitest';

import { testAccess } from '../access/access.fixture.ts';
import { EngineSlot } from '../engine-slot.ts';
import { etcdServices } from '../etcd/etcd-services.ts';
import { defaultEtcdSettings } from '../etcd/etcd-settings.ts';
import type { GrpcCall, GrpcMethods, StreamCall } from './method.ts';
import { GrpcStatus } from './status.ts';

const signal = new AbortController().signal;
const call: GrpcCall = { actor: 'tester', signal, header: () => undefined };

let engine: MemoryEngine;
let methods: GrpcMethods;

beforeEach(() => {
  const clock = new ManualClock();
  const slot = new EngineSlot();
  engine = new MemoryEngine({ clock });
  slot.fill(engine);
  methods = etcdServices({
    ...{ engine: () => engine, access: testAccess(slot, clock), clock },
    ...{ requestBytesMax: 2 * 1024 * 1024, settings: defaultEtcdSettings, show: () => undefined },
  });
});

/** The status that a call of this method ends with. */
async function refusalOf(path: string, message: Uint8Array): Promise<string> {
  const method = methods.get(path);
  if (!method) throw new Error(`no method ${path}`);
  try {
    if (method.kind === 'unary') await method.handle(message, call);
    else method.open(streamCall).onMessage(message);
  } catch (error) {
    const { code, message: words } = error instanceof GrpcStatus ? error : method.statusOf(error);
    return `${code} ${words}`;
  }
  return 'none';
}

const nothing = (): void => undefined;
const streamCall: StreamCall = {
  ...call,
  ...{ send: () => true, unsentBytes: () => 0, end: nothing, pause: nothing, resume: nothing },
};

/** A million bytes and more of one field, in a message of this number; then the end of a group. */
function manyIn(field: number | undefined, bytes: readonly number[]): Uint8Array {
  const many = new Uint8Array(600_000 * bytes.length);
  for (let at = 0; at < many.length; at += bytes.length) many.set(bytes, at);
  const length = [0, 7, 14].map((by) => ((many.length >> by) & 0x7f) | (by === 14 ? 0 : 0x80));
  const head = field === undefined ? [] : [(field << 3) | 2, ...length];
  return Buffer.concat([Uint8Array.from(head), many, Uint8Array.of(0x0c)]);
}

describe('a message with too many fields is refused', () => {
  it.each([
    ['etcdserverpb.KV/Range', undefined],
    ['etcdserverpb.KV/Put', undefined],
    ['etcdserverpb.KV/DeleteRange', undefined],
    ['etcdserverpb.KV/Compact', undefined],
    ['etcdserverpb.Lease/LeaseGrant', undefined],
    ['etcdserverpb.Watch/Watch', 1],
    ['etcdserverpb.Auth/UserAdd', 3],
    ['etcdserverpb.Auth/RoleGrantPermission', 2],
    ['v3electionpb.Election/Proclaim', 1],
    ['v3electionpb.Election/Resign', 1],
  ])('by %s', async (path, field) => {
    expect(await refusalOf(`/${path}`, manyIn(field, [0x78, 0]))).toBe(
      '3 grpc: the message has more than 65536 fields',
    );
  });

  it.each([
    ['comparisons', 0x0a],
    ['operations of success', 0x12],
    ['operations of failure', 0x1a],
  ])('by etcd for a transaction with as many %s, in its words', async (_what, tag) => {
    expect(await refusalOf('/etcdserverpb.KV/Txn', manyIn(undefined, [tag, 0]))).toBe(
      '3 etcdserver: too many operations in txn request',
    );
  });
});
