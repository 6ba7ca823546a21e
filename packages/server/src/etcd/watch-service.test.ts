// Goal: etcd's Watch is answered as etcd answers it, whatever its clients ask and however slowly
// they read. Method: streams without sockets over an engine in memory.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import {
  deleteOperation,
  deleteRangeRequest,
  putOperation,
  putRequest,
  txnRequest,
} from '@holdfast/domain/requests';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import {
  WatchCreateRequest,
  WatchCreateRequest_FilterType,
  WatchRequest,
  WatchResponse,
} from '@holdfast/proto/etcd';
import { beforeEach, describe, expect, it } from 'vitest';

import { testAccess } from '../access/access.fixture.ts';
import { EngineSlot } from '../engine-slot.ts';
import type { StreamMethod } from '../grpc/method.ts';
import { settled, TestStream } from '../grpc/test-stream.fixture.ts';
import type { Figure } from '../metrics.ts';
import { defaultEtcdSettings, type EtcdSettings } from './etcd-settings.ts';
import { watchService } from './watch-service.ts';

const actor = { actor: 'tester' };
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'latin1'));
const text = (of: Uint8Array | undefined): string => Buffer.from(of ?? []).toString('latin1');
const keysOf = (key: string, rangeEnd = '') => ({
  keyspace: 1,
  key: bytes(key),
  rangeEnd: bytes(rangeEnd),
});

class Stream extends TestStream<WatchRequest, WatchResponse> {
  #told = 0;

  create(key: string, more: Partial<WatchCreateRequest> = {}): void {
    const value = { ...WatchCreateRequest.decode(new Uint8Array(0)), key: bytes(key), ...more };
    this.say({ requestUnion: { $case: 'createRequest', value } });
  }

  cancel(watchId: bigint): void {
    this.say({ requestUnion: { $case: 'cancelRequest', value: { watchId } } });
  }

  askProgress(): void {
    this.say({ requestUnion: { $case: 'progressRequest', value: {} } });
  }

  /** What was answered since the last time, a line each. */
  async news(): Promise<string[]> {
    await settled();
    const news = this.answers.slice(this.#told).map(lineOf);
    this.#told = this.answers.length;
    return news;
  }
}

/** `ID@REVISION what`: of events their types, keys, values and revisions. */
function lineOf(answer: WatchResponse): string {
  const events = answer.events.map(({ type, kv, prevKv }) => {
    const before = prevKv ? ` was ${text(prevKv.value)}` : '';
    const what = type === 0 ? `${text(kv?.key)}=${text(kv?.value)}` : `-${text(kv?.key)}`;
    return `${what}@${kv?.modRevision}${before}`;
  });
  const words = [
    `${answer.watchId}@${answer.header?.revision}`,
    answer.created ? 'created' : '',
    answer.canceled ? 'canceled' : '',
    answer.compactRevision > 0 ? `compacted ${answer.compactRevision}` : '',
    answer.cancelReason === '' ? '' : `(${answer.cancelReason})`,
    answer.fragment ? 'part' : '',
    events.join(', '),
  ];
  return words.filter((word) => word !== '').join(' ');
}

let engine: MemoryEngine;
let clock: ManualClock;
let method: StreamMethod;
let figures: Figure[];

beforeEach(() => serve({}));

function serve(settings: Partial<EtcdSettings>, requestBytesMax = 1.5 * 1024 * 1024): void {
  clock = new ManualClock();
  engine = new MemoryEngine({ clock });
  figures = [];
  const slot = new EngineSlot();
  slot.fill(engine);
  const methods = watchService({
    ...{ engine: () => engine, access: testAccess(slot, clock), clock, requestBytesMax },
    settings: { ...defaultEtcdSettings, ...settings },
    show: (...shown) => figures.push(...shown),
  });
  method = methods.get('/etcdserverpb.Watch/Watch') as StreamMethod;
}

const begin = (): Stream => new Stream(method, [WatchRequest, WatchResponse]);
const put = (key: string, value: string) =>
  engine.put(putRequest(keysOf(key), bytes(value)), actor);
const remove = (key: string, rangeEnd = '') =>
  engine.deleteRange(deleteRangeRequest(keysOf(key, rangeEnd)), actor);
const figure = (name: string) => figures.find((one) => one.name === name)?.read();

describe('a watcher', () => {
  it('is created first, with the revision at which it stands, and then told what happens', async () => {
    await put('a', '0');
    const stream = begin();
    stream.create('a');
    expect(await stream.news()).toEqual(['0@2 created']);
    await put('a', '1');
    await put('b', '1');
    await remove('a');
    expect(await stream.news()).toEqual(['0@3 a=1@3', '0@5 -a@5']);
    expect(stream.answers[0]?.header).toMatchObject({
      clusterId: 0xc1n,
      memberId: 1n,
      raftTerm: 1,
    });
    expect(stream.answers[1]?.header).toMatchObject({
      clusterId: 0xc1n,
      memberId: 1n,
      raftTerm: 1,
    });
    expect(stream.answers[1]?.events[0]?.kv).toMatchObject({ createRevision: 2, version: 2 });
  });

  it('has one key, a range, all keys from one on, or all there are', async () => {
    const stream = begin();
    stream.create('b');
    stream.create('b', { rangeEnd: bytes('d') });
    stream.create('c', { rangeEnd: bytes('\0') });
    stream.create('', { rangeEnd: bytes('\0') });
    stream.create('', { rangeEnd: bytes('b') });
    stream.create('');
    await stream.news();
    for (const key of ['a', 'b', 'c', 'd', '\0']) await put(key, '1');
    await engine.put(putRequest({ keyspace: 2, key: bytes('b') }, bytes('hidden')), actor);
    const told = new Map<bigint, string>();
    await settled();
    for (const { watchId, events } of stream.answers) {
      const keys = events.map(({ kv }) => text(kv?.key)).join('');
      told.set(watchId, (told.get(watchId) ?? '') + keys);
    }
    expect([...told.values()]).toEqual(['b', 'bc', 'cd', 'abcd\0', 'a\0', '\0']);
  });

  it('is numbered by the member, or by its client, and never twice at a time', async () => {
    const stream = begin();
    stream.create('a');
    stream.create('a', { watchId: 1n });
    stream.create('a', { watchId: 2n ** 62n });
    stream.create('a');
    stream.create('a', { watchId: 1n });
    stream.create('a', { watchId: -7n });
    stream.cancel(1n);
    stream.create('a', { watchId: 1n });
    expect(await stream.news()).toEqual([
      '0@1 created',
      '1@1 created',
      `${2n ** 62n}@1 created`,
      '2@1 created',
      '-1@1 created canceled (mvcc: duplicate watch ID provided on the WatchStream)',
      '3@1 created',
      '1@1 canceled',
      '1@1 created',
    ]);
    await put('a', '1');
    const ids = stream.answers.slice(8).map(({ watchId }) => watchId);
    expect(new Set(ids)).toEqual(new Set([0n, 1n, 2n ** 62n, 2n, 3n]));
  });

  it('of no key is refused, and so is one of no revision', async () => {
    const stream = begin();
    stream.create('b', { rangeEnd: bytes('a') });
    stream.create('b', { rangeEnd: bytes('b') });
    stream.create('b', { startRevision: -1n });
    const empty = '-1@1 created canceled (mvcc: watcher range is empty)';
    expect(await stream.news()).toEqual([
      empty,
      empty,
      '-1@1 created canceled (etcdserver: mvcc: required revision has been compacted)',
    ]);
    expect([stream.status, engine.watcherCount]).toEqual([undefined, 0]);
  });

  it('is cancelled once; one that there is not is nobody', async () => {
    const stream = begin();
    stream.create('a');
    stream.cancel(7n);
    stream.cancel(0n);
    stream.cancel(0n);
    await put('a', '1');
    expect(await stream.news()).toEqual(['0@1 created', '0@1 canceled']);
    expect(engine.watcherCount).toBe(0);
  });

  it('is not told what it filters out, and what was before if it wants that', async () => {
    const { NOPUT, NODELETE } = WatchCreateRequest_FilterType;
    await put('a', '0');
    const stream = begin();
    stream.create('a', { filters: [NOPUT] });
    stream.create('a', { filters: [NODELETE], prevKv: true });
    stream.create('a', { filters: [NOPUT, NODELETE] });
    stream.create('a', { filters: [9 as WatchCreateRequest_FilterType, NOPUT, NOPUT] });
    await stream.news();
    await put('a', '1');
    await remove('a');
    await put('a', '2');
    expect((await stream.news()).sort()).toEqual([
      '0@4 -a@4',
      '1@3 a=1@3 was 0',
      '1@5 a=2@5',
      '3@4 -a@4',
    ]);
  });

  it('leaves the events of a transaction together, but for those that it does not want', async () => {
    const stream = begin();
    stream.create('a', { rangeEnd: bytes('c') });
    stream.create('a', {
      rangeEnd: bytes('c'),
      filters: [WatchCreateRequest_FilterType.NOPUT],
    });
    await put('c', '0');
    await put('a', '0');
    await stream.news();
    const operations = [
      deleteOperation(keysOf('a')),
      putOperation(keysOf('b'), bytes('1')),
      putOperation(keysOf('c'), bytes('1')),
    ];
    await engine.txn(txnRequest({ success: operations }), actor);
    expect((await stream.news()).sort()).toEqual(['0@4 -a@4, b=1@4', '1@4 -a@4']);
  });

  it('is one among as many as the member allows', async () => {
    serve({ watchersMax: 3 });
    const [one, two] = [begin(), begin()];
    for (const stream of [one, two, one, two]) stream.create('a');
    const refusal = '-1@1 created canceled (etcdserver: too many requests)';
    expect([await one.news(), await two.news()]).toEqual([
      ['0@1 created', '1@1 created'],
      ['0@1 created', refusal],
    ]);
    one.leave();
    two.create('a');
    two.create('a');
    two.create('a');
    expect(await two.news()).toEqual(['1@1 created', '2@1 created', refusal]);
  });
});

describe('a watcher of other times', () => {
  it('is told what was, several revisions at a time, and goes on with what comes', async () => {
    for (const value of ['1', '2', '3']) await put('a', value);
    const stream = begin();
    stream.create('a', { startRevision: 3n });
    stream.create('a', { startRevision: 4n, prevKv: true });
    expect((await stream.news()).sort()).toEqual([
      '0@4 a=2@3, a=3@4',
      '0@4 created',
      '1@4 a=3@4 was 2',
      '1@4 created',
    ]);
    await put('a', '4');
    expect((await stream.news()).sort()).toEqual(['0@5 a=4@5', '1@5 a=4@5 was 3']);
  });

  it('waits for its own beginning', async () => {
    const stream = begin();
    stream.create('a', { startRevision: 4n });
    stream.create('a', { startRevision: 2n ** 63n - 1n });
    for (const value of ['1', '2', '3', '4']) await put('a', value);
    expect(await stream.news()).toEqual(['0@1 created', '1@1 created', '0@4 a=3@4', '0@5 a=4@5']);
  });

  it('that are compacted is created, and cancelled with the compact revision', async () => {
    for (const value of ['1', '2', '3']) await put('a', value);
    await engine.compact({ revision: 3 }, actor);
    const stream = begin();
    stream.create('a', { startRevision: 2n });
    stream.create('a', { startRevision: 3n });
    expect(await stream.news()).toEqual([
      '0@4 created',
      '0@4 canceled compacted 3',
      '1@4 created',
      '1@4 a=2@3, a=3@4',
    ]);
    expect(engine.watcherCount).toBe(1);
  });

  it('that is overtaken by a compaction is cancelled, and the others are not', async () => {
    const stream = begin();
    stream.create('a');
    stream.create('b');
    stream.room = 1;
    stream.create('c');
    await put('a', '1');
    await put('c', '2');
    await put('b', '3');
    await engine.compact({ revision: 4 }, actor);
    expect(await stream.news()).toEqual(['0@1 created', '1@1 created', '2@1 created']);
    stream.read();
    expect(await stream.news()).toEqual([
      '0@4 canceled compacted 4',
      '2@4 canceled compacted 4',
      '1@4 b=3@4',
    ]);
    stream.cancel(0n);
    expect([await stream.news(), engine.watcherCount]).toEqual([[], 1]);
  });
});

describe('progress', () => {
  it('is told to those that want it and have heard nothing', async () => {
    serve({ watchProgressMs: 1000 });
    const stream = begin();
    stream.create('a', { progressNotify: true });
    stream.create('b', { progressNotify: true });
    stream.create('c');
    await put('x', '1');
    await stream.news();
    await clock.advanceAsync(999);
    expect(await stream.news()).toEqual([]);
    await put('b', '1');
    await clock.advanceAsync(1);
    expect(await stream.news()).toEqual(['1@3 b=1@3', '0@3']);
    await clock.advanceAsync(1000);
    expect(await stream.news()).toEqual(['0@3', '1@3']);
    stream.leave();
    expect(clock.pendingCount).toBe(0);
  });

  it('is not told before what it is about, nor twice to one that does not read', async () => {
    serve({ watchProgressMs: 1000 });
    const stream = begin();
    stream.room = 1;
    stream.create('a', { progressNotify: true });
    await put('a', '1');
    await clock.advanceAsync(5000);
    expect(await stream.news()).toEqual(['0@1 created']);
    stream.read();
    expect(await stream.news()).toEqual(['0@2 a=1@2']);
    await put('b', '1');
    await clock.advanceAsync(2000);
    expect((await stream.news()).every((line) => line === '0@3')).toBe(true);
  });

  it('is answered to all, once all were given everything', async () => {
    for (let at = 0; at < 300; at += 1) await put('a', `${at}`);
    const stream = begin();
    stream.askProgress();
    expect(await stream.news()).toEqual([]);
    stream.create('a', { startRevision: 2n });
    stream.create('b');
    stream.askProgress();
    const news = await stream.news();
    expect(news.map((line) => line.split(' ')[0])).toEqual([
      '0@301',
      '1@301',
      '0@257',
      '0@301',
      '-1@301',
    ]);
    await put('z', '1');
    stream.askProgress();
    stream.askProgress();
    expect(await stream.news()).toEqual(['-1@302']);
  });

  it('is told to each alone while one of them has not begun', async () => {
    const stream = begin();
    stream.create('a');
    stream.create('a', { startRevision: 4n });
    await put('b', '1');
    await stream.news();
    stream.askProgress();
    expect(await stream.news()).toEqual(['0@2']);
    await put('b', '1');
    stream.askProgress();
    expect(await stream.news()).toEqual(['-1@3']);
  });

  it('comes to nobody who asked for none below its beginning', async () => {
    serve({ watchProgressMs: 1000 });
    const stream = begin();
    stream.create('a', { startRevision: 4n, progressNotify: true });
    await clock.advanceAsync(1000);
    expect(await stream.news()).toEqual(['0@1 created']);
    for (const value of ['1', '2', '3']) await put('b', value);
    await clock.advanceAsync(1000);
    expect(await stream.news()).toEqual(['0@4']);
  });
});

describe('an answer that is larger than a request may be', () => {
  beforeEach(() => serve({}, 1000));

  /** Five events of 200,000 bytes in one revision: more than 512 KiB. */
  const putLarge = () =>
    engine.txn(
      txnRequest({
        success: ['a', 'b', 'c', 'd', 'e'].map((key) =>
          putOperation(keysOf(key), bytes(key.repeat(200_000))),
        ),
      }),
      actor,
    );
  const shapeOf = ({ watchId, fragment, events, header }: WatchResponse): string =>
    `${watchId}@${header?.revision} ${events.map(({ kv }) => text(kv?.key)).join('')}` +
    (fragment ? '+' : '');

  it('comes whole to those who did not ask for parts', async () => {
    const stream = begin();
    stream.create('a', { rangeEnd: bytes('z') });
    await putLarge();
    await settled();
    expect(stream.answers.slice(1).map(shapeOf)).toEqual(['0@2 abcde']);
  });

  it('comes in parts, with nothing between them, and nothing lost', async () => {
    const stream = begin();
    stream.create('a', { rangeEnd: bytes('z'), fragment: true });
    stream.create('c', { fragment: true });
    await putLarge();
    await settled();
    const told = stream.answers.slice(2).map(shapeOf);
    expect(told.filter((line) => line.startsWith('0'))).toEqual(['0@2 ab+', '0@2 cd+', '0@2 e']);
    expect(told.join(' ')).toContain('0@2 ab+ 0@2 cd+ 0@2 e');
    expect(told.filter((line) => line.startsWith('1'))).toEqual(['1@2 c']);
    expect(stream.isPaused).toBe(false);
  });

  it('is made as far as it is read, and nobody is heard in the middle of it', async () => {
    const stream = begin();
    stream.create('a', { rangeEnd: bytes('z'), fragment: true });
    stream.room = 1;
    await putLarge();
    await settled();
    expect(stream.answers.slice(1).map(shapeOf)).toEqual(['0@2 ab+']);
    stream.create('x');
    stream.askProgress();
    stream.read(1);
    await settled();
    expect(stream.answers.slice(2).map(shapeOf)).toEqual(['0@2 cd+']);
    stream.read();
    await settled();
    expect(stream.answers.slice(3).map(shapeOf)).toEqual(['0@2 e', '1@2 ', '-1@2 ']);
  });

  it('that its filter leaves nothing of is none', async () => {
    const stream = begin();
    const filters = [WatchCreateRequest_FilterType.NOPUT];
    stream.create('a', { rangeEnd: bytes('z'), fragment: true, filters });
    await putLarge();
    expect(await stream.news()).toEqual(['0@1 created']);
  });
});

describe('a client that does not read', () => {
  it('is given one answer, and all the others when it reads again', async () => {
    const stream = begin();
    stream.room = 2;
    stream.create('a');
    for (let at = 0; at < 10; at += 1) await put('a', `${at}`);
    expect(await stream.news()).toEqual(['0@1 created', '0@2 a=0@2']);
    expect([stream.isPaused, figure('watch_unread_bytes')]).toEqual([true, expect.any(Number)]);
    stream.read();
    const rest = Array.from({ length: 9 }, (_, at) => `a=${at + 1}@${at + 3}`);
    expect(await stream.news()).toEqual([`0@11 ${rest.join(', ')}`]);
    expect([stream.isPaused, figure('watch_unread_bytes')]).toEqual([false, 0]);
  });

  it('is not heard either: what it asks for is not answered into the void', async () => {
    const stream = begin();
    stream.room = 1;
    for (let at = 0; at < 100; at += 1) stream.create('a');
    expect((await stream.news()).length).toBe(1);
    stream.read();
    expect((await stream.news()).length).toBe(99);
  });

  it('starves none of its watchers: each has its portion before one has a second', async () => {
    for (let at = 0; at < 600; at += 1) await put('a', `${at}`);
    for (let at = 0; at < 600; at += 1) await put('b', `${at}`);
    const stream = begin();
    stream.room = 2;
    stream.create('a', { startRevision: 2n });
    stream.create('b', { startRevision: 2n });
    await stream.news();
    stream.read();
    const told = (await stream.news()).map((line) => line[0]);
    expect(told.join('')).toBe('010101');
  });

  it('is given up when the room of all is used up, and those that read are told all', async () => {
    serve({ watchUnreadBytesMax: 100_000 });
    const streams = Array.from({ length: 6 }, begin);
    const [reader, ...stuck] = streams as [Stream, ...Stream[]];
    for (const stream of streams) stream.create('a');
    for (const stream of stuck) stream.room = 1;
    await put('a', 'x'.repeat(30_000));
    await settled();
    // Three of them hold more than the bound, and the others are made nothing for the time being.
    expect(streams.map(({ answers }) => answers.length)).toEqual([2, 2, 2, 2, 2, 1]);
    await put('a', 'y');
    await clock.advanceAsync(4800);
    expect([figure('watch_unread_bytes'), reader.answers.length]).toEqual([4 * 30_037, 2]);
    expect(streams.every(({ status }) => status === undefined)).toBe(true);
    await clock.advanceAsync(1400);
    await settled();
    // One for the stream that was made nothing, a second later one for what the reader was owed.
    const gone = stuck.map(({ isAbandoned }) => isAbandoned);
    expect([reader.isAbandoned, ...gone]).toEqual([false, true, true, false, false, false]);
    expect(stuck[0]?.status).toContain('14 the answers of this stream were not read');
    expect((await reader.news()).at(-1)).toBe('0@3 a=y@3');
    expect(figure('watch_streams_given_up_total')).toBe(2);
    expect(engine.watcherCount).toBe(4);
  });

  it('keeps the others waiting no longer than until it reads', async () => {
    serve({ watchUnreadBytesMax: 10_000 });
    const [slow, other] = [begin(), begin()];
    for (const stream of [slow, other]) stream.create('a');
    slow.room = 1;
    await put('a', 'x'.repeat(20_000));
    await settled();
    expect([slow.answers.length, other.answers.length]).toEqual([2, 1]);
    slow.read();
    await settled();
    expect([slow.answers.length, other.answers.length]).toEqual([2, 2]);
  });

  it('leaves nothing behind when it goes', async () => {
    const stream = begin();
    stream.room = 1;
    stream.create('a', { progressNotify: true });
    await put('a', '1');
    stream.leave();
    await put('a', '2');
    await settled();
    expect([figure('watch_unread_bytes'), engine.watcherCount, clock.pendingCount]).toEqual([
      0, 0, 0,
    ]);
  });
});

describe('streams', () => {
  it('share what is encoded: who is told the same is given the same bytes', async () => {
    const sent: Uint8Array[] = [];
    const open = () =>
      method.open({
        ...{ actor: 'tester', signal: new AbortController().signal, header: () => undefined },
        ...{
          unsentBytes: () => 0,
          end: () => undefined,
          pause: () => undefined,
          resume: () => undefined,
        },
        send: (message) => sent.push(message) > 0,
      });
    const value = { ...WatchCreateRequest.decode(new Uint8Array(0)), key: bytes('a') };
    const create = WatchRequest.encode({ requestUnion: { $case: 'createRequest', value } });
    const message = create.finish();
    for (let at = 0; at < 50; at += 1) open().onMessage(message);
    sent.length = 0;
    await put('a', 'x'.repeat(100));
    await settled();
    expect([sent.length, new Set(sent).size]).toEqual([50, 1]);
  });

  it('end with the member, or when its state is in doubt', async () => {
    const [one, two] = [begin(), begin()];
    one.create('a');
    two.leave();
    engine.failWatches(new HoldfastError('shutting-down', 'the end'));
    expect([one.status, two.status]).toEqual(['14 etcdserver: server stopped', undefined]);
    const three = begin();
    three.create('a');
    engine.failWatches(new HoldfastError('unavailable', 'this state is in doubt'));
    expect(three.status).toBe('14 this state is in doubt');
    expect(engine.watcherCount).toBe(0);
  });

  it('go on when the client has no more to ask, and end with what can not be read', async () => {
    const stream = begin();
    stream.create('a');
    stream.endRequests();
    await put('a', '1');
    expect(await stream.news()).toEqual(['0@1 created', '0@2 a=1@2']);
    const broken = begin();
    broken.create('a');
    broken.sayBytes(new Uint8Array(0));
    expect(broken.status).toBeUndefined();
    broken.sayBytes(new Uint8Array([0xff, 0xff]));
    expect(broken.status).toBe('13 grpc: the message does not decode');
    expect(engine.watcherCount).toBe(1);
  });
});
