// Goal: what a client or a peer can do to the store has the answer that etcd's data model or a rule
// of safety.md gives it, and an error never leaves half a write behind.
import { isHoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import { encodeEntryGroup } from '@holdfast/proto/entry-envelope';
import {
  type BindMemberRequest,
  Command,
  MemberStanding,
  type RequestOp,
} from '@holdfast/proto/internal';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  applyAt,
  bytes,
  compact,
  compare,
  del,
  entry,
  failureCode,
  groupOf,
  newStore,
  op,
  payload,
  put,
  raiseTo,
  rangeOp,
  rangeRequest,
  resultOf,
  text,
  txn,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';

const codeOf = (action: () => unknown): string | undefined => {
  try {
    action();
  } catch (error) {
    return isHoldfastError(error) ? error.code : 'no HoldfastError';
  }
  return undefined;
};

const textOf = (store: KvStore, key: string, revision = 0): string | undefined => {
  const kv = store.range(rangeRequest(key, '', { revision })).kvs[0];
  return kv && text(kv.value);
};

describe('a put', () => {
  it('gives create, mod and version as etcd does, over a deletion too', () => {
    const store = newStore();
    applyAll(store, put('a', '1'), put('b', '1'), put('a', '2'));
    expect(store.range(rangeRequest('a')).kvs[0]).toMatchObject({
      createRevision: 2,
      modRevision: 4,
      version: 2,
      lease: 0n,
    });
    applyAll(store, del('a'), put('a', '3'));
    const again = { createRevision: 6, modRevision: 6, version: 1 };
    expect(store.range(rangeRequest('a')).kvs[0]).toMatchObject(again);
    expect(store.revision).toBe(6);
  });

  it('answers the previous pair, and keeps the value where told', () => {
    const store = newStore();
    const result = applyAll(store, put('a', '1'), put('a', '2', { prevKv: true }));
    const before = result.response?.$case === 'put' ? result.response.value.prevKv : undefined;
    expect(before && text(before.value)).toBe('1');
    applyAll(store, put('a', '', { ignoreValue: true }));
    expect(store.range(rangeRequest('a')).kvs[0]).toMatchObject({ modRevision: 4, version: 3 });
    expect(textOf(store, 'a')).toBe('2');
  });

  it.each([
    ['no key', put('', 'x'), 'invalid-argument'],
    ['keyspace 0', put('a', 'x', { keyspace: 0 }), 'invalid-argument'],
    ['a lease that does not exist', put('a', 'x', { lease: 7n }), 'not-found'],
    ['a value beside "keep the value"', put('a', 'x', { ignoreValue: true }), 'invalid-argument'],
    ['a kept value of no key', put('a', '', { ignoreValue: true }), 'not-found'],
    ['a kept lease of no key', put('a', 'x', { ignoreLease: true }), 'not-found'],
    ['a key that is too long', put('a'.repeat(17_000), 'x'), 'too-large'],
    ['an empty command', { request: undefined } as Command, 'invalid-argument'],
  ])('is refused for %s, and changes nothing', (_, command, code) => {
    const store = newStore();
    const hash = store.stateHash;
    const result = applyAll(store, command);
    expect(failureCode(result)).toBe(code);
    expect([result.revision, store.revision, store.stateHash]).toEqual([1, 1, hash]);
    expect(store.appliedIndex).toBe(1);
  });

  it('is refused over the quota, while deletions and compaction go on', () => {
    const store = newStore({ limits: { quotaBytes: 300 } });
    applyAll(store, put('a', 'x'.repeat(100)));
    expect(failureCode(applyAll(store, put('b', 'x'.repeat(100))))).toBe('quota-exceeded');
    const both = txn([], [op(put('b', '1')), op(put('c', '2'.repeat(30)))]);
    expect(failureCode(applyAll(store, both))).toBe('quota-exceeded');
    expect(failureCode(applyAll(store, del('a'), compact(3)))).toBeUndefined();
    expect(failureCode(applyAll(store, put('b', 'x'.repeat(100))))).toBeUndefined();
  });
});

describe('a range', () => {
  it('never leaves its keyspace', () => {
    const store = newStore();
    applyAll(store, put('a', '1'), put('b', '2', { keyspace: 2 }), del('\0', '\0'));
    expect(store.range(rangeRequest('\0', '\0')).count).toBe(0);
    expect(store.range(rangeRequest('\0', '\0', { keyspace: 2 })).count).toBe(1);
  });

  it('counts the whole range whatever the limit, and hides what was not asked for', () => {
    const store = newStore();
    applyAll(store, put('a', '1'), put('b', '2'), put('c', '3'));
    const limited = store.range(rangeRequest('a', '\0', { limit: 2, keysOnly: true }));
    expect(limited).toMatchObject({ count: 3, more: true });
    expect(limited.kvs.map((kv) => [text(kv.key), kv.value.length])).toEqual([
      ['a', 0],
      ['b', 0],
    ]);
    const counted = store.range(rangeRequest('a', '\0', { countOnly: true, limit: 1 }));
    expect(counted).toEqual({ kvs: [], more: false, count: 3 });
    expect(store.range(rangeRequest('c', 'a')).count).toBe(0);
  });

  it('refuses revisions that are compacted or not there yet', () => {
    const store = newStore();
    applyAll(store, put('a', '1'), put('a', '2'), put('a', '3'), compact(3));
    expect(codeOf(() => store.range(rangeRequest('a', '', { revision: 2 })))).toBe('compacted');
    expect(codeOf(() => store.range(rangeRequest('a', '', { revision: 5 })))).toBe(
      'future-revision',
    );
    expect([textOf(store, 'a', 3), textOf(store, 'a', 4)]).toEqual(['2', '3']);
    expect(codeOf(() => store.range(rangeRequest('')))).toBe('invalid-argument');
  });
});

describe('a transaction', () => {
  it('is one revision, and its reads see its own writes', () => {
    const store = newStore();
    const result = applyAll(
      store,
      put('a', '1'),
      txn(
        [compare('a', { $case: 'value', value: bytes('1') })],
        [op(put('b', '2')), op(put('a', '3')), rangeOp('a', '\0'), op(del('c')), rangeOp('a')],
      ),
    );
    expect(result.revision).toBe(3);
    const response = result.response?.$case === 'txn' ? result.response.value : undefined;
    const seen = response?.responses.map(({ response: inner }) =>
      inner?.$case === 'range' ? inner.value.kvs.map((kv) => text(kv.value)) : inner?.$case,
    );
    expect(response?.succeeded).toBe(true);
    expect(seen).toEqual(['put', 'put', ['3', '2'], 'deleteRange', ['3']]);
  });

  it('that writes nothing makes no revision', () => {
    const store = newStore();
    expect(applyAll(store, put('a', '1'), txn([], [op(del('x')), rangeOp('a')])).revision).toBe(2);
    expect(applyAll(store, del('x')).revision).toBe(2);
  });

  it('compares what is not there as zero, but never its value', () => {
    const absent = (target: Parameters<typeof compare>[1]) => {
      const result = applyAll(newStore(), txn([compare('a', target)], []));
      return result.response?.$case === 'txn' && result.response.value.succeeded;
    };
    expect(absent({ $case: 'version', value: 0n })).toBe(true);
    expect(absent({ $case: 'createRevision', value: 0n })).toBe(true);
    expect(absent({ $case: 'lease', value: 0n })).toBe(true);
    expect(absent({ $case: 'value', value: bytes('') })).toBe(false);
  });

  it('compares a range key by key', () => {
    const store = newStore();
    applyAll(store, put('a', '1'), put('b', '1'), put('b', '1'));
    const all = (value: bigint) =>
      applyAll(
        store,
        txn([compare('a', { $case: 'version', value }, { rangeEnd: bytes('\0'), result: 1 })], []),
      );
    expect(all(0n).response).toMatchObject({ value: { succeeded: true } });
    expect(all(1n).response).toMatchObject({ value: { succeeded: false } });
  });

  it('decides nested comparisons before its first write', () => {
    const store = newStore();
    const inner = txn(
      [compare('a', { $case: 'version', value: 0n })],
      [op(put('b', 'then'))],
      [op(put('b', 'else'))],
    );
    applyAll(store, txn([], [op(put('a', '1')), op(inner)]));
    expect(textOf(store, 'b')).toBe('then');
  });

  const nested = (depth: number): Command =>
    depth === 0 ? put('a', '1') : txn([], [op(nested(depth - 1))]);
  it.each([
    ['puts a key twice', txn([], [op(put('a', '1')), op(put('a', '2'))]), 'invalid-argument'],
    ['deletes what it puts', txn([], [op(put('a', '1')), op(del('a', 'b'))]), 'invalid-argument'],
    ['puts what it deleted', txn([], [op(del('a', 'b')), op(put('a', '1'))]), 'invalid-argument'],
    [
      'deletes in one nest what it puts in another',
      txn([], [op(txn([], [op(put('a', '1'))])), op(txn([], [op(del('a'))]))]),
      'invalid-argument',
    ],
    [
      'does so in the branch that is not taken',
      txn([], [], [op(put('a', '1')), op(put('a', '2'))]),
      'invalid-argument',
    ],
    [
      'has too many operations',
      txn(
        [],
        Array.from({ length: 129 }, (_, n) => op(put(`k${n}`, ''))),
      ),
      'too-large',
    ],
    ['nests too deep', nested(9), 'too-large'],
    [
      'reads a future revision behind a write',
      txn([], [op(put('x', '1')), rangeOp('a', '', { revision: 9 })]),
      'future-revision',
    ],
    [
      'fails in its second put',
      txn([], [op(put('x', '1')), op(put('y', '1', { lease: 3n }))]),
      'not-found',
    ],
    ['has an empty operation', txn([], [{ request: undefined }]), 'invalid-argument'],
  ])('that %s is refused whole', (_, command, code) => {
    const store = newStore();
    const { stateHash } = store;
    expect(failureCode(applyAll(store, command))).toBe(code);
    expect([store.revision, store.keys, store.stateHash]).toEqual([1, 0, stateHash]);
  });

  it('may put the same key in both branches, and in other keyspaces', () => {
    const store = newStore();
    const branches = txn([], [op(put('a', '1'))], [op(put('a', '2'))]);
    const spaces = txn([], [op(put('a', '1')), op(put('a', '2', { keyspace: 2 }))]);
    expect(applyAll(store, branches, spaces).revision).toBe(3);
  });
});

describe('an answer that would be too large', () => {
  const large = { answerBytesMax: 1000 };
  const fill = Array.from({ length: 20 }, (_, at) => put(`k${at}`, 'x'.repeat(100)));
  const all = rangeOp('k', 'l');

  it.each([
    ['a range', txn([], [op(put('other', 'y')), all])],
    ['ranges together', txn([], [op(put('other', 'y')), ...Array(12).fill(rangeOp('k1'))])],
    ['a range of before', txn([], [rangeOp('k', 'l', { revision: 21 })])],
    ['what a transaction deletes', txn([], [op(del('k', 'l', { prevKv: true }))])],
    ['what is deleted', del('k', 'l', { prevKv: true })],
  ])('is refused before anything is done: %s', (_what, command) => {
    const store = newStore({ limits: large });
    applyAll(store, ...raiseTo(8), ...fill);
    const { revision, stateHash } = store;
    expect(failureCode(applyAll(store, command))).toBe('too-large');
    expect([store.revision, store.stateHash === stateHash]).toEqual([revision, true]);
  });

  it('is given where it is not: keys counted, a limit, a delete that tells nothing', () => {
    const store = newStore({ limits: large });
    applyAll(store, ...raiseTo(8), ...fill);
    const some = [rangeOp('k', 'l', { countOnly: true }), rangeOp('k', 'l', { limit: 5 })];
    expect(failureCode(applyAll(store, txn([], some)))).toBeUndefined();
    expect(failureCode(applyAll(store, del('k', 'l')))).toBeUndefined();
    expect(store.keys).toBe(0);
  });

  it('is made below cluster version 8, as members of before would', () => {
    const store = newStore({ limits: large });
    applyAll(store, ...raiseTo(7), ...fill);
    expect(failureCode(applyAll(store, txn([], [all])))).toBeUndefined();
  });

  it('is refused to a transaction that only reads, which needs no entry', () => {
    const store = newStore({ limits: large });
    applyAll(store, ...fill);
    const { revision, appliedIndex } = store;
    const read = (success: readonly RequestOp[]) =>
      store.readTxn({ compare: [], success: [...success], failure: [] });
    expect(codeOf(() => read([all]))).toBe('too-large');
    const { responses } = read([rangeOp('k1'), rangeOp('k', 'l', { limit: 2 })]);
    expect(responses.map(({ response }) => response?.$case)).toEqual(['range', 'range']);
    expect([store.revision, store.appliedIndex]).toEqual([revision, appliedIndex]);
  });
});

describe('compaction', () => {
  it('is refused below itself and above the current revision', () => {
    const store = newStore();
    applyAll(store, put('a', '1'), put('a', '2'), compact(2));
    expect(applyAll(store, compact(2)).response).toMatchObject({
      value: { code: 'compacted', revision: 2 },
    });
    expect(failureCode(applyAll(store, compact(9)))).toBe('future-revision');
    expect(failureCode(applyAll(store, compact(0)))).toBe('compacted');
  });

  it('gives memory back in small steps, and no answer changes on the way', () => {
    const store = newStore({ slabBytes: 4096 });
    for (let round = 0; round < 12; round += 1) {
      for (let key = 0; key < 50; key += 1) applyAll(store, put(`k${key}`, `${round}`.repeat(20)));
    }
    applyAll(store, del('k1', 'k2'), compact(store.revision - 3));
    const resident = store.residentBytes;
    const before = store.range(rangeRequest('k', '\0'));
    let steps = 0;
    while (store.reclaim(25)) {
      steps += 1;
      store.validate();
      expect(store.range(rangeRequest('k', '\0'))).toEqual(before);
    }
    expect(steps).toBeGreaterThan(10);
    expect(store.residentBytes).toBeLessThan(resident / 4);
    expect(store.reclaimPending).toBe(false);
  });

  it('takes deleted keys out of the index, and their slots are used again', () => {
    const store = newStore({ slabBytes: 1024 });
    for (let round = 0; round < 5; round += 1) {
      for (let key = 0; key < 40; key += 1) applyAll(store, put(`${round}/${key}`, 'x'));
      applyAll(store, del('\0', '\0'));
      applyAll(store, compact(store.revision));
      while (store.reclaim(1000));
      store.validate();
    }
    applyAll(store, put('last', 'one'));
    expect(store.keys).toBe(1);
    expect(store.bytes).toBe(41 * 80);
  });
});

describe('members', () => {
  const member = (id: bigint, more: Partial<BindMemberRequest> = {}): Command => ({
    request: {
      $case: 'bindMember',
      value: {
        memberId: id,
        storeId: id + 100n,
        name: `n${id}`,
        peerAddresses: ['127.0.0.1:4654'],
        clientAddresses: [],
        version: 2,
        standing: MemberStanding.JOINED,
        ...more,
      },
    },
  });
  const raise = (version: number, memberIds: bigint[] = []): Command => ({
    request: { $case: 'clusterVersion', value: { version, memberIds } },
  });

  const retire = (memberId: bigint): Command => ({
    request: { $case: 'retireMember', value: { memberId } },
  });
  const standings = (store: KvStore): readonly MemberStanding[] =>
    store.members().map(({ standing }) => standing);

  it('are expected first, then join, and are no less there when they are announced again', () => {
    const store = newStore();
    const expected = member(1n, { standing: MemberStanding.EXPECTED });
    applyAll(store, expected);
    expect(standings(store)).toEqual([MemberStanding.EXPECTED]);
    applyAll(store, member(1n), expected);
    expect(standings(store)).toEqual([MemberStanding.JOINED]);
  });

  it('that were removed never come back under their id, also after a restart', async () => {
    const store = newStore();
    applyAll(store, member(1n), member(2n));
    const [list, hash] = [store.members(), store.stateHash];
    applyAll(store, retire(2n));
    expect(store.members()).not.toBe(list);
    expect(store.stateHash).not.toBe(hash);
    const loaded = newStore();
    await loaded.restore({ index: store.appliedIndex }, store.image().chunks());
    for (const one of [store, loaded]) {
      expect(standings(one)).toEqual([MemberStanding.JOINED, MemberStanding.REMOVED]);
      expect(failureCode(applyAll(one, member(2n)))).toBe('failed-precondition');
      expect(failureCode(applyAll(one, retire(9n)))).toBe('not-found');
      const removed = member(3n, { standing: MemberStanding.REMOVED });
      expect(failureCode(applyAll(one, removed))).toBe('invalid-argument');
    }
  });

  it('keep their data directory; another one under the same id is refused', () => {
    const store = newStore();
    applyAll(store, member(2n), member(1n), member(2n, { name: 'renamed' }));
    expect(store.members().map(({ name }) => name)).toEqual(['n1', 'renamed']);
    const hash = store.stateHash;
    expect(failureCode(applyAll(store, member(1n, { storeId: 7n })))).toBe('cluster-mismatch');
    expect(store.stateHash).toBe(hash);
    expect(store.revision).toBe(1);
  });

  it('let the cluster version rise to the oldest, and never fall', () => {
    const store = newStore();
    applyAll(store, member(1n), member(2n, { version: 3 }));
    expect(failureCode(applyAll(store, raise(3)))).toBe('failed-precondition');
    applyAll(store, raise(2));
    expect(store.clusterVersion).toBe(2);
    expect(failureCode(applyAll(store, raise(1)))).toBe('failed-precondition');
    expect(failureCode(applyAll(store, member(3n, { version: 1 })))).toBe('version-mismatch');
  });

  it('count for the cluster version as long as they are in the configuration', () => {
    const store = newStore();
    applyAll(store, member(1n, { version: 1 }), member(2n), member(3n));
    expect(failureCode(applyAll(store, raise(2, [1n, 2n])))).toBe('failed-precondition');
    expect(failureCode(applyAll(store, raise(2, [2n, 9n])))).toBe('failed-precondition');
    applyAll(store, raise(2, [2n, 3n]));
    expect(store.clusterVersion).toBe(2);
  });
});

describe('apply', () => {
  it('counts entries that change nothing', () => {
    const store = newStore();
    const { stateHash } = store;
    const empty = {
      index: index(1),
      term: term(1),
      kind: 'empty',
      payload: new Uint8Array(0),
    } as const;
    const results = store.apply([empty, { ...empty, index: index(2), kind: 'membership' }]);
    expect(results).toEqual([undefined, undefined]);
    expect([store.appliedIndex, store.stateHash]).toEqual([2, stateHash]);
  });

  it('stops at an entry or a request that a newer version wrote', () => {
    const newerFormat = payload(new Uint8Array(0), 2);
    newerFormat[0] = 3;
    const newerRequest = payload(Uint8Array.of(0xa2, 0x01, 0), 2);
    // A transaction (field 3) whose success (field 2) holds an operation of number 9.
    const newerOp = payload(Uint8Array.of(0x1a, 4, 0x12, 2, 0x4a, 0), 2);
    for (const newer of [newerFormat, newerRequest, newerOp]) {
      const store = newStore();
      const batch = [
        entry(1, put('a', '1')),
        { ...entry(2, put('x', '')), payload: newer },
        entry(3, put('b', '1')),
      ];
      expect(codeOf(() => store.apply(batch))).toBe('version-mismatch');
      expect([store.appliedIndex, textOf(store, 'a'), textOf(store, 'b')]).toEqual([
        1,
        '1',
        undefined,
      ]);
    }
  });

  it.each([
    ['no bytes at all', new Uint8Array(0)],
    ['half a header', payload(new Uint8Array(0), 1).subarray(0, 20)],
    ['a body that is cut short', payload(Uint8Array.of(0x0a, 9, 1), 1)],
    ['a known field of a wrong type', payload(Uint8Array.of(0x08, 1), 1)],
    ['an unknown field in a body that is cut short', payload(Uint8Array.of(0x7a, 5), 1)],
  ])('answers a malformed command with a result: %s', (_, malformed) => {
    const store = newStore();
    const [result] = store.apply([{ ...entry(1, put('x', '')), payload: malformed }]);
    expect(failureCode(resultOf(result))).toBe('invalid-argument');
    expect(store.appliedIndex).toBe(1);
  });

  it('does with a group what it does with its commands one by one', () => {
    const commands = [put('a', '1'), put('b', '2'), put('a', '3'), del('b'), put('', 'x')];
    const [apart, together] = [newStore(), newStore()];
    const results = commands.map((command) => applyAt(apart, { timeMs: 7 }, command));
    const group = groupOf(7, ...commands);
    const [grouped] = together.apply([{ ...entry(1, put('x', '')), payload: group }]);
    expect(grouped).toEqual(results);
    expect(results.map(({ revision }) => revision)).toEqual([2, 3, 4, 5, 5]);
    expect([together.appliedIndex, together.lastProposedAtMs]).toEqual([1, 7]);
    expect([textOf(together, 'a'), textOf(together, 'b')]).toEqual(['3', undefined]);
    expect(together.stateHash).toBe(apart.stateHash);
  });

  it('does nothing of a group with something that a newer version wrote, or that is cut', () => {
    const newer = payload(Uint8Array.of(0xa2, 0x01, 0), 0);
    const known = payload(Command.encode(put('a', '1')).finish(), 0);
    const store = newStore();
    const apply = (group: Uint8Array) =>
      store.apply([{ ...entry(store.appliedIndex + 1, put('x', '')), payload: group }]);
    expect(codeOf(() => apply(encodeEntryGroup([known, newer])))).toBe('version-mismatch');
    expect([store.appliedIndex, store.keys]).toEqual([0, 0]);
    const [cut] = apply(encodeEntryGroup([known, known]).subarray(0, -1));
    expect(failureCode(resultOf(cut))).toBe('invalid-argument');
    expect([store.appliedIndex, store.keys]).toEqual([1, 0]);
  });

  it('insists on order, in index and in time', () => {
    const store = newStore();
    store.apply([entry(1, put('a', '1'), 1000)]);
    expect(store.lastProposedAtMs).toBe(1000);
    expect(() => store.apply([entry(3, put('a', '1'))])).toThrow('applied in order');
    expect(() => store.apply([entry(2, put('a', '1'), 999)])).toThrow('never goes back');
  });

  it('makes hashes that differ as soon as anything differs', () => {
    const hashOf = (...commands: Command[]): bigint => {
      const store = newStore();
      applyAll(store, ...commands);
      return store.stateHash;
    };
    const hashes = [
      hashOf(put('a', '1')),
      hashOf(put('a', '2')),
      hashOf(put('b', '1')),
      hashOf(put('a', '1', { keyspace: 2 })),
      hashOf(put('a1', '')),
      hashOf(put('a', '1'), del('a')),
      hashOf(put('a', '1'), put('a', '1')),
      hashOf(put('a', '1'), compact(2)),
      hashOf(put('a', '1'), put('b', '1')),
      hashOf(put('b', '1'), put('a', '1')),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

describe('a range at an older revision', () => {
  it('walks no further than it must where the count is not wanted', () => {
    const store = newStore();
    applyAll(store, ...['a', 'b', 'c', 'd', 'e'].map((key) => put(key, '1')), put('f', 'later'));
    const request = rangeRequest('a', 'z', { revision: 6, limit: 2 });
    expect(store.range(request)).toMatchObject({ more: true, count: 5 });
    const { kvs, more, count } = store.range(request, { uncounted: true });
    expect([kvs.map(({ key }) => text(key)), more, count]).toEqual([['a', 'b'], true, 3]);
    const last = rangeRequest('d', 'z', { revision: 6, limit: 2 });
    expect(store.range(last, { uncounted: true })).toMatchObject({ more: false, count: 2 });
  });
});
