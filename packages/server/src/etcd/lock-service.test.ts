// Goal: a lock is held by one at a time, in the order in which it was asked for, and given on when
// its holder, or its lease, is gone. Method: the service over an engine in memory.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { encode } from '@holdfast/proto/encode';
import {
  LockRequest,
  LockResponse,
  UnlockRequest,
  UnlockResponse,
} from '@holdfast/proto/etcd-lock';
import type { RangeResponse } from '@holdfast/proto/internal';
import { beforeEach, describe, expect, it } from 'vitest';

import type { CallRoom } from '../grpc/call-room.ts';
import { type UnaryMethod, unframed } from '../grpc/method.ts';
import { GrpcStatus } from '../grpc/status.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import { eventually } from '../http/test-door.fixture.ts';
import { lockService } from './lock-service.ts';
import { askMethod, call } from './operated-engine.fixture.ts';

let clock: ManualClock;
let engine: MemoryEngine;
let methods: ReadonlyMap<string, UnaryMethod>;

beforeEach(() => {
  clock = new ManualClock();
  engine = new MemoryEngine({ clock });
  methods = lockService({ clock, engine: () => engine });
});

const name = Buffer.from('my/lock');

async function granted(ttlMs = 10_000): Promise<bigint> {
  return (await engine.leaseGrant({ ttlMs }, call)).body.id;
}

/** A call that may be ended, with what its client gets. */
function begin(lease: bigint, { room }: { readonly room?: CallRoom } = {}) {
  const end = new AbortController();
  const method = methods.get('/v3lockpb.Lock/Lock') as UnaryMethod;
  let state = 'waits';
  const answer = (async () => {
    try {
      const message = encode(LockRequest, { name, lease });
      const bytes = await method.handle(message, { ...call, signal: end.signal, room });
      state = 'holds';
      return LockResponse.decode(unframed(bytes));
    } catch (error) {
      const { code, message } = error instanceof GrpcStatus ? error : method.statusOf(error);
      state = `${code} ${message}`;
      return undefined;
    }
  })();
  return {
    answer,
    state: () => state,
    end: (code: 'cancelled' | 'deadline-exceeded' | 'shutting-down') =>
      end.abort(new HoldfastError(code, 'it is over')),
  };
}

const unlock = (key: Uint8Array) =>
  askMethod(methods.get('/v3lockpb.Lock/Unlock'), [UnlockRequest, UnlockResponse], { key });

async function keys(): Promise<string[]> {
  const all = { keyspace: kvKeyspace, key: new Uint8Array(1), rangeEnd: new Uint8Array(1) };
  const more = { limit: 0, revision: 0, keysOnly: true, countOnly: false };
  const { body } = await engine.range({ ...all, ...more }, call);
  return body.kvs.map(({ key }) => Buffer.from(key).toString());
}

const waits = async (count: number): Promise<void> =>
  await eventually(() => expect(engine.watcherCount).toBe(2 * count));

describe('a lock', () => {
  it('is had at once by who comes first, and again by the same lease', async () => {
    const lease = await granted();
    const first = await begin(lease).answer;
    expect(Buffer.from(first?.key ?? []).toString()).toBe(`my/lock/${lease.toString(16)}`);
    expect(first?.header?.revision).toBe(2);
    const again = await begin(lease).answer;
    expect(again?.key).toEqual(first?.key);
    expect(await keys()).toHaveLength(1);
  });

  it('goes on in the order in which it was asked for', async () => {
    const calls = [];
    for (let at = 0; at < 4; at += 1) {
      const one = begin(await granted());
      calls.push(one);
      if (at > 0) await waits(at);
    }
    for (const [at, one] of calls.entries()) {
      const answer = await one.answer;
      expect(calls.map(({ state }) => state())).toEqual(
        calls.map((_, other) => (other <= at ? 'holds' : 'waits')),
      );
      await unlock(answer?.key ?? new Uint8Array(0));
    }
    expect(await keys()).toEqual([]);
    expect(engine.watcherCount).toBe(0);
  });

  it('goes on when the lease of its holder ends', async () => {
    await begin(await granted(1000)).answer;
    const next = begin(await granted(60_000));
    await waits(1);
    clock.advance(30_000);
    await keys(); // Whoever comes by finds the lease ended.
    expect((await next.answer)?.header?.revision).toBe(4);
  });

  it('gets a lease of a minute where none is named', async () => {
    const answer = await begin(0n).answer;
    const id = BigInt(
      `0x${
        Buffer.from(answer?.key ?? [])
          .toString()
          .split('/')[2]
      }`,
    );
    expect((await engine.leaseTimeToLive(id, call)).body.ttlMs).toBe(60_000);
  });
});

describe('who waits for a lock', () => {
  it.each([
    ['cancelled', '1 context canceled'],
    ['deadline-exceeded', '4 context deadline exceeded'],
  ] as const)('gives up its place when it is %s', async (code, text) => {
    const holder = await begin(await granted()).answer;
    const second = begin(await granted());
    await waits(1);
    const third = begin(await granted());
    await waits(2);
    second.end(code);
    await second.answer;
    expect(second.state()).toBe(text);
    expect(await keys()).toHaveLength(2);
    expect(third.state()).toBe('waits');
    await unlock(holder?.key ?? new Uint8Array(0));
    await third.answer;
    expect(third.state()).toBe('holds');
  });

  it('keeps its place when the member stops, and finds it at another one', async () => {
    const holder = await begin(await granted()).answer;
    const lease = await granted();
    const second = begin(lease);
    await waits(1);
    second.end('shutting-down');
    await second.answer;
    expect(second.state()).toBe('14 etcdserver: server stopped');
    expect(await keys()).toHaveLength(2);
    begin(await granted());
    await waits(1);
    const again = begin(lease);
    await waits(2);
    await unlock(holder?.key ?? new Uint8Array(0));
    await again.answer;
    expect(again.state()).toBe('holds');
  });

  it('hears at once that its own lease is gone', async () => {
    await begin(await granted()).answer;
    const lease = await granted();
    const second = begin(lease);
    await waits(1);
    await engine.leaseRevoke(lease, call);
    await second.answer;
    expect(second.state()).toBe('2 mutex: session is expired');
  });

  it('holds no room for answers, however many wait with it', async () => {
    const heeded: RangeResponse[] = [];
    const room: CallRoom = {
      isFull: false,
      wait: async () => undefined,
      heed: (body) => void heeded.push(body),
      expect: () => undefined,
      asLong: () => room,
      begin: () => true,
      turn: async () => undefined,
    };
    const holder = await begin(await granted(), { room }).answer;
    for (let count = 1; count <= 5; count += 1) {
      begin(await granted(), { room });
      await waits(count);
    }
    expect([holder?.key.length, heeded]).toEqual([expect.any(Number), []]);
  });

  it('is refused without a lease that is there', async () => {
    const one = begin(77n);
    await one.answer;
    expect(one.state()).toBe('5 etcdserver: requested lease not found');
    engine.refusal = new HoldfastError('no-quorum', 'two voters are missing');
    const other = begin(0n);
    await other.answer;
    expect(other.state()).toBe('14 etcdserver: no leader');
    engine.refusal = undefined;
    await expect(unlock(new Uint8Array(0))).rejects.toThrow('3 etcdserver: key is not provided');
  });

  it('goes on where the past that it waits in is compacted', async () => {
    const holder = await begin(await granted()).answer;
    const watch = engine.watch.bind(engine);
    let refusals = 0;
    engine.watch = async (request, options) => {
      refusals += 1;
      if (refusals < 3) throw new HoldfastError('compacted', 'that is forgotten');
      return await watch(request, options);
    };
    const second = begin(await granted());
    await waits(1);
    await unlock(holder?.key ?? new Uint8Array(0));
    await second.answer;
    expect(second.state()).toBe('holds');
  });
});
