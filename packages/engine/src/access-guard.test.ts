// Goal: whatever a client asks an engine for is judged by the rules of the state that it is read
// from or applied to: keys, transactions with both their branches, leases, watches event by event.
// Method: users with few permissions on an engine in memory, whose rules change in between.
import { toText, utf8 } from '@holdfast/base/bytes';
import { gateRange } from '@holdfast/domain/access-key';
import { configKeyspace } from '@holdfast/domain/config-key';
import {
  compareModRevision,
  deleteOperation,
  deleteRangeRequest,
  putOperation,
  putRequest,
  rangeRequest,
  txnOperation,
  txnRequest,
} from '@holdfast/domain/requests';
import type { ProvenUser, Subject } from '@holdfast/domain/subject';
import { accessKeyspace, gateKey } from '@holdfast/mvcc/access-gate';
import type { WatchCursor } from '@holdfast/mvcc/watch-cursor';
import type { RequestOp } from '@holdfast/proto/internal';
import { beforeEach, describe, expect, it } from 'vitest';

import { password, TestAccess } from './access.fixture.ts';
import type { WatchBatch, WatchItem, WatchStream } from './engine.ts';
import { MemoryEngine } from './memory-engine.ts';

let engine: MemoryEngine;
let access: TestAccess;
let root: ProvenUser;
/** May read a0 to a9 and write a5 to b. */
let alice: ProvenUser;

beforeEach(async () => {
  engine = new MemoryEngine();
  access = new TestAccess(engine);
  root = await access.enable();
  alice = await access.add('alice');
  await access.grant('alice', 'read', ['a0', 'a9']);
  await access.grant('alice', 'write', ['a5', 'b']);
});

type Asker = Subject | 'nobody';

const as = (asker: Asker) => ({
  actor: 'test',
  subject: asker === 'nobody' ? undefined : asker,
});
const range = (key: string, rangeEnd = '', keyspace = 1) => ({
  ...{ keyspace, key: utf8(key), rangeEnd: utf8(rangeEnd) },
});

/** What is on its way in memory arrives. */
async function passed(): Promise<void> {
  for (let turn = 0; turn < 100; turn += 1) await Promise.resolve();
}

async function told(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return 'done';
  } catch (error) {
    return (error as { reason?: string }).reason ?? String(error);
  }
}

const get = (key: string, rangeEnd = '', subject: Asker = alice) =>
  told(engine.range(rangeRequest(range(key, rangeEnd)), as(subject)));
const put = (key: string, subject: Asker = alice, more: object = {}) =>
  told(engine.put({ ...putRequest(range(key), utf8('v')), ...more }, as(subject)));
const txn = (parts: Parameters<typeof txnRequest>[0]) =>
  told(engine.txn(txnRequest(parts), as(alice)));
const read = (key: string): RequestOp => ({
  request: { $case: 'range', value: rangeRequest(range(key)) },
});

describe('keys', () => {
  it('are read and written where that is permitted', async () => {
    const reads = [await get('a1'), await get('a0', 'a9'), await get('a0', 'b'), await get('b')];
    expect(reads).toEqual(['done', 'done', 'denied', 'denied']);
    expect([await put('a5'), await put('a4'), await put('b')]).toEqual([
      ...['done', 'denied', 'denied'],
    ]);
    expect([await put('a6', alice, { prevKv: true }), await put('a9', alice)]).toEqual([
      ...['done', 'done'],
    ]);
    expect(await put('a9', alice, { prevKv: true })).toBe('denied');
    const remove = (key: string, rangeEnd: string, prevKv = false) =>
      told(engine.deleteRange({ ...deleteRangeRequest(range(key, rangeEnd)), prevKv }, as(alice)));
    expect([await remove('a5', 'b'), await remove('a4', 'b')]).toEqual(['done', 'denied']);
    expect(await remove('a5', 'b', true)).toBe('denied');
    expect(await remove('a5', 'a8', true)).toBe('done');
  });

  it('are all open to root, and to nobody who does not say who it is', async () => {
    expect([await get('x', 'z', root), await put('x', root)]).toEqual(['done', 'done']);
    expect([await get('a1', '', 'nobody'), await put('a5', 'nobody')]).toEqual([
      ...['nobody-asks', 'nobody-asks'],
    ]);
  });

  it('of the configurations are read by users, and changed by root', async () => {
    const config = range('c', '', configKeyspace);
    const reading = (subject: Asker) => told(engine.range(rangeRequest(config), as(subject)));
    expect([await reading(alice), await reading('nobody')]).toEqual(['done', 'nobody-asks']);
    const writing = (subject: Subject) =>
      told(engine.put(putRequest(config, utf8('')), as(subject)));
    expect([await writing(alice), await writing(root)]).toEqual(['denied', 'done']);
  });

  it('are judged by the password that was shown, as long as it is the one', async () => {
    await access.change({ kind: 'change-password', name: 'alice', password });
    expect([await put('a5'), await get('a1')]).toEqual(['proof-ended', 'proof-ended']);
    expect(await put('a5', await access.proven('alice'))).toBe('done');
    await access.change({ kind: 'delete-user', name: 'alice' });
    await access.change({ kind: 'delete-role', name: 'alice' });
    await access.add('alice');
    await access.grant('alice', 'readwrite', ['a', 'b']);
    expect(await put('a5')).toBe('proof-ended');
  });

  it('are judged by the name alone of a certificate, which must be a user', async () => {
    const by = (name: string): ProvenUser => ({ name, passwordRevision: undefined });
    expect([await put('a5', by('alice')), await put('a5', by('mallory'))]).toEqual([
      ...['done', 'denied'],
    ]);
  });

  it('are anybody again when access control is off', async () => {
    await access.disable();
    expect([await put('x', 'nobody'), await get('x', 'z', 'nobody')]).toEqual(['done', 'done']);
    expect([await put('x', alice), await get('x', 'z', alice)]).toEqual(['done', 'done']);
  });
});

describe('a transaction', () => {
  const compare = (key: string) => [compareModRevision(range(key), '=', 0)];
  const write = (key: string): RequestOp => putOperation(range(key), utf8('t'));

  it('is judged as a whole: comparisons, both branches, whatever stands within', async () => {
    expect(await txn({ compare: compare('a1'), success: [read('a2'), write('a7')] })).toBe('done');
    const refused: Parameters<typeof txnRequest>[0][] = [
      { compare: compare('b'), success: [write('a7')] },
      { success: [read('b')] },
      { success: [write('a1')] },
      { success: [write('a7')], failure: [write('a1')] },
      { success: [deleteOperation(range('a5', 'c'))] },
      { success: [txnOperation(txnRequest({ failure: [read('b')] }))] },
    ];
    for (const parts of refused) expect(await txn(parts)).toBe('denied');
    expect(await told(engine.txn(txnRequest({ success: [write('a7')] }), as('nobody')))).toBe(
      'nobody-asks',
    );
  });
});

describe('leases', () => {
  const grant = (subject: Asker) =>
    engine.leaseGrant({ ttlMs: 10_000 }, as(subject)).then(({ body }) => body.id);

  it('are granted to users, and ended by who may write all that hangs on them', async () => {
    expect(await told(grant('nobody'))).toBe('nobody-asks');
    const id = await grant(alice);
    expect(await put('a5', alice, { lease: id })).toBe('done');
    expect(await told(engine.leaseKeepAlive(id, as(alice)))).toBe('done');
    expect(await put('x', root, { lease: id })).toBe('done');
    expect(await told(engine.leaseKeepAlive(id, as(alice)))).toBe('denied');
    expect(await told(engine.leaseRevoke(id, as(alice)))).toBe('denied');
    expect(await told(engine.leaseRevoke(id, as('nobody')))).toBe('nobody-asks');
    expect(await put('a6', alice, { lease: id })).toBe('denied');
    expect(await told(engine.leaseRevoke(id, as(root)))).toBe('done');
  });

  it('show what hangs on them to who may read it', async () => {
    const id = await grant(root);
    await put('a6', root, { lease: id });
    const look = (keys: boolean, subject: Asker = alice) =>
      told(engine.leaseTimeToLive(id, { ...as(subject), keys }));
    const list = (subject: Asker) => told(engine.leases({ limit: 9 }, as(subject)));
    expect([await look(true), await list(alice)]).toEqual(['done', 'done']);
    await put('x', root, { lease: id });
    expect([await look(true), await look(false), await list(alice)]).toEqual([
      ...['denied', 'done', 'denied'],
    ]);
    expect([await look(true, root), await list(root), await list('nobody')]).toEqual([
      ...['done', 'done', 'nobody-asks'],
    ]);
  });
});

describe('what is not about keys', () => {
  it('is root, or any user', async () => {
    const quota = { keyspace: 1, namespace: '', bytesMax: 0 };
    const calls = (subject: Asker) => [
      told(engine.compact({ revision: 2 }, as(subject))),
      told(engine.setQuota(quota, as(subject))),
      told(engine.quotas(as(subject))),
      told(engine.sessionRegister({ ttlMs: 10_000 }, as(subject))),
    ];
    expect(await Promise.all(calls('nobody'))).toEqual(Array(4).fill('nobody-asks'));
    expect(await Promise.all(calls(alice))).toEqual(['denied', 'denied', 'done', 'done']);
    expect(await Promise.all(calls(root))).toEqual(['done', 'done', 'done', 'done']);
  });
});

describe('a watch', () => {
  const watching = (key: string, rangeEnd: string, subject: Asker = alice) =>
    engine.watch({ ...range(key, rangeEnd), progressMs: 100_000 }, as(subject));

  /** The keys of all events until it ends, and with what. */
  async function drain(stream: WatchStream): Promise<readonly string[]> {
    const seen: string[] = [];
    const heed = (item: WatchItem): void => {
      if (item.type === 'events') seen.push(...item.events.map(({ kv }) => toText(kv.key)));
    };
    const ended = await told(
      (async () => {
        for await (const item of stream) heed(item);
      })(),
    );
    return [...seen, ended];
  }

  it('is opened by who may read its range', async () => {
    expect(await told(watching('a0', 'b'))).toBe('denied');
    expect(await told(watching('a0', 'a9', 'nobody'))).toBe('nobody-asks');
    (await watching('a0', 'a9')).close();
    (await watching('a0', 'z', root)).close();
  });

  it('gives no event after its reader may not read it, and ends at once', async () => {
    const drained = drain(await watching('a0', 'a9'));
    await put('a1', root);
    await passed();
    await access.revoke('alice', 'a0', 'a9');
    await put('a2', root);
    expect(await drained).toEqual(['a1', 'denied']);
    expect(engine.watcherCount).toBe(0);
  });

  it('gives nothing that waited to be read when it was forbidden', async () => {
    const stream = await watching('a0', 'a9');
    await put('a1', root);
    await put('a2', root);
    const items = stream[Symbol.asyncIterator]();
    expect(await items.next()).toMatchObject({ value: { type: 'events' } });
    await access.revoke('alice', 'a0', 'a9');
    await expect(items.next()).rejects.toMatchObject({ reason: 'denied' });
  });

  it('goes on where the rules changed for others', async () => {
    const drained = drain(await watching('a0', 'a9'));
    await access.add('bob');
    await put('a1', root);
    await passed();
    await access.change({ kind: 'delete-user', name: 'alice' });
    expect(await drained).toEqual(['a1', 'proof-ended']);
  });

  it('of nobody ends when access control is on', async () => {
    await access.disable();
    const drained = drain(await watching('a0', 'z', 'nobody'));
    await put('q', 'nobody');
    await passed();
    await access.change({ kind: 'enable', secret: utf8('s') });
    expect(await drained).toEqual(['q', 'nobody-asks']);
  });
});

describe('a watch that is pulled', () => {
  const reader = (asker: Asker) =>
    engine.pull(() => undefined, asker === 'nobody' ? undefined : asker);
  const keysIn = (batches: readonly WatchBatch[]): readonly string[] =>
    batches.flatMap(({ events }) => events.map(({ kv }) => toText(kv.key)));

  it('is opened by who may read its range, and read as long as that is so', async () => {
    const watches = reader(alice);
    expect(() => watches.open(range('a0', 'b'), () => undefined)).toThrow('may not read');
    expect(() => reader('nobody').open(range('a1'), () => undefined)).toThrow('who you are');
    expect(await told(Promise.resolve(watches.admit(range('a0', 'b'))))).toBe('denied');
    expect(watches.admit(range('a0', 'a9'))).toBeUndefined();
    const ranges = [range('a0', 'a9'), range('a3')];
    const [all, one] = ranges.map((each) => watches.open(each, () => undefined));
    if (!all || !one) throw new Error('both are open');
    await put('a3', root);
    expect([keysIn(watches.next(all, 9)), keysIn(watches.next(one, 9))]).toEqual([['a3'], ['a3']]);
    await put('a3', root);
    await access.change({ kind: 'add-role', name: 'other' });
    expect(keysIn(watches.next(all, 9))).toEqual(['a3']);
    await access.revoke('alice', 'a0', 'a9');
    await access.grant('alice', 'read', ['a3']);
    expect(() => watches.next(all, 9)).toThrow('may not read');
    expect(keysIn(watches.next(one, 9))).toEqual(['a3']);
  });

  it('knows what it was asked for, whatever that was', async () => {
    const watches = reader(root);
    for (const asked of [range('a'), range('a', 'c'), range('a', '\0')]) {
      const watch = watches.open(asked, () => undefined) as WatchCursor;
      expect(watch.watched).toEqual({
        ...asked,
        key: Buffer.from('a'),
        rangeEnd: expect.anything(),
      });
      expect(toText(watch.watched.rangeEnd)).toBe(toText(asked.rangeEnd));
    }
  });
});

describe('the gate', () => {
  it('is the same key for those who write it and those who look at it', () => {
    expect(gateRange).toEqual({ keyspace: accessKeyspace, key: gateKey });
  });
});
