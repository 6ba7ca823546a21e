// Goal: rule 22 of safety.md over frames: each watch is told everything once and in order, whole
// revisions, from where it says; and whoever reads slowly, badly or not at all costs nobody else
// anything. Method: the door on loopback over an engine in memory, and a client that says what it
// is told to.
import { once } from 'node:events';
import { connect } from 'node:net';
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { frameKinds } from '@holdfast/transport/frame';
import { SocketLink, TcpNetwork } from '@holdfast/transport/tcp-link';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { heldBuffers } from '../held-memory.fixture.ts';
import { eventually, listen, readsOf, type TestDoor, testDoor } from '../http/test-door.fixture.ts';
import { Metrics } from '../metrics.ts';
import {
  cancelOf,
  creditOf,
  FrameClient,
  get,
  lineOf,
  put,
  remove,
  requestOf,
  watchOf,
} from './frame-client.fixture.ts';

let door: TestDoor;
let port: number;
let clock: ManualClock;
let turnedAway: string[];
const clients: FrameClient[] = [];

beforeEach(async () => {
  clock = new ManualClock();
  turnedAway = [];
  door = testDoor({ clock, onTurnedAway: (_from, reason) => turnedAway.push(reason) });
  port = await listen(door.app);
});

afterEach(async () => {
  for (const client of clients.splice(0)) client.link.destroy();
  await door.app.close();
  expect(door.faults).toEqual([]);
});

async function greeted(): Promise<FrameClient> {
  const client = await FrameClient.greeted(port);
  clients.push(client);
  return client;
}

/** With the socket below, to do to it what no client does. */
async function onSocket(at = port) {
  const socket = connect(at, '127.0.0.1');
  await once(socket, 'connect');
  const network = Object.assign(new TcpNetwork(), { dial: async () => new SocketLink(socket) });
  const client = await FrameClient.greeted(port, network);
  clients.push(client);
  return { client, socket };
}

let lastId = 0;

async function write(client: FrameClient, ...writes: readonly (readonly [string, string])[]) {
  for (const [name, value] of writes) {
    lastId += 1;
    client.send(requestOf(lastId, put(name, value)));
    const { response } = await client.answerTo(lastId);
    expect(response?.$case).toBe('put');
  }
}

async function txn(client: FrameClient, ...names: readonly string[]): Promise<void> {
  lastId += 1;
  const success = names.map((name) => ({ request: put(name, 't') as never }));
  const value = { compare: [], success, failure: [] };
  client.send(requestOf(lastId, { $case: 'txn', value }));
  expect((await client.answerTo(lastId)).response).toMatchObject({ value: { succeeded: true } });
}

const noMoreWatchers = async (): Promise<void> => {
  while (door.engine.watcherCount > 0) await new Promise((resolve) => setImmediate(resolve));
};

describe('a watch', () => {
  it('is told what comes, in its range, with what was there before where it asks', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a'), watchOf(2, 'a', { end: 'c', prevKv: true }));
    await client.toldSoMuch(2, 1);
    await write(client, ['a', '1'], ['b', '2'], ['c', '3'], ['a', '4']);
    lastId += 1;
    client.send(requestOf(lastId, remove('a')));
    expect(await client.toldSoMuch(1, 4)).toEqual(['started 1', '2: a=1', '5: a=4', '6: -a']);
    expect(await client.toldSoMuch(2, 5)).toEqual([
      'started 1',
      '2: a=1',
      '3: b=2',
      '5: a=4 (was 1)',
      '6: -a (was 4)',
    ]);
  });

  it('begins at the revision that it names, and is told when that is compacted', async () => {
    const client = await greeted();
    await write(client, ['a', '2'], ['a', '3'], ['a', '4']);
    client.order(watchOf(1, 'a', { startRevision: 3 }), watchOf(2, 'a', { startRevision: 9 }));
    expect(await client.toldSoMuch(1, 3)).toEqual(['started 2', '3: a=3', '4: a=4']);
    expect(await client.toldSoMuch(2, 1)).toEqual(['started 8']);
    client.send(requestOf(900, { $case: 'compact', value: { revision: 4 } }));
    expect((await client.answerTo(900)).response?.$case).toBe('compact');
    client.order(watchOf(3, 'a', { startRevision: 2 }));
    await client.toldSoMuch(3, 1);
    const { report } = client.reports.at(-1) ?? {};
    expect(report).toMatchObject({
      $case: 'failure',
      value: { code: 'compacted', details: expect.stringContaining('"compactRevision":4') },
    });
  });

  it('is told all of a revision together, in parts where that is long', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a', { end: 'z' }));
    await client.toldSoMuch(1, 1);
    await txn(client, 'a', 'b', 'c');
    expect((await client.toldSoMuch(1, 2))[1]).toBe('2: a=t b=t c=t');
    const names = Array.from({ length: 100 }, (_, at) => `${'k'.repeat(9000)}${at}`);
    await txn(client, ...names);
    await client.until(() =>
      client.told(1).some((line) => line.startsWith('3:') && !line.endsWith('...')),
    );
    const parts = client.told(1).slice(2);
    expect(parts.length).toBeGreaterThan(2);
    const keys = parts.flatMap((line) => line.replace(/^3: | \.\.\.$/g, '').split(' '));
    expect(keys).toEqual(names.map((name) => `${name}=t`));
  });

  it('says how far everything was told, where nothing else was said for so long', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a', { progressMs: 5000 }), watchOf(2, 'a'));
    await client.toldSoMuch(2, 1);
    await write(client, ['b', '1'], ['b', '2']);
    await clock.advanceAsync(5000);
    expect(await client.toldSoMuch(1, 2)).toEqual(['started 1', 'progress 3']);
    expect(client.told(2)).toEqual(['started 1']);
  });

  it('ends when it is cancelled, and its number may be used again', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a'));
    await client.toldSoMuch(1, 1);
    client.order(cancelOf(1), cancelOf(77), creditOf(77, 5));
    await write(client, ['a', '1']);
    await noMoreWatchers();
    client.order(watchOf(1, 'a'));
    expect(await client.toldSoMuch(1, 2)).toEqual(['started 1', 'started 2']);
    expect(door.engine.watcherCount).toBe(1);
  });

  it.each([
    ['a range that holds nothing', watchOf(1, 'b', { end: 'a' }), 'invalid-argument'],
    ['another keyspace', watchOf(1, 'a', { keyspace: 2 }), 'invalid-argument'],
    ['an order that is not known', { id: 1, order: undefined }, 'invalid-argument'],
  ])('on %s is refused, and the connection lives', async (_what, order, code) => {
    const client = await greeted();
    client.order(order);
    expect(await client.toldSoMuch(1, 1)).toEqual([`failure ${code}`]);
    await write(client, ['a', '1']);
  });

  it('ends where its member may know of nothing as young as it wants', async () => {
    const client = await greeted();
    door.engine.ageMs = 10;
    client.order(watchOf(1, 'a', { maxAgeMs: 1000 }), watchOf(2, 'a'));
    await client.toldSoMuch(2, 1);
    door.engine.ageMs = 1500;
    client.order(watchOf(3, 'a', { maxAgeMs: 1000 }));
    expect(await client.toldSoMuch(3, 1)).toEqual(['failure stale-unknown']);
    await clock.advanceAsync(1000);
    expect(await client.toldSoMuch(1, 2)).toEqual(['started 1', 'failure stale-unknown']);
    expect(client.told(2)).toEqual(['started 1']);
  });

  it('waits for the revision that it wants to be seen first', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a', { minRevision: 3 }));
    await write(client, ['a', '2']);
    expect(client.told(1)).toEqual([]);
    await write(client, ['a', '3'], ['a', '4']);
    expect(await client.toldSoMuch(1, 2)).toEqual(['started 3', '4: a=4']);
  });

  it('waits for it no longer than its client does', async () => {
    const client = await greeted();
    const reads = readsOf(door.engine);
    client.order(watchOf(1, 'a', { minRevision: 9 }), watchOf(2, 'a', { minRevision: 9 }));
    await write(client, ['a', '2']);
    const isLeft = (): unknown[] => reads.map(({ signal }) => signal?.aborted);
    expect(isLeft()).toEqual([false, false]);
    client.order(cancelOf(1));
    await write(client, ['a', '3']);
    expect(isLeft()).toEqual([true, false]);
    client.link.destroy();
    await eventually(() => expect(isLeft()).toEqual([true, true]));
  });
});

describe('a member that ends', () => {
  it('tells each watch to go elsewhere, and closes', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a'), watchOf(2, 'b', { credit: 0 }));
    await client.toldSoMuch(2, 1);
    await door.app.close();
    expect((await client.ended()).type).toBe('ended');
    for (const id of [1, 2])
      expect(client.told(id)).toEqual(['started 1', 'failure shutting-down']);
    expect(turnedAway).toEqual([]);
  });
});

describe('a slow reader', () => {
  it('is told no more than it has given credit for, and all of it once it has', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a', { credit: 1 }), watchOf(2, 'a'));
    await client.toldSoMuch(2, 1);
    const values = Array.from({ length: 20 }, (_, at) => ['a', `${at}`] as const);
    await write(client, ...values);
    await client.toldSoMuch(2, 21);
    expect(client.told(1)).toEqual(['started 1', '2: a=0']);
    // It holds nothing of the store meanwhile, not even a cursor.
    expect(door.engine.watcherCount).toBe(1);
    client.order(creditOf(1, 1_000_000));
    expect(await client.toldSoMuch(1, 21)).toEqual(client.told(2));
    expect(door.engine.watcherCount).toBe(2);
  });

  it('that was overtaken by a compaction is told so', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a', { credit: 1 }));
    await write(client, ['a', '2'], ['a', '3'], ['a', '4']);
    await client.toldSoMuch(1, 2);
    client.send(requestOf(900, { $case: 'compact', value: { revision: 4 } }));
    await client.answerTo(900);
    client.order(creditOf(1, 100));
    expect(await client.toldSoMuch(1, 3)).toEqual(['started 1', '2: a=2', 'failure compacted']);
  });

  it('in the middle of a long revision gets the rest of it, and nothing twice', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'k', { end: 'l', credit: 1 }));
    await client.toldSoMuch(1, 1);
    const names = Array.from({ length: 100 }, (_, at) => `${'k'.repeat(9000)}${at}`);
    await txn(client, ...names);
    await write(client, ['k', '3']);
    await client.toldSoMuch(1, 2);
    expect(client.told(1)[1]).toMatch(/ \.\.\.$/);
    client.order(creditOf(1, 10_000_000));
    await client.until(() => client.told(1).includes('3: k=3'));
    const keys = client
      .told(1)
      .slice(1, -1)
      .flatMap((line) => line.replace(/^2: | \.\.\.$/g, '').split(' '));
    expect(keys).toEqual(names.map((name) => `${name}=t`));
  });

  it('does not keep the answers of its connection from itself', async () => {
    const client = await greeted();
    const value = 'x'.repeat(100_000);
    await write(client, ...Array.from({ length: 50 }, () => ['big', value] as const));
    client.order(
      ...Array.from({ length: 50 }, (_, at) =>
        watchOf(at + 1, 'big', { startRevision: 1, credit: 200_000 }),
      ),
    );
    client.send(requestOf(901, get('none')));
    await client.answerTo(901);
    // Each is told two or three of fifty, and then the member waits.
    await client.until(() => client.reports.length >= 50 * 3);
    client.send(requestOf(902, get('none')));
    await client.answerTo(902);
    expect(client.reports.length).toBeLessThan(50 * 5);
  });
});

describe('a client that does not read its connection', () => {
  it('costs little memory while others are told everything, and is let go at last', async () => {
    const { client: deaf, socket } = await onSocket();
    const good = await greeted();
    const all = Array.from({ length: 200 }, (_, at) => watchOf(at + 1, 'big', { credit: 1e12 }));
    deaf.order(...all);
    await deaf.toldSoMuch(200, 1);
    socket.pause();
    good.order(watchOf(1, 'big', { credit: 1e12 }));
    await good.toldSoMuch(1, 1);
    const before = heldBuffers();
    const value = 'x'.repeat(100_000);
    await write(good, ...Array.from({ length: 60 }, () => ['big', value] as const));
    await good.toldSoMuch(1, 61);
    // 200 watches times 6 MB would be 1.2 GB.
    expect(heldBuffers() - before).toBeLessThan(100_000_000);
    expect(turnedAway).toEqual([]);
    for (let at = 0; at < 32; at += 1) await clock.advanceAsync(1000);
    expect(turnedAway).toEqual([expect.stringMatching(/read nothing for 30000 ms/)]);
    await write(good, ['big', 'last']);
    expect((await good.toldSoMuch(1, 62)).at(-1)).toBe('62: big=last');
    expect(door.engine.watcherCount).toBe(1);
  });

  it('and goes, leaves no watch behind', async () => {
    const { client, socket } = await onSocket();
    client.order(...Array.from({ length: 100 }, (_, at) => watchOf(at + 1, `k${at}`)));
    await client.toldSoMuch(100, 1);
    expect(door.engine.watcherCount).toBe(100);
    socket.resetAndDestroy();
    await noMoreWatchers();
    expect(turnedAway).toEqual([]);
  });
});

describe('clients that leave too much unread together', () => {
  it('lose the one that leaves the most, and the figures show it', async () => {
    const metrics = new Metrics({ process: false });
    const limits = { framesUnreadBytesMax: 24_000_000 };
    const small = testDoor({
      clock,
      limits,
      metrics,
      onTurnedAway: (_, why) => turnedAway.push(why),
    });
    const at = await listen(small.app);
    const good = await FrameClient.greeted(at);
    clients.push(good);
    const value = new Uint8Array(1_000_000).fill(97);
    for (let n = 0; n < 8; n += 1) good.send(requestOf(n + 1, put(`v${n}`, value)));
    await good.until(() => good.responses.size === 8);
    const [worst, other] = [await onSocket(at), await onSocket(at)];
    for (const { socket } of [worst, other]) socket.pause();
    worst.client.send(...[1, 2, 3, 4].map((id) => requestOf(id, get('v', 'w'))));
    other.client.send(requestOf(1, get('v', 'w')));
    const shown = (): Promise<string> =>
      metrics.render({ status: undefined, phases: [], times: [] });
    const unread = async (): Promise<number> =>
      Number(/frame_unread_bytes (\d+)/.exec(await shown())?.[1] ?? 0);
    while ((await unread()) < 25_000_000) await new Promise((resolve) => setImmediate(resolve));
    expect(await shown()).toMatch(/frame_connections 3/);
    await clock.advanceAsync(2000);
    expect(turnedAway).toEqual([]); // The first look sees that something has left before.
    await clock.advanceAsync(3000);
    expect(turnedAway).toEqual([expect.stringMatching(/bytes unread, and their room was needed/)]);
    expect(await unread()).toBeLessThan(24_000_000);
    other.socket.resume();
    expect((await other.client.answerTo(1)).response?.$case).toBe('range');
    await small.app.close();
  });
});

describe('many watches on a connection', () => {
  it('10,000 are told of one key and of their own, and answers come beside them', async () => {
    const client = await greeted();
    const count = 10_000;
    client.order(...Array.from({ length: count }, (_, at) => watchOf(at + 1, `k${at % 5000}`)));
    await client.until(() => client.reports.length === count);
    client.order(...Array.from({ length: count }, (_, at) => watchOf(count + at + 1, 'all')));
    await client.until(() => client.reports.length === 2 * count);
    expect(door.engine.watcherCount).toBe(2 * count);
    client.reports.length = 0;
    client.send(requestOf(1, put('all', 'x')));
    client.send(requestOf(2, put('k7', 'y')));
    await client.answerTo(2);
    await client.until(() => client.reports.length === count + 2);
    const lines = new Map<string, number>();
    for (const one of client.reports) lines.set(lineOf(one), (lines.get(lineOf(one)) ?? 0) + 1);
    expect([...lines]).toEqual([
      ['2: all=x', count],
      ['3: k7=y', 2],
    ]);
    client.order(...Array.from({ length: 2 * count }, (_, at) => cancelOf(at + 1)));
    await noMoreWatchers();
  });

  it('more than may be open are refused, the others live', async () => {
    const few = testDoor({ clock, limits: { watchesMax: 10 } });
    const client = await FrameClient.greeted(await listen(few.app));
    clients.push(client);
    client.order(...Array.from({ length: 12 }, (_, at) => watchOf(at + 1, 'a')));
    await client.until(() => client.reports.length === 12);
    const refused = client.reports.filter((one) => lineOf(one) === 'failure resource-exhausted');
    expect(refused.map(({ id }) => id)).toEqual([11, 12]);
    client.order(cancelOf(1), watchOf(13, 'a'));
    expect(await client.toldSoMuch(13, 1)).toEqual(['started 1']);
    await few.app.close();
  });
});

describe('orders that are no orders', () => {
  it.each([
    ['do not decode', Uint8Array.of(0x0a, 0xff, 0xff, 0x7f), /does not decode/],
    [
      'are millions',
      new Uint8Array(2_000_000).map((_, at) => (at % 2 === 0 ? 0x0a : 0)),
      /more than/,
    ],
  ])('and %s end their connection alone', async (_what, payload, words) => {
    const [bad, good] = [await greeted(), await greeted()];
    bad.link.send(frameKinds.clientWatchOrders, payload);
    expect((await bad.ended()).type).toBe('ended');
    expect(turnedAway.join()).toMatch(words);
    await write(good, ['a', '1']);
  });

  it('and open one number twice end it as well', async () => {
    const client = await greeted();
    client.order(watchOf(1, 'a'), watchOf(1, 'b'));
    expect((await client.ended()).type).toBe('ended');
    await noMoreWatchers();
    expect(turnedAway.join()).toMatch(/watch 1 is open already/);
  });

  it('before the hello are no hello', async () => {
    const client = await FrameClient.connect(port);
    clients.push(client);
    client.order(watchOf(1, 'a'));
    expect((await client.ended()).type).toBe('ended');
    expect(turnedAway.join()).toMatch(/no hello/);
  });
});

it('a fault of this member is told as one, and noted', async () => {
  const client = await greeted();
  const { engine } = door;
  engine.pull = () => {
    throw new TypeError('oops');
  };
  client.order(watchOf(1, 'a'));
  expect(await client.toldSoMuch(1, 1)).toEqual(['failure internal']);
  expect(door.faults.splice(0)).toEqual([expect.any(TypeError)]);
  engine.pull = () => {
    throw new HoldfastError('no-leader', 'nobody');
  };
  client.order(watchOf(2, 'a'));
  expect(await client.toldSoMuch(2, 1)).toEqual(['failure no-leader']);
});
