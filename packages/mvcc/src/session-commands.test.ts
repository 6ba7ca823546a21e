// Goal: a write in a session takes effect once and has one answer, however often and late it is
// sent (safety.md 21). Method: entries with a place in a session to a store; repeats, restores,
// limits.
import type { Command, CommandResult } from '@holdfast/proto/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  applyAt,
  chunked,
  collect,
  command,
  compare,
  failureCode,
  grant,
  newStore,
  newStoreAtTwo,
  nextEntry,
  op,
  put,
  raiseTo,
  rangeOp,
  rangeRequest,
  register,
  resultOf,
  txn,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';

const sessionId = 0xfedcba9876543210n;
const place = (sequence: bigint, pendingSpan = 0) => ({ sessionId, sequence, pendingSpan });

function write(store: KvStore, sequence: bigint, wanted: Command, pendingSpan = 0): CommandResult {
  return applyAt(store, { session: place(sequence, pendingSpan) }, wanted);
}

const versionOf = (store: KvStore, key: string): number | undefined =>
  store.range(rangeRequest(key)).kvs[0]?.version;

function withSession(ttlMs = 10_000): KvStore {
  const store = newStoreAtTwo();
  applyAll(store, register(sessionId, ttlMs));
  return store;
}

async function restored(store: KvStore): Promise<KvStore> {
  const image = await collect(store.image().chunks());
  const copy = newStore({ slabBytes: 640 });
  await copy.restore({ index: store.appliedIndex }, chunked(image, 100));
  return copy;
}

describe('a write in a session', () => {
  it('is applied once, and sent again has the answer that it had', async () => {
    const store = withSession();
    const first = write(store, 1n, put('a', 'x', { prevKv: true }));
    const second = write(store, 2n, put('a', 'y', { prevKv: true }), 1);
    const copy = await restored(store);
    for (const one of [store, copy]) {
      expect(write(one, 1n, put('a', 'x', { prevKv: true }))).toEqual(first);
      expect(write(one, 2n, put('a', 'y', { prevKv: true }), 1)).toEqual(second);
      expect([versionOf(one, 'a'), one.revision]).toEqual([2, 3]);
    }
    expect(copy.describe()).toBe(store.describe());
  });

  it('that failed fails again in the same way, whatever has changed since', () => {
    const store = withSession();
    const wanted = put('a', 'x', { lease: 5n });
    const failed = write(store, 1n, wanted);
    expect(failureCode(failed)).toBe('not-found');
    applyAll(store, grant(5n));
    expect(write(store, 1n, wanted)).toEqual(failed);
    expect(store.keys).toBe(0);
    expect(failureCode(write(store, 2n, wanted, 1))).toBeUndefined();
  });

  it('of an unknown session is not applied', () => {
    const store = newStoreAtTwo();
    expect(failureCode(write(store, 1n, put('a', 'x')))).toBe('session-expired');
    applyAll(store, register(sessionId), command('sessionClose', { id: sessionId }));
    expect(failureCode(write(store, 1n, put('a', 'x')))).toBe('session-expired');
    expect([store.keys, store.revision]).toEqual([0, 1]);
  });

  it('whose answer the client has given up is never applied again', () => {
    const store = withSession();
    write(store, 5n, put('a', '5'), 3);
    const kept = write(store, 2n, put('a', '2'));
    expect(failureCode(kept)).toBeUndefined(); // Not below 5 - 3.
    write(store, 9n, put('a', '9'), 4);
    for (const late of [1n, 2n, 4n]) {
      expect(failureCode(write(store, late, put('a', 'late')))).toBe('invalid-argument');
    }
    expect(failureCode(write(store, 5n, put('a', 'again'), 3))).toBeUndefined();
    expect(versionOf(store, 'a')).toBe(3);
    store.validate();
  });

  it('is one of a limited number in flight; a refused one may be sent again', () => {
    const store = withSession();
    const refused = write(store, 65n, put('a', 'x'), 64);
    expect(failureCode(refused)).toBe('resource-exhausted');
    expect(failureCode(write(store, 65n, put('a', 'x'), 63))).toBeUndefined();
    expect(versionOf(store, 'a')).toBe(1);
  });

  it.each([
    [0n, 0],
    [3n, 3],
    [3n, 60],
  ])('has a sequence that counts from 1: not %d with %d before it', (sequence, span) => {
    const store = withSession();
    expect(failureCode(write(store, sequence, put('a', 'x'), span))).toBe('invalid-argument');
    expect(store.keys).toBe(0);
  });

  it('with a long answer is kept as applied, and says how a transaction went', () => {
    const store = withSession();
    applyAll(store, put('big', 'x'.repeat(5000)));
    const first = write(store, 1n, put('big', 'y', { prevKv: true }));
    expect(first.response?.$case).toBe('put');
    const again = write(store, 1n, put('big', 'y', { prevKv: true }));
    const { revision } = first;
    const value = { revision, succeeded: true };
    expect(again).toEqual({ revision, response: { $case: 'appliedBefore', value } });
    applyAll(store, put('big', 'x'.repeat(5000)));
    const guard = compare('big', { $case: 'version', value: 99n });
    const guarded = txn([guard], [op(put('big', 'z'))], [rangeOp('big')]);
    const broken = write(store, 2n, guarded, 1);
    expect(broken.response).toMatchObject({ $case: 'txn', value: { succeeded: false } });
    expect(write(store, 2n, guarded, 1).response).toEqual({
      $case: 'appliedBefore',
      value: { revision: broken.revision, succeeded: false },
    });
    expect(versionOf(store, 'big')).toBe(3);
  });

  it('that failed is kept as that failure, also where there is no room', () => {
    const store = newStoreAtTwo({ limits: { sessionResultBytesAllMax: 0 } });
    applyAll(store, register(sessionId));
    const first = write(store, 1n, put('', 'x'));
    expect(failureCode(first)).toBe('invalid-argument');
    expect(write(store, 1n, put('', 'x'))).toEqual(first);
  });

  it('finds the room for all answers used up and is kept as applied', () => {
    const store = newStoreAtTwo({ limits: { sessionResultBytesAllMax: 300 } });
    applyAll(store, register(sessionId), put('a', 'x'.repeat(200)));
    const wanted = put('a', 'x'.repeat(200), { prevKv: true });
    const [, second] = [write(store, 1n, wanted), write(store, 2n, wanted, 1)];
    expect(write(store, 1n, wanted).response?.$case).toBe('put');
    expect(write(store, 2n, wanted, 1).response).toEqual({
      $case: 'appliedBefore',
      value: { revision: second.revision, succeeded: true },
    });
    write(store, 3n, wanted); // Forgets the first two, and so has room.
    expect(write(store, 3n, wanted).response?.$case).toBe('put');
    store.validate();
  });

  it('may be of any kind but a change of sessions', () => {
    const store = withSession();
    expect(failureCode(write(store, 1n, grant(3n)))).toBeUndefined();
    expect(write(store, 1n, grant(3n)).response?.$case).toBe('leaseGrant');
    expect(failureCode(write(store, 2n, register(4n)))).toBe('invalid-argument');
    const close = command('sessionClose', { id: sessionId });
    expect(failureCode(write(store, 3n, close))).toBe('invalid-argument');
    expect([store.sessions.size, store.leases.size]).toEqual([1, 1]);
  });

  it('that is malformed has its answer kept too', () => {
    const store = withSession();
    const [broken] = store.apply([
      { ...nextEntry(store, put('a', 'x')), payload: cutShort(store) },
    ]);
    expect(failureCode(resultOf(broken))).toBe('invalid-argument');
    expect(write(store, 1n, put('a', 'x'))).toEqual(broken);
    expect(store.keys).toBe(0);
  });

  it('is refused while the cluster version is 1', () => {
    const store = newStore();
    for (const early of [register(1n), command('sessionKeepAlive', { id: 1n })]) {
      expect(failureCode(applyAll(store, early))).toBe('failed-precondition');
    }
    const early = write(store, 1n, put('a', 'x'));
    expect(failureCode(early)).toBe('failed-precondition');
    expect([store.keys, store.stateHash]).toEqual([0, 0n]);
    applyAll(store, ...raiseTo(2), register(sessionId));
    expect(failureCode(write(store, 1n, put('a', 'x')))).toBeUndefined();
  });

  it('by a newer version stops the member before its session has changed', () => {
    const store = withSession();
    const { stateHash, lastProposedAtMs } = store;
    const newer = nextEntry(store, put('a', 'x'), { session: place(1n), timeMs: 99 });
    const bare = { ...newer, payload: newer.payload.subarray(0, bodyAt(newer.payload) + 3) };
    // Field 20, and nothing in it.
    bare.payload.set([0xa2, 0x01, 0], bodyAt(newer.payload));
    expect(() => store.apply([bare])).toThrow('newer version');
    expect([store.stateHash, store.lastProposedAtMs]).toEqual([stateHash, lastProposedAtMs]);
  });
});

const bodyAt = (payload: Uint8Array): number => 44 + (payload[1] as number);

/** The next entry, in the session, with a body that promises more bytes than it has. */
function cutShort(store: KvStore): Uint8Array {
  const { payload } = nextEntry(store, put('a', 'x'), { session: place(1n) });
  const at = bodyAt(payload);
  payload.set([0x0a, 9, 1], at);
  return payload.subarray(0, at + 3);
}

describe('a session', () => {
  it('is registered once under its id, and again only in the same words', () => {
    const store = newStoreAtTwo();
    const first = applyAll(store, register(1n, 5000));
    expect(first.response).toEqual({ $case: 'sessionRegister', value: { id: 1n, ttlMs: 5000 } });
    expect(applyAll(store, register(1n, 5000))).toEqual(first);
    expect(failureCode(applyAll(store, register(1n, 6000)))).toBe('already-exists');
    expect(failureCode(applyAll(store, register(0n)))).toBe('invalid-argument');
    expect(failureCode(applyAll(store, register(2n, 999)))).toBe('invalid-argument');
    expect(failureCode(applyAll(store, register(2n, 24 * 3_600_000 + 1)))).toBe('invalid-argument');
    expect([store.sessions.size, store.sessions.has(1n), store.sessions.has(2n)]).toEqual([
      1,
      true,
      false,
    ]);
  });

  it('is one of a limited number', () => {
    const store = newStoreAtTwo({ limits: { sessionsMax: 2 } });
    applyAll(store, register(1n), register(2n));
    expect(failureCode(applyAll(store, register(3n)))).toBe('resource-exhausted');
    expect(failureCode(applyAll(store, register(2n)))).toBeUndefined();
    applyAll(store, command('sessionClose', { id: 1n }));
    expect(failureCode(applyAll(store, register(3n)))).toBeUndefined();
  });

  it('expires by the time of the log, counted from its last entry', () => {
    const store = newStoreAtTwo();
    for (const id of [1n, 2n, sessionId, 4n]) applyAt(store, { timeMs: 1000 }, register(id, 5000));
    applyAt(store, { timeMs: 2000 }, command('sessionKeepAlive', { id: 2n }));
    applyAt(store, { timeMs: 3000, session: place(1n) }, put('a', 'x'));
    applyAt(store, { timeMs: 3000 }, register(4n, 5000));
    expect(store.sessions.overdue(5999, 9)).toEqual([]);
    expect(store.sessions.overdue(6000, 9)).toEqual([1n]);
    expect(store.sessions.overdue(8000, 2)).toEqual([1n, 2n]);
    const all = command('sessionExpire', { ids: [sessionId, 2n, 1n, 77n, 1n] });
    const early = applyAt(store, { timeMs: 6999 }, all);
    expect(early.response).toEqual({ $case: 'sessionExpire', value: { expired: [1n] } });
    const late = applyAt(store, { timeMs: 7000 }, all);
    expect(late.response).toEqual({ $case: 'sessionExpire', value: { expired: [2n] } });
    expect([store.sessions.has(sessionId), store.sessions.has(4n)]).toEqual([true, true]);
    const gone = applyAll(store, command('sessionKeepAlive', { id: 1n }));
    expect(failureCode(gone)).toBe('session-expired');
    expect(failureCode(applyAll(store, command('sessionClose', { id: 1n })))).toBe(
      'session-expired',
    );
    store.validate();
  });

  it('changes the hash whatever differs, results included', () => {
    const hashOf = (run: (store: KvStore) => void): bigint => {
      const store = newStoreAtTwo();
      run(store);
      return store.stateHash;
    };
    const at = (timeMs: number, wanted: Command) => (store: KvStore) =>
      void applyAt(store, { timeMs }, wanted);
    const then = (sequence: bigint, span: number, wanted: Command) => (store: KvStore) => {
      applyAt(store, { timeMs: 9 }, register(sessionId));
      applyAt(store, { timeMs: 9, session: place(sequence, span) }, wanted);
    };
    const hashes = [
      hashOf(() => undefined),
      hashOf(at(9, register(1n))),
      hashOf(at(9, register(2n))),
      hashOf(at(10, register(1n))),
      hashOf(at(9, register(1n, 11_000))),
      hashOf(then(1n, 0, put('a', 'x'))),
      hashOf(then(2n, 0, put('a', 'x'))),
      hashOf(then(2n, 1, put('a', 'x'))),
      hashOf(then(1n, 0, put('a', 'x', { prevKv: true, lease: 1n }))),
      hashOf(then(1n, 0, put('', 'x'))),
      hashOf((store) => {
        at(9, register(1n))(store);
        at(9, command('sessionClose', { id: 1n }))(store);
      }),
    ];
    expect(new Set(hashes).size).toBe(hashes.length);
  });
});

describe('exactly once', () => {
  it('holds for any order, repetition and restore of what a client has in flight', async () => {
    const sends = fc.array(fc.record({ which: fc.nat(5), restore: fc.nat(9) }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(sends, async (all) => {
        let store = withSession();
        // A client with six writes in flight, of which none is answered yet.
        const answers = new Map<number, CommandResult>();
        for (const { which, restore } of all) {
          if (restore === 0) store = await restored(store);
          const answer = write(store, BigInt(which + 1), put(`k${which}`, 'x'), which);
          expect(answer).toEqual(answers.get(which) ?? answer);
          answers.set(which, answer);
        }
        expect(store.keys).toBe(answers.size);
        for (const which of answers.keys()) expect(versionOf(store, `k${which}`)).toBe(1);
        store.validate();
      }),
      { numRuns: 60 },
    );
  });
});
