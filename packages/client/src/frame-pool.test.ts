// Goal: one connection an endpoint, made when it is wanted; and where a member speaks no frames, or
// not these, that is found out before anything has left, and costs nobody a wait later on. Method:
// the pool over the memory network, and members that are scripts.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { rangeRequest } from '@holdfast/domain/requests';
import type { Response } from '@holdfast/proto/client';
import { describe, expect, it } from 'vitest';

import { defaultClientSettings } from './client-settings.ts';
import { noOptions } from './frame-connection.ts';
import { FramePool } from './frame-pool.ts';
import { TransportFailure } from './http-port.ts';
import { type ScriptedHello, scriptedMember } from './scripted-member.fixture.ts';

const endpoint = 'member:1';
const get = {
  ...noOptions,
  request: { $case: 'range' as const, value: rangeRequest({ keyspace: 0, key: Buffer.from('a') }) },
};
const keepAlive = {
  ...noOptions,
  request: { $case: 'leaseKeepAlive' as const, value: { id: 7n } },
};
const order = {
  ...{ keyspace: 0, key: Buffer.from('a'), rangeEnd: new Uint8Array(0), startRevision: 0 },
  ...{ prevKv: false, minRevision: 0, maxAgeMs: 0, progressMs: 0 },
};
const nothing: Response['response'] = {
  $case: 'range',
  value: { kvs: [], more: false, count: 0 },
};
const { signal: never } = new AbortController();

async function made(hello: ScriptedHello = {}) {
  const clock = new ManualClock();
  const world = await scriptedMember(clock, hello);
  world.member.respond = () => nothing;
  const greeted: bigint[] = [];
  const heard: string[] = [];
  const refuse: { reason?: HoldfastError } = {};
  const pool = new FramePool({
    ...{ network: world.client, clock, actor: 'ann', user: undefined },
    settings: () => defaultClientSettings,
    onGreeted: (_endpoint, cluster) => {
      greeted.push(cluster);
      if (refuse.reason) throw refuse.reason;
    },
    onHeard: (address) => void heard.push(address),
  });
  const settled = async <T>(promise: Promise<T>): Promise<T | HoldfastError> => {
    const end = promise.catch((error: HoldfastError) => error);
    await clock.advanceAsync(5);
    return end;
  };
  const ask = (request = get as Parameters<FramePool['ask']>[0]['request'], signal = never) =>
    settled(pool.ask({ endpoint, request, signal }));
  return { clock, ...world, pool, greeted, heard, refuse, settled, ask };
}

/** What is there speaks HTTP, as members did before they spoke frames. */
async function madeOverHttp() {
  const world = await made();
  const { member } = world;
  await member.unlisten();
  let dials = 0;
  const listener = await world.host.listen(endpoint, (link) => {
    dials += 1;
    const answer = Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n');
    link.open({ onBytes: () => link.send([answer]), onEnd: () => undefined });
  });
  const upgrade = async (): Promise<void> => {
    await listener.close();
    await member.listen(world.host, endpoint);
  };
  return { ...world, upgrade, dials: () => dials };
}

describe('a member that speaks frames', () => {
  it('is asked on one connection, however many ask at once or later', async () => {
    const { ask, member, greeted, heard, clock, pool } = await made();
    const all = Array.from({ length: 3 }, () =>
      pool.ask({ endpoint, request: get, signal: never }),
    );
    await clock.advanceAsync(5);
    for (const answer of await Promise.all(all)) expect(answer).toMatchObject({ revision: 7 });
    expect(await ask()).toMatchObject({ revision: 7 });
    expect([member.connections, greeted]).toEqual([1, [5n]]);
    expect(new Set(heard)).toEqual(new Set([endpoint]));
  });

  it('answers a ping with its greeting, and then with any byte', async () => {
    const { ask, pool, settled, member } = await made();
    expect(pool.ping(endpoint, never)).toBeUndefined();
    expect(await ask('ping')).toBe('answered');
    expect(await ask('ping')).toBe('answered');
    expect(await settled(pool.ping(endpoint, never) as Promise<void>)).toBeUndefined();
    expect([member.connections, member.asked]).toEqual([1, []]);
  });

  it('gives its failures as answers, and its end as the way that broke', async () => {
    const { ask, member, pool, clock } = await made();
    const value = { code: 'no-leader', message: 'nobody', outcome: 'not-applied', details: '' };
    member.respond = () => ({ $case: 'failure', value });
    expect(await ask()).toMatchObject({ response: { $case: 'failure', value } });
    member.respond = undefined;
    const call = pool.ask({ endpoint, request: get, signal: never });
    call.catch(() => undefined);
    await clock.advanceAsync(5);
    member.link?.destroy();
    await clock.advanceAsync(5);
    await expect(call).rejects.toBeInstanceOf(TransportFailure);
    await expect(call).rejects.toMatchObject({ outcome: 'unknown' });
    member.respond = () => nothing;
    expect(await ask()).toMatchObject({ revision: 7 });
    expect(member.connections).toBe(2);
  });

  it('and is let go of when nobody has wanted it for 30 s, not while somebody does', async () => {
    const { ask, member, clock, pool, network } = await made();
    await ask();
    const opening = pool.watch({ endpoint, order, signal: never });
    await clock.advanceAsync(5);
    member.report(1, { $case: 'started', value: { revision: 4 } });
    await clock.advanceAsync(100_000);
    expect(network.linkCount).toBe(2);
    const answer = await opening;
    if (answer?.type === 'standing') answer.watch.close();
    await clock.advanceAsync(29_000);
    expect(network.linkCount).toBe(2);
    await clock.advanceAsync(1_100);
    expect([network.linkCount, clock.pendingCount]).toEqual([0, 0]);
    expect(await ask()).toMatchObject({ revision: 7 });
  });

  it('loses its connection with its endpoint, and what is under way is told', async () => {
    const { ask, member, pool, clock } = await made();
    await ask();
    member.respond = undefined;
    const call = pool.ask({ endpoint, request: get, signal: never });
    call.catch(() => undefined);
    const dead = new TransportFailure(endpoint, 'dead', { outcome: 'unknown', reason: 'dead' });
    pool.drop('another:1', dead);
    pool.drop(endpoint, dead);
    await expect(call).rejects.toBe(dead);
    member.respond = () => nothing;
    expect(await ask()).toMatchObject({ revision: 7 });
    expect(member.connections).toBe(2);
    await pool.close();
    expect(await ask()).toMatchObject({ code: 'cancelled' });
    await clock.advanceAsync(5);
    expect(clock.pendingCount).toBe(0);
  });

  it('of another cluster is not asked, and that is said', async () => {
    const { ask, member, refuse, network, clock } = await made();
    refuse.reason = new HoldfastError('cluster-mismatch', 'another one');
    expect(await ask()).toBe(refuse.reason);
    await clock.advanceAsync(5);
    expect([member.asked, network.linkCount]).toEqual([[], 0]);
  });

  it('and does not let the client in says why', async () => {
    const refusal = {
      code: 'unauthenticated',
      message: 'no certificate',
      outcome: '',
      details: '',
    };
    const { ask } = await made({ refusal });
    expect(await ask()).toMatchObject({ code: 'unauthenticated', message: 'no certificate' });
  });
});

describe('a member that speaks no frames', () => {
  it('is asked over HTTP from the first call on, and nobody waits to find out again', async () => {
    const { ask, dials, clock } = await madeOverHttp();
    expect(await ask()).toBeUndefined();
    expect(await ask('ping')).toBeUndefined();
    await clock.advanceAsync(59_000);
    expect([await ask(), dials()]).toEqual([undefined, 1]);
  });

  it('is found to have learnt them, without letting a call wait for it', async () => {
    const { ask, upgrade, clock, member, dials } = await madeOverHttp();
    await ask();
    await clock.advanceAsync(60_001);
    expect(await ask()).toBeUndefined();
    expect(dials()).toBe(2);
    await upgrade();
    await clock.advanceAsync(60_001);
    expect(await ask()).toBeUndefined();
    expect(await ask()).toMatchObject({ revision: 7 });
    expect(member.connections).toBe(1);
  });

  it('of our protocol is one of those', async () => {
    const refusal = { code: 'version-mismatch', message: 'older', outcome: '', details: '' };
    const { ask } = await made({ refusal });
    expect(await ask()).toBeUndefined();
  });

  it('of the newer kinds is asked for those over HTTP alone', async () => {
    const { ask, pool, settled, member } = await made({ features: 0 });
    expect(await ask()).toMatchObject({ revision: 7 });
    expect(await ask(keepAlive)).toBeUndefined();
    expect(await settled(pool.watch({ endpoint, order, signal: never }))).toBeUndefined();
    expect([member.asked.length, member.orders.length]).toEqual([1, 0]);
  });

  it('of shorter ones than this is asked over HTTP for what fits into none', async () => {
    const { ask, pool, settled, member } = await made({ frameBytesMax: 250 });
    expect(await ask()).toMatchObject({ revision: 7 });
    const value = rangeRequest({ keyspace: 0, key: Buffer.alloc(150) });
    expect(await ask({ ...noOptions, request: { $case: 'range', value } })).toBeUndefined();
    const long = { ...order, key: Buffer.alloc(200) };
    expect(await settled(pool.watch({ endpoint, order: long, signal: never }))).toBeUndefined();
    expect([member.asked.length, member.orders.length]).toEqual([1, 0]);
  });
});

describe('an endpoint where nobody answers', () => {
  it('has refused, and nothing has left', async () => {
    const { ask, member, clock } = await made();
    await member.unlisten();
    for (let n = 0; n < 2; n += 1) {
      const refused = await ask();
      expect(refused).toBeInstanceOf(TransportFailure);
      expect(refused).toMatchObject({ isRefused: true, outcome: 'not-applied' });
    }
    expect(clock.pendingCount).toBe(0);
  });

  it('is given the time to connect, and for a while asked over HTTP then', async () => {
    const { ask, pool, member, clock } = await made({ isMute: true });
    const call = pool.ask({ endpoint, request: get, signal: never }).catch((error: Error) => error);
    const impatient = new AbortController();
    const other = pool.ask({ endpoint, request: get, signal: impatient.signal });
    other.catch(() => undefined);
    await clock.advanceAsync(100);
    impatient.abort(new Error('enough'));
    await expect(other).rejects.toThrow('enough');
    await clock.advanceAsync(3000);
    expect(await call).toBeInstanceOf(TransportFailure);
    expect(await call).toMatchObject({
      outcome: 'not-applied',
      message: expect.stringContaining('no connection within the connect deadline'),
    });
    expect(await ask()).toBeUndefined();
    member.hello = {};
    await clock.advanceAsync(10_000);
    expect(await ask()).toBeUndefined();
    expect(await ask()).toMatchObject({ revision: 7 });
  });
});

describe('a watch', () => {
  it('stands once its member says so, and is told what follows', async () => {
    const { pool, member, clock, settled } = await made();
    const opening = pool.watch({ endpoint, order, signal: never });
    await clock.advanceAsync(5);
    member.report(1, { $case: 'started', value: { revision: 4 } });
    member.tell(1, 5, { keys: ['a'] });
    const answer = await settled(opening);
    if (!answer || !('watch' in answer)) throw new Error('it does not stand');
    expect(answer.watch.startedAt).toBe(4);
    expect(await answer.watch.next()).toMatchObject({ revision: 5 });
    const next = answer.watch.next().catch((error: Error) => error);
    member.link?.destroy();
    await clock.advanceAsync(5);
    expect(await next).toBeInstanceOf(TransportFailure);
  });

  it('that its member refuses is answered with that', async () => {
    const { pool, member, clock, settled } = await made();
    const opening = pool.watch({ endpoint, order, signal: never });
    await clock.advanceAsync(5);
    const value = { code: 'compacted', message: 'gone', outcome: '', details: '' };
    member.report(1, { $case: 'failure', value });
    expect(await settled(opening)).toMatchObject({ type: 'refused', error: { code: 'compacted' } });
  });

  it('ends with its signal, before it stands and after', async () => {
    const { pool, member, clock, settled } = await made();
    for (const id of [1, 2]) {
      const stop = new AbortController();
      const opening = pool.watch({ endpoint, order, signal: stop.signal });
      opening.catch(() => undefined);
      await clock.advanceAsync(5);
      if (id === 1) {
        stop.abort(new Error('enough'));
        await expect(opening).rejects.toThrow('enough');
        continue;
      }
      member.report(id, { $case: 'started', value: { revision: 4 } });
      const answer = await settled(opening);
      if (!answer || !('watch' in answer)) throw new Error('it does not stand');
      const next = answer.watch.next().catch((error: Error) => error.message);
      stop.abort(new Error('enough'));
      expect(await next).toBe('enough');
    }
    await clock.advanceAsync(5);
    expect(member.orders.filter(({ order: said }) => said?.$case === 'cancel').length).toBe(2);
  });
});
