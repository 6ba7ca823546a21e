// Goal: a watch through etcd's API is held against the rights of its user: when it is created, and
// with each event. Method: the method without a socket, on an engine in memory with two users.
import { ManualClock } from '@holdfast/base/manual-clock';
import { putOperation, putRequest, txnRequest } from '@holdfast/domain/requests';
import type { Subject } from '@holdfast/domain/subject';
import { AccessService } from '@holdfast/engine/access-service';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { WatchCreateRequest, WatchRequest, WatchResponse } from '@holdfast/proto/etcd';
import { beforeEach, expect, it } from 'vitest';

import { enableAccess, testAccess } from '../access/access.fixture.ts';
import { EngineSlot } from '../engine-slot.ts';
import type { StreamMethod } from '../grpc/method.ts';
import { settled, TestStream } from '../grpc/test-stream.fixture.ts';
import { defaultEtcdSettings } from './etcd-settings.ts';
import { watchService } from './watch-service.ts';

const own = { actor: 'test', subject: 'own' } as const;
const denied = 'rpc error: code = PermissionDenied desc = etcdserver: permission denied';
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));

let engine: MemoryEngine;
let method: StreamMethod;

beforeEach(async () => {
  const clock = new ManualClock();
  engine = new MemoryEngine({ clock });
  const slot = new EngineSlot();
  slot.fill(engine);
  const methods = watchService({
    ...{ engine: () => engine, access: testAccess(slot, clock), clock, requestBytesMax: 2000 },
    settings: defaultEtcdSettings,
    show: () => undefined,
  });
  method = methods.get('/etcdserverpb.Watch/Watch') as StreamMethod;
  await enableAccess(engine);
});

/** Alice, who may do all from a to b. */
async function alice(): Promise<Subject> {
  const { body } = await new AccessService(engine).rules(own);
  return { name: 'alice', passwordRevision: body.password('alice')?.revision };
}

function begin(subject: Subject | undefined): TestStream<WatchRequest, WatchResponse> {
  const as = { ...method, open: (call) => method.open({ ...call, subject }) } as StreamMethod;
  return new TestStream(as, [WatchRequest, WatchResponse]);
}

async function create(
  stream: TestStream<WatchRequest, WatchResponse>,
  key: string,
  rangeEnd = '',
  more: Partial<WatchCreateRequest> = {},
): Promise<WatchResponse | undefined> {
  const range = { key: bytes(key), rangeEnd: bytes(rangeEnd), ...more };
  const value = { ...WatchCreateRequest.decode(new Uint8Array(0)), ...range };
  stream.say({ requestUnion: { $case: 'createRequest', value } });
  await settled();
  return stream.answers.at(-1);
}

const put = (key: string) =>
  engine.put(putRequest({ keyspace: 1, key: bytes(key) }, bytes('v')), own);

it('is refused where its user may not read all of its range, and the stream goes on', async () => {
  const stream = begin(await alice());
  for (const [key, rangeEnd] of [['z'], ['a', 'c'], ['', '\0']] as const) {
    const answer = await create(stream, key, rangeEnd);
    expect(answer).toMatchObject({ created: true, canceled: true, cancelReason: denied });
  }
  expect(await create(stream, 'a', 'b')).toMatchObject({ created: true, canceled: false });
  await put('a1');
  await settled();
  expect(stream.answers.at(-1)?.events).toHaveLength(1);
  expect(stream.status).toBeUndefined();
});

it('of nobody is refused', async () => {
  const answer = await create(begin(undefined), 'a');
  expect(answer).toMatchObject({ created: true, canceled: true });
  expect(answer?.cancelReason).toContain('etcdserver: user name is empty');
});

it('is told nothing after its permission was taken, and why', async () => {
  const stream = begin(await alice());
  await create(stream, 'a', 'b');
  const revoke = { kind: 'revoke-role', user: 'alice', role: 'writers' } as const;
  await new AccessService(engine).change(revoke, own);
  await put('a1');
  await settled();
  const last = stream.answers.at(-1);
  expect(last).toMatchObject({ watchId: 0n, canceled: true, cancelReason: denied, events: [] });
  expect(stream.answers.flatMap(({ events }) => events)).toEqual([]);
});

it('is told no further part of an answer after its permission was taken', async () => {
  const stream = begin(await alice());
  await create(stream, 'a', 'b', { fragment: true });
  stream.room = 1;
  const keys = ['a1', 'a2', 'a3'].map((key) => ({ keyspace: 1, key: bytes(key) }));
  const value = new Uint8Array(400 * 1024);
  const success = keys.map((key) => putOperation(key, value));
  await engine.txn(txnRequest({ success }), own);
  await settled();
  expect(stream.answers.at(-1)).toMatchObject({ fragment: true, events: [{}] });
  const revoke = { kind: 'revoke-role', user: 'alice', role: 'writers' } as const;
  await new AccessService(engine).change(revoke, own);
  stream.read();
  await settled();
  expect(stream.answers.flatMap(({ events }) => events)).toHaveLength(1);
  expect(stream.answers.at(-1)).toMatchObject({ canceled: true, cancelReason: denied, events: [] });
  // The stream hears again, and tells of what may be heard.
  expect(stream.isPaused).toBe(false);
  expect(await create(stream, 'a', 'b')).toMatchObject({ canceled: true, cancelReason: denied });
});
