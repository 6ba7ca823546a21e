// Goal: each call is answered once or told why not, whatever the member says or leaves unsaid; each
// watch is given all that it is told and no more than it has room for. Method: a connection on the
// memory network to a member that is a script.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { putRequest, rangeRequest } from '@holdfast/domain/requests';
import type { Response } from '@holdfast/proto/client';
import { frameKinds } from '@holdfast/transport/frame';
import type { Link } from '@holdfast/transport/link';
import { describe, expect, it } from 'vitest';

import { FrameConnection, type FrameConnectionOptions, noOptions } from './frame-connection.ts';
import type { FrameWatchItem } from './frame-watches.ts';
import { type ScriptedHello, scriptedMember } from './scripted-member.fixture.ts';

async function connected(hello: ScriptedHello = {}, more: Partial<FrameConnectionOptions> = {}) {
  const clock = new ManualClock();
  const world = await scriptedMember(clock, hello);
  const opening = FrameConnection.open({
    ...{ network: world.client, clock, address: 'member:1' },
    ...{ actor: 'ann', timeoutMs: 1000, ...more },
  });
  opening.catch(() => undefined);
  await clock.advanceAsync(10);
  return { clock, ...world, opening };
}

async function opened(hello: ScriptedHello = {}, more: Partial<FrameConnectionOptions> = {}) {
  const world = await connected(hello, more);
  return { ...world, connection: await world.opening };
}

const range = { keyspace: 0, key: Buffer.from('a') };
const get = { ...noOptions, request: { $case: 'range' as const, value: rangeRequest(range) } };
const putOf = (bytes: number) => {
  const value = putRequest(range, new Uint8Array(bytes));
  return { ...noOptions, request: { $case: 'put' as const, value } };
};
const nothing: Response['response'] = {
  $case: 'range',
  value: { kvs: [], more: false, count: 0 },
};
const order = {
  ...{ ...range, rangeEnd: new Uint8Array(0), startRevision: 0, prevKv: false, minRevision: 0 },
  ...{ maxAgeMs: 0, progressMs: 0 },
};

describe('a call', () => {
  it('is sent with those of its turn in one frame, and answered in any order', async () => {
    const { clock, member, connection } = await opened();
    expect([connection.clusterId, connection.memberId]).toEqual([5n, 9n]);
    const calls = [connection.call(get), connection.call(get), connection.call(get)];
    await clock.advanceAsync(10);
    expect([member.frames, member.asked.map(({ id }) => id)]).toEqual([1, [1, 2, 3]]);
    member.answer({ id: 3, response: nothing }, { id: 1, response: nothing });
    member.answer({ id: 77, response: nothing }, { id: 2, response: nothing });
    await clock.advanceAsync(10);
    expect((await Promise.all(calls)).map(({ id, revision }) => [id, revision])).toEqual([
      [1, 7],
      [2, 7],
      [3, 7],
    ]);
    expect([connection.underWay, connection.isBusy]).toEqual([0, false]);
  });

  it('throws what the member says went wrong, as it went wrong there', async () => {
    const { clock, member, connection } = await opened();
    const call = connection.call(get);
    call.catch(() => undefined);
    await clock.advanceAsync(10);
    const details = JSON.stringify({ missingVoters: ['n2'] });
    const value = { code: 'no-quorum', message: 'two are gone', outcome: 'unknown', details };
    member.answer({ id: 1, response: { $case: 'failure', value } });
    await clock.advanceAsync(10);
    await expect(call).rejects.toMatchObject({
      ...{ code: 'no-quorum', message: 'two are gone', outcome: 'unknown' },
      details: { missingVoters: ['n2'] },
    });
  });

  it('waits in line where the member takes no more at a time, in its order', async () => {
    const { clock, member, connection } = await opened();
    const calls = Array.from({ length: 10 }, () => connection.call(get));
    await clock.advanceAsync(10);
    expect([member.asked.length, connection.underWay]).toEqual([4, 10]);
    member.answer({ id: 2, response: nothing });
    await clock.advanceAsync(10);
    expect(member.asked.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5]);
    for (let id = 1; id <= 10; id += 1) {
      if (id !== 2) member.answer({ id, response: nothing });
      await clock.advanceAsync(10);
    }
    await Promise.all(calls);
    expect(member.asked.map(({ id }) => id)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]);
  });

  it('with all others of its turn is no longer than a frame may be, however long they are', async () => {
    const { clock, member, connection } = await opened({ inFlightMax: 100 });
    member.respond = () => ({ $case: 'put', value: { prevKv: undefined } });
    const calls = Array.from({ length: 60 }, () => connection.call(putOf(1_000_000)));
    await clock.advanceAsync(1000);
    await Promise.all(calls);
    expect(member.asked.length).toBe(60);
    await expect(connection.call(putOf(21_000_000))).rejects.toMatchObject({
      code: 'too-large',
      outcome: 'not-applied',
    });
  });

  it('is in frames as long as its member takes them, and where it is longer itself in none', async () => {
    const frameBytesMax = 64 * 1024;
    const { clock, member, connection } = await opened({ inFlightMax: 100, frameBytesMax });
    member.respond = () => ({ $case: 'put', value: { prevKv: undefined } });
    const calls = Array.from({ length: 60 }, () => connection.call(putOf(9000)));
    await clock.advanceAsync(100);
    await Promise.all(calls);
    expect(member.frames).toBe(9);
    expect(connection.ask(putOf(frameBytesMax))).toBeUndefined();
    for (let at = 0; at < 1000; at += 1) connection.watch({ ...order, key: Buffer.alloc(500) });
    await clock.advanceAsync(10);
    expect(member.orders.length).toBe(1000);
    expect(member.longest).toBeGreaterThan(50_000);
    expect(member.longest).toBeLessThanOrEqual(frameBytesMax);
    const far = { ...order, rangeEnd: Buffer.alloc(frameBytesMax) };
    expect([connection.knowsWatch(order), connection.knowsWatch(far)]).toEqual([true, false]);
  });

  it('that can not be written down fails alone', async () => {
    const { clock, member, connection } = await opened();
    member.respond = () => nothing;
    const odd = { ...get, minRevision: 1.5 };
    const calls = [connection.call(get), connection.call(odd), connection.call(get)];
    for (const call of calls) call.catch(() => undefined);
    await clock.advanceAsync(10);
    await expect(calls[1]).rejects.toMatchObject({ code: 'invalid-argument' });
    await Promise.all([calls[0], calls[2]]);
    expect(connection.underWay).toBe(0);
  });

  it('ends with its signal; the member may go on with what was sent', async () => {
    const { clock, member, connection } = await opened();
    const [sent, inLine] = [new AbortController(), new AbortController()];
    const calls = [1, 2, 3, 4].map(() => connection.call(get, sent.signal));
    calls.push(connection.call(get, inLine.signal));
    for (const call of calls) call.catch(() => undefined);
    await clock.advanceAsync(10);
    sent.abort(new Error('enough'));
    inLine.abort(new Error('no more'));
    for (const call of calls.slice(0, 4)) await expect(call).rejects.toThrow('enough');
    await expect(calls[4]).rejects.toThrow('no more');
    await expect(connection.call(get, sent.signal)).rejects.toThrow('enough');
    expect(connection.isBusy).toBe(true);
    // The member is still at the four, and nobody waits for them.
    const late = connection.call(get);
    await clock.advanceAsync(10);
    expect(member.asked.length).toBe(4);
    for (const id of [1, 2, 3, 4]) member.answer({ id, response: nothing });
    await clock.advanceAsync(10);
    expect(member.asked.map(({ id }) => id)).toEqual([1, 2, 3, 4, 6]);
    member.answer({ id: 6, response: nothing });
    await clock.advanceAsync(10);
    await late;
    expect(connection.isBusy).toBe(false);
  });

  it('is told of the end of the connection, and whether it had left', async () => {
    const ends: HoldfastError[] = [];
    const { clock, member, connection } = await opened({}, { onEnd: (end) => ends.push(end) });
    const calls = Array.from({ length: 6 }, () => connection.call(get));
    for (const call of calls) call.catch(() => undefined);
    await clock.advanceAsync(10);
    member.link?.close();
    await clock.advanceAsync(10);
    for (const [at, call] of [...calls, connection.call(get)].entries()) {
      const outcome = at < 4 ? 'unknown' : 'not-applied';
      await expect(call).rejects.toMatchObject({ code: 'unavailable', outcome });
    }
    expect([ends.length, connection.ended?.code]).toEqual([1, 'unavailable']);
  });
});

describe('a connection', () => {
  it('is not opened where it is refused, where nobody answers, or where it is closed', async () => {
    const refusal = {
      code: 'unauthenticated',
      message: 'no certificate',
      outcome: '',
      details: '',
    };
    const { opening } = await connected({ refusal });
    await expect(opening).rejects.toMatchObject({ code: 'unauthenticated' });
    const silent = await connected({ isMute: true });
    await silent.clock.advanceAsync(2000);
    await expect(silent.opening).rejects.toMatchObject({ code: 'deadline-exceeded' });
    const { clock, connection } = await opened();
    const call = connection.call(get);
    call.catch(() => undefined);
    connection.close();
    await clock.advanceAsync(10);
    await expect(call).rejects.toBeInstanceOf(HoldfastError);
  });

  it('says what it knows of its member, and asks for nothing else', async () => {
    const keepAlive = { $case: 'leaseKeepAlive', value: { id: 7n } } as const;
    const { connection: old } = await opened({ features: 0 });
    expect([old.knows(get.request), old.knows(keepAlive), old.knowsWatch(order)]).toEqual([
      true,
      false,
      false,
    ]);
    const { connection: present } = await opened({ features: 0xff });
    expect([present.knows(keepAlive), present.knowsWatch(order)]).toEqual([true, true]);
  });

  it('ends where the member says what no member says', async () => {
    for (const [kind, payload] of [
      [frameKinds.message, Uint8Array.of(1)],
      [frameKinds.clientResponses, Uint8Array.of(0x0a, 0xff)],
      [frameKinds.clientWatchReports, Uint8Array.of(0x0a, 0xff)],
    ] as const) {
      const { clock, member, connection } = await opened();
      const call = connection.call(get);
      call.catch(() => undefined);
      await clock.advanceAsync(10);
      member.link?.send(kind, payload);
      await clock.advanceAsync(10);
      await expect(call).rejects.toMatchObject({ code: 'unavailable', outcome: 'unknown' });
    }
  });

  it('is a sign of life with each byte, and with the answer to a ping', async () => {
    let heard = 0;
    const { clock, connection } = await opened({}, { onHeard: () => (heard += 1) });
    const ping = connection.ping();
    await clock.advanceAsync(10);
    await ping;
    expect(heard).toBe(1);
  });

  it('keeps its process from its end only while something is under way', async () => {
    const held: boolean[] = [];
    const clock = new ManualClock();
    const { client, member } = await scriptedMember(clock);
    const network = { ...client, hold: (_link: Link, isHeld: boolean) => void held.push(isHeld) };
    const opening = FrameConnection.open({
      ...{ network, clock, address: 'member:1', actor: '', timeoutMs: 1000 },
    });
    await clock.advanceAsync(10);
    const connection = await opening;
    expect(held).toEqual([false]);
    const calls = [connection.call(get), connection.call(get)];
    const watch = connection.watch(order);
    await clock.advanceAsync(10);
    for (const id of [1, 2]) member.answer({ id, response: nothing });
    await clock.advanceAsync(10);
    await Promise.all(calls);
    expect(held).toEqual([false, true]);
    watch.close();
    expect(held).toEqual([false, true, false]);
  });
});

async function watched() {
  const world = await opened();
  const watch = world.connection.watch(order);
  await world.clock.advanceAsync(10);
  return { ...world, watch };
}

/** What the reader has taken, until it is told to wait. */
function readAll(next: () => Promise<FrameWatchItem>) {
  const lines: string[] = [];
  const end = (async () => {
    for (;;) {
      const item = await next();
      const keys = item.type === 'events' ? item.events.map(({ kv }) => String(kv?.key)) : [];
      lines.push(`${item.type} ${item.revision} ${keys.join(' ')}`.trim());
    }
  })().catch((error: Error) => error);
  return { lines, end };
}

const credits = (orders: readonly { readonly order?: unknown }[]): number =>
  orders.reduce((sum, one) => {
    const { order: said } = one as { order?: { $case: string; value: { bytes: number } } };
    return said?.$case === 'credit' ? sum + said.value.bytes : sum;
  }, 0);

describe('a watch', () => {
  it('gives what the member tells it, a revision at a time', async () => {
    const { clock, member, watch } = await watched();
    expect(member.orders).toMatchObject([
      { id: 1, order: { $case: 'open', value: { credit: 256 * 1024 } } },
    ]);
    const { lines } = readAll(() => watch.next());
    member.report(1, { $case: 'started', value: { revision: 4 } });
    member.report(77, { $case: 'started', value: { revision: 9 } });
    member.report(1, undefined);
    member.tell(1, 5, { keys: ['a', 'b'] });
    member.report(1, { $case: 'progress', value: { revision: 8 } });
    member.tell(1, 9, { keys: ['c'], hasMore: true });
    member.tell(1, 9, { keys: ['d'], hasMore: true });
    await clock.advanceAsync(10);
    expect(await watch.started).toBe(4);
    expect(lines).toEqual(['events 5 97 98', 'progress 8']);
    member.tell(1, 9, { keys: ['e'] });
    await clock.advanceAsync(10);
    expect(lines.at(-1)).toBe('events 9 99 100 101');
  });

  it('pays for what its reader has taken, and for parts of a revision at once', async () => {
    const { clock, member, watch } = await watched();
    const key = 'k'.repeat(50_000);
    let told = 0;
    for (let at = 0; at < 10; at += 1) told += member.tell(1, at + 2, { keys: [key] });
    await clock.advanceAsync(10);
    expect(credits(member.orders)).toBe(0);
    for (let at = 0; at < 10; at += 1) await watch.next();
    await clock.advanceAsync(10);
    expect(credits(member.orders)).toBeGreaterThan(told - 128 * 1024);
    expect(credits(member.orders)).toBeLessThanOrEqual(told);
    for (let at = 0; at < 20; at += 1) told += member.tell(1, 20, { keys: [key], hasMore: true });
    await clock.advanceAsync(10);
    expect(credits(member.orders)).toBeGreaterThan(told - 128 * 1024);
  });

  it('ends as the member says, after all that came before', async () => {
    const { clock, member, connection, watch } = await watched();
    member.report(1, { $case: 'started', value: { revision: 4 } });
    member.tell(1, 5, { keys: ['a'] });
    const value = { code: 'compacted', message: 'gone', outcome: '', details: '' };
    member.report(1, { $case: 'failure', value });
    await clock.advanceAsync(10);
    const { lines, end } = readAll(() => watch.next());
    expect(await end).toMatchObject({ code: 'compacted' });
    expect([lines, connection.isBusy]).toEqual([['events 5 97'], false]);
  });

  it('that is refused does not begin, and neither does one on a connection that ended', async () => {
    const { clock, member, connection, watch } = await watched();
    const value = { code: 'no-leader', message: 'nobody', outcome: '', details: '' };
    member.report(1, { $case: 'failure', value });
    await clock.advanceAsync(10);
    await expect(watch.started).rejects.toMatchObject({ code: 'no-leader' });
    const other = connection.watch(order);
    member.link?.close();
    await clock.advanceAsync(10);
    for (const one of [other, connection.watch(order)]) {
      await expect(one.started).rejects.toMatchObject({ code: 'unavailable' });
      await expect(one.next()).rejects.toMatchObject({ code: 'unavailable' });
    }
  });

  it('is cancelled when it is closed, and hears no more', async () => {
    const { clock, member, connection, watch } = await watched();
    const { lines, end } = readAll(() => watch.next());
    watch.close(new Error('enough'));
    watch.close();
    member.tell(1, 5, { keys: ['a'] });
    await clock.advanceAsync(10);
    expect([await end, lines]).toEqual([new Error('enough'), []]);
    expect(member.orders.map(({ order: said }) => said?.$case)).toEqual(['open', 'cancel']);
    expect(connection.isBusy).toBe(false);
  });

  it('has as many others beside it as are wanted, all opened in a few frames', async () => {
    const { clock, member, connection } = await opened();
    const watches = Array.from({ length: 10_000 }, () => connection.watch(order));
    await clock.advanceAsync(10);
    expect(member.orders.length).toBe(10_000);
    member.tell(9000, 5, { keys: ['a'] });
    await clock.advanceAsync(10);
    expect(await watches[8999]?.next()).toMatchObject({ revision: 5 });
    for (const watch of watches) watch.close();
    await clock.advanceAsync(10);
    expect(member.orders.length).toBe(20_000);
  });
});
