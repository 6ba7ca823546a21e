// Goal: etcd's Lease is answered as etcd answers it, in whole seconds and in its own words. Method:
// the service over an engine in memory, without a socket.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { putRequest } from '@holdfast/domain/requests';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { encode } from '@holdfast/proto/encode';
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
} from '@holdfast/proto/etcd';
import { beforeEach, describe, expect, it } from 'vitest';

import { type Codec, type GrpcCall, type StreamMethod, unframed } from '../grpc/method.ts';
import { GrpcStatus } from '../grpc/status.ts';
import { settled, TestStream } from '../grpc/test-stream.fixture.ts';
import { defaultEtcdSettings } from './etcd-settings.ts';
import { leaseService } from './lease-service.ts';

const call: GrpcCall = {
  actor: 'tester',
  signal: new AbortController().signal,
  header: () => undefined,
};
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);

let clock: ManualClock;
let engine: MemoryEngine;
let methods: ReturnType<typeof leaseService>;

beforeEach(() => {
  clock = new ManualClock();
  engine = new MemoryEngine({ clock });
  methods = leaseService({ engine: () => engine, settings: defaultEtcdSettings });
});

async function ask<Request, Response>(
  name: string,
  [request, response]: readonly [Codec<Request>, Codec<Response>],
  value: Request,
): Promise<Response> {
  const method = methods.get(`/etcdserverpb.Lease/${name}`);
  if (method?.kind !== 'unary') throw new Error(`no method ${name}`);
  try {
    return response.decode(unframed(await method.handle(encode(request, value), call)));
  } catch (error) {
    const { code, message } = error instanceof GrpcStatus ? error : method.statusOf(error);
    throw new Error(`${code} ${message}`);
  }
}

const grant = (TTL: bigint, ID = 0n) =>
  ask('LeaseGrant', [LeaseGrantRequest, LeaseGrantResponse], { TTL, ID });
const revoke = (ID: bigint) =>
  ask('LeaseRevoke', [LeaseRevokeRequest, LeaseRevokeResponse], { ID });
const timeToLive = (ID: bigint, keys = false) =>
  ask('LeaseTimeToLive', [LeaseTimeToLiveRequest, LeaseTimeToLiveResponse], { ID, keys });
const leases = () => ask('LeaseLeases', [LeaseLeasesRequest, LeaseLeasesResponse], {});
const attach = (key: string, lease: bigint, keyspace = 1) => {
  const range = { keyspace, key: utf8(key), rangeEnd: new Uint8Array(0) };
  return engine.put({ ...putRequest(range, utf8('v')), lease }, { actor: 'tester' });
};
const keepAlives = () =>
  new TestStream(methods.get('/etcdserverpb.Lease/LeaseKeepAlive') as StreamMethod, [
    LeaseKeepAliveRequest,
    LeaseKeepAliveResponse,
  ]);

describe('LeaseGrant', () => {
  it('grants for the seconds asked for, under an id of its own or of the client', async () => {
    const chosen = await grant(60n);
    expect(chosen).toMatchObject({ TTL: 60, error: '', header: { memberId: 1n, revision: 1 } });
    expect(chosen.ID).toBeGreaterThan(0n);
    expect(await grant(10n, 77n)).toMatchObject({ ID: 77n, TTL: 10 });
    expect(await grant(9_000_000_000n, 2n ** 63n - 1n)).toMatchObject({ TTL: 9_000_000_000 });
  });

  it('raises what is too short to live through an election', async () => {
    const granted = await Promise.all([1n, 0n, -5n, 2n, 3n].map((ttl) => grant(ttl)));
    expect(granted.map(({ TTL }) => TTL)).toEqual([2, 2, 2, 2, 3]);
  });

  it('refuses in the words of etcd', async () => {
    await expect(grant(9_000_000_001n)).rejects.toThrow('11 etcdserver: too large lease TTL');
    await grant(10n, 7n);
    await expect(grant(10n, 7n)).rejects.toThrow('9 etcdserver: lease already exists');
    await expect(grant(10n, -7n)).rejects.toThrow(/^3 /);
  });
});

describe('LeaseRevoke', () => {
  it('ends the lease with its keys, once', async () => {
    await grant(10n, 7n);
    await attach('a', 7n);
    expect((await revoke(7n)).header?.revision).toBe(3);
    const gone = '5 etcdserver: requested lease not found';
    await expect(revoke(7n)).rejects.toThrow(gone);
    await expect(revoke(0n)).rejects.toThrow(gone);
    await expect(revoke(-1n)).rejects.toThrow(gone);
  });
});

describe('LeaseTimeToLive', () => {
  it('says what is left, and what hangs on it in the keyspace of clients', async () => {
    await grant(10n, 7n);
    await attach('a', 7n);
    await attach('b', 7n);
    await attach('c', 7n, 2);
    await clock.advanceAsync(1500);
    expect(await timeToLive(7n)).toMatchObject({ ID: 7n, TTL: 8, grantedTTL: 10, keys: [] });
    const { keys } = await timeToLive(7n, true);
    expect(keys.map((key) => new TextDecoder().decode(key)).sort()).toEqual(['a', 'b']);
  });

  it('says of what there is not that it lives for -1', async () => {
    await attach('a', 0n);
    const unknown = { TTL: -1, grantedTTL: 0, keys: [], header: { revision: 2 } };
    expect(await timeToLive(7n, true)).toMatchObject({ ...unknown, ID: 7n });
    expect(await timeToLive(-7n)).toMatchObject({ ...unknown, ID: -7n });
    await grant(2n, 8n);
    await clock.advanceAsync(3000);
    expect(await timeToLive(8n)).toMatchObject({ ...unknown, ID: 8n });
  });
});

describe('LeaseLeases', () => {
  it('lists all of them', async () => {
    for (const id of [9n, 7n, 8n]) await grant(10n, id);
    expect((await leases()).leases).toEqual([{ ID: 9n }, { ID: 7n }, { ID: 8n }]);
  });
});

describe('LeaseKeepAlive', () => {
  it('gives a lease its full time again, and one that there is not none', async () => {
    await grant(10n, 7n);
    const stream = keepAlives();
    await clock.advanceAsync(9000);
    for (const ID of [7n, 8n, 0n, -1n]) stream.say({ ID });
    await settled();
    expect(stream.answers.map(({ ID, TTL }) => [ID, TTL])).toEqual([
      [7n, 10],
      [8n, 0],
      [0n, 0],
      [-1n, 0],
    ]);
    expect(stream.answers[0]?.header).toMatchObject({ memberId: 1n, revision: 1, raftTerm: 1 });
    await clock.advanceAsync(9000);
    expect(await timeToLive(7n)).toMatchObject({ TTL: 1 });
    expect(stream.status).toBeUndefined();
  });

  it('answers in the order of asking, whatever is known first', async () => {
    const asked: { readonly id: bigint; readonly know: () => void }[] = [];
    engine.leaseKeepAlive = (id) =>
      new Promise((resolve) => {
        const body = { id, ttlMs: 5000, remainingMs: 5000 };
        asked.push({ id, know: () => resolve({ header: engine.header(), body }) });
      });
    const stream = keepAlives();
    for (const ID of [1n, 2n, 3n]) stream.say({ ID });
    asked[2]?.know();
    await settled();
    expect(stream.answers).toEqual([]);
    asked[0]?.know();
    await settled();
    expect(stream.answers.map(({ ID }) => ID)).toEqual([1n]);
    asked[1]?.know();
    stream.endRequests();
    expect(stream.status).toBeUndefined();
    await settled();
    expect(stream.answers.map(({ ID }) => ID)).toEqual([1n, 2n, 3n]);
    expect(stream.status).toBe('ok');
  });

  it('asks for a bounded number at a time, and hears the rest when there is room', async () => {
    let [underWay, most] = [0, 0];
    const real = engine.leaseKeepAlive.bind(engine);
    engine.leaseKeepAlive = async (id, options) => {
      underWay += 1;
      most = Math.max(most, underWay);
      await settled();
      underWay -= 1;
      return await real(id, options);
    };
    await grant(10n, 7n);
    const stream = keepAlives();
    for (let at = 0; at < 2000; at += 1) stream.say({ ID: 7n });
    expect(stream.isPaused).toBe(true);
    while (stream.answers.length < 2000) await settled();
    expect(most).toBe(256);
    expect(stream.isPaused).toBe(false);
    expect(new Set(stream.answers.map(({ TTL }) => TTL))).toEqual(new Set([10]));
  });

  it('waits for a client that does not read', async () => {
    await grant(10n, 7n);
    const stream = keepAlives();
    stream.room = 3;
    for (let at = 0; at < 1000; at += 1) stream.say({ ID: 7n });
    await settled();
    expect([stream.answers.length, stream.isPaused]).toEqual([3, true]);
    stream.read();
    for (let turn = 0; turn < 20; turn += 1) await settled();
    expect([stream.answers.length, stream.isPaused]).toEqual([1000, false]);
  });

  it('ends with what keeps it from keeping leases', async () => {
    await grant(10n, 7n);
    const stream = keepAlives();
    engine.refusal = new HoldfastError('no-quorum', 'alone');
    stream.say({ ID: 7n });
    stream.say({ ID: 7n });
    await settled();
    expect([stream.answers, stream.status]).toEqual([[], '14 etcdserver: no leader']);
    const broken = keepAlives();
    broken.sayBytes(new Uint8Array([0xff, 0xff]));
    expect(broken.status).toBe('13 grpc: the message does not decode');
  });

  it('answers nobody who has gone', async () => {
    await grant(10n, 7n);
    const stream = keepAlives();
    stream.say({ ID: 7n });
    stream.leave();
    await settled();
    expect([stream.answers, stream.status]).toEqual([[], undefined]);
  });
});
