// Goal: leases and sessions do what they promise whatever the history: keys hang where they were
// last put, vanish with their lease in one revision, and a write in a session takes effect once.
// Method: random commands, in and outside of sessions, go to the store and to a naive model; half
// way the store is restored from its image, which must change nothing.
import type { Command, CommandResult } from '@holdfast/proto/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyAt,
  bytes,
  chunked,
  collect,
  command,
  del,
  failureCode,
  grant,
  newStore,
  newStoreAtThree,
  nextEntry,
  put,
  rangeRequest,
  register,
  revoke,
  text,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';

const ttlMs = 5000;

type SessionAction =
  | { readonly type: 'register' | 'close' | 'keepAlive'; readonly id: bigint }
  | { readonly type: 'sessionExpire'; readonly ids: readonly bigint[] };
type Action =
  | SessionAction
  | { readonly type: 'put'; readonly key: string; readonly lease: bigint }
  | { readonly type: 'keepLease'; readonly key: string }
  | { readonly type: 'delete'; readonly key: string }
  | { readonly type: 'grant' | 'revoke'; readonly id: bigint }
  | { readonly type: 'expire'; readonly ids: readonly bigint[]; readonly stale: boolean }
  | { readonly type: 'checkpoint'; readonly id: bigint; readonly remainingMs: number };

type Place = {
  readonly sessionId: bigint;
  readonly sequence: bigint;
  readonly pendingSpan: number;
};
type Step = { readonly action: Action; readonly waitMs: number; readonly place: Place | undefined };

type ModelSession = { lastMs: number; lowest: bigint; readonly kept: Map<bigint, CommandResult> };

/** What the store is to answer: a code or "ok", or exactly what it answered before. */
type Expected = { readonly code: string } | { readonly again: CommandResult };

class Model {
  readonly keys = new Map<string, bigint>();
  readonly leases = new Map<bigint, number>();
  readonly sessions = new Map<bigint, ModelSession>();
  /** Events by revision, from 2 on. */
  readonly events: string[][] = [];
  #session: ModelSession | undefined;

  apply({ action, place }: Step, nowMs: number): Expected {
    this.#session = undefined;
    if (!place) return { code: this.#act(action, nowMs) };
    const session = this.sessions.get(place.sessionId);
    if (!session) return { code: 'session-expired' };
    session.lastMs = nowMs;
    const lowest = place.sequence - BigInt(place.pendingSpan);
    if (lowest < 1n || place.sequence < session.lowest) return { code: 'invalid-argument' };
    if (lowest > session.lowest) session.lowest = lowest;
    for (const sequence of session.kept.keys()) {
      if (sequence < session.lowest) session.kept.delete(sequence);
    }
    const again = session.kept.get(place.sequence);
    if (again) return { again };
    this.#session = session;
    return { code: this.#act(action, nowMs) };
  }

  /** The store answered a new write of a session. */
  answered(place: Place | undefined, result: CommandResult): void {
    if (place && this.#session) this.#session.kept.set(place.sequence, result);
  }

  keysOf(id: bigint): string[] {
    return [...this.keys].filter(([, lease]) => lease === id).map(([key]) => key);
  }

  #act(action: Action, nowMs: number): string {
    switch (action.type) {
      case 'put':
        return this.#put(action.key, action.lease);
      case 'keepLease': {
        const lease = this.keys.get(action.key);
        return lease === undefined ? 'not-found' : this.#put(action.key, lease);
      }
      case 'delete':
        return this.#vanish([action.key]);
      case 'grant':
        if (this.leases.has(action.id)) return 'already-exists';
        this.leases.set(action.id, ttlMs);
        return 'ok';
      case 'revoke':
        if (!this.leases.has(action.id)) return 'not-found';
        return this.#end([action.id]);
      case 'expire':
        return action.stale ? 'ok' : this.#end(action.ids);
      case 'checkpoint':
        if (this.leases.has(action.id)) this.leases.set(action.id, action.remainingMs);
        return 'ok';
      default:
        return this.#session ? 'invalid-argument' : this.#actOnSession(action, nowMs);
    }
  }

  #actOnSession(action: SessionAction, nowMs: number): string {
    if (action.type === 'sessionExpire') {
      for (const id of action.ids) {
        const lastMs = this.sessions.get(id)?.lastMs ?? nowMs;
        if (lastMs + ttlMs <= nowMs) this.sessions.delete(id);
      }
      return 'ok';
    }
    const known = this.sessions.get(action.id);
    if (action.type === 'register' && !known) {
      this.sessions.set(action.id, { lastMs: nowMs, lowest: 1n, kept: new Map() });
      return 'ok';
    }
    if (!known) return 'session-expired';
    if (action.type === 'close') this.sessions.delete(action.id);
    else known.lastMs = nowMs;
    return 'ok';
  }

  #put(key: string, lease: bigint): string {
    if (lease !== 0n && !this.leases.has(lease)) return 'not-found';
    this.keys.set(key, lease);
    this.events.push([`put ${key}`]);
    return 'ok';
  }

  #end(ids: readonly bigint[]): string {
    const keys = ids.flatMap((id) => (this.leases.has(id) ? this.keysOf(id) : []));
    for (const id of ids) this.leases.delete(id);
    return this.#vanish([...new Set(keys)].sort());
  }

  #vanish(keys: readonly string[]): string {
    const gone = keys.filter((key) => this.keys.delete(key));
    if (gone.length > 0) this.events.push(gone.map((key) => `delete ${key}`));
    return 'ok';
  }
}

const key = fc.constantFrom('a', 'b', 'c', 'd', 'e');
const id = fc.constantFrom(1n, 2n, 3n);
const ids = fc.array(id, { maxLength: 3 });
const lease = fc.constantFrom(0n, 1n, 2n, 3n);
const type = <Name extends string>(name: Name) => fc.constant(name);
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ type: type('put'), key, lease }) },
  { weight: 1, arbitrary: fc.record({ type: type('keepLease'), key }) },
  { weight: 1, arbitrary: fc.record({ type: type('delete'), key }) },
  { weight: 4, arbitrary: fc.record({ type: type('grant'), id }) },
  { weight: 1, arbitrary: fc.record({ type: type('revoke'), id }) },
  { weight: 1, arbitrary: fc.record({ type: type('expire'), ids, stale: fc.boolean() }) },
  {
    weight: 1,
    arbitrary: fc.record({ type: type('checkpoint'), id, remainingMs: fc.nat(ttlMs) }),
  },
  { weight: 4, arbitrary: fc.record({ type: type('register'), id }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constantFrom('close', 'keepAlive'), id }) },
  { weight: 1, arbitrary: fc.record({ type: type('sessionExpire'), ids }) },
) as fc.Arbitrary<Action>;
const place = fc.record({
  sessionId: id,
  sequence: fc.bigInt({ min: 1n, max: 9n }),
  pendingSpan: fc.nat(4),
});
const steps = fc.array(
  fc.record({
    action,
    waitMs: fc.oneof(fc.constant(0), fc.nat(3000)),
    place: fc.option(place, { nil: undefined }),
  }),
  { minLength: 1, maxLength: 80 },
);

/** Entries stand in term 2 and mean the leases of the store; a stale expiry says another term. */
function commandOf(action: Action, { leases }: KvStore): Command {
  const grantedAt = (id: bigint): number => leases.get(id)?.grantedAt ?? 0;
  switch (action.type) {
    case 'put':
      return put(action.key, 'x', { lease: action.lease });
    case 'keepLease':
      return put(action.key, 'x', { ignoreLease: true });
    case 'delete':
      return del(action.key);
    case 'grant':
      return grant(action.id, ttlMs);
    case 'revoke':
      return revoke(action.id);
    case 'expire': {
      const grants = action.ids.map((id) => BigInt(grantedAt(id)));
      const term = action.stale ? 1 : 2;
      return command('leaseExpire', { ids: [...action.ids], term, grantedAt: grants });
    }
    case 'checkpoint': {
      const { id, remainingMs } = action;
      const lease = { id, remainingMs, grantedAt: grantedAt(id) };
      return command('leaseCheckpoint', { leases: [lease], term: 2 });
    }
    case 'register':
      return register(action.id, ttlMs);
    case 'close':
      return command('sessionClose', { id: action.id });
    case 'keepAlive':
      return command('sessionKeepAlive', { id: action.id });
    default:
      return command('sessionExpire', { ids: [...action.ids] });
  }
}

function checkState(store: KvStore, model: Model, nowMs: number): void {
  const { kvs } = store.range(rangeRequest('a', '\0'));
  expect(kvs.map((kv) => [text(kv.key), kv.lease])).toEqual(
    [...model.keys].sort(([a], [b]) => (a < b ? -1 : 1)),
  );
  expect([...store.leases.ids()]).toEqual([...model.leases.keys()]);
  for (const [id, remainingMs] of model.leases) {
    const keys = store.leases.keysOf(id).map((one) => text(one.key));
    expect(keys.sort()).toEqual(model.keysOf(id).sort());
    expect(store.leases.get(id)).toMatchObject({ id, ttlMs, remainingMs, keyCount: keys.length });
  }
  expect(store.sessions.size).toBe(model.sessions.size);
  const late = [...model.sessions].filter(([, { lastMs }]) => lastMs + ttlMs <= nowMs);
  expect(store.sessions.overdue(nowMs, 99)).toEqual(late.map(([id]) => id));
  expect(store.revision).toBe(model.events.length + 1);
  store.validate();
}

function checkEvents(store: KvStore, model: Model): void {
  const all = { keyspace: 1, key: bytes('a'), rangeEnd: bytes('\0'), startRevision: 1 };
  const cursor = store.watch(all, () => undefined);
  const got = cursor.next(Infinity).map(({ revision, events }) => {
    expect(revision).toBe(events[0]?.kv.modRevision);
    return events.map((event) => `${event.type} ${text(event.kv.key)}`);
  });
  expect(got).toEqual(model.events);
}

/** Runs the steps on the store and the model; answers when it was at the end. */
function run(
  store: KvStore,
  model: Model,
  from: { readonly steps: readonly Step[]; nowMs: number },
) {
  let { nowMs } = from;
  for (const step of from.steps) {
    nowMs += step.waitMs;
    const at = { term: 2, timeMs: nowMs, ...(step.place && { session: step.place }) };
    const result = applyAt(store, at, commandOf(step.action, store));
    const expected = model.apply(step, nowMs);
    if ('again' in expected) expect(result).toEqual(expected.again);
    else expect(failureCode(result) ?? 'ok').toBe(expected.code);
    model.answered(step.place, result);
  }
  return nowMs;
}

describe('leases and sessions against a naive model', () => {
  it('answer, hold and vanish the same, across a restore too', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (first, then) => {
        const [store, restored] = [newStoreAtThree(), newStore({ slabBytes: 640 })];
        const model = new Model();
        const nowMs = run(store, model, { steps: first, nowMs: 1000 });
        const image = await collect(store.image().chunks());
        await restored.restore({ index: store.appliedIndex }, chunked(image, 300));
        expect(restored.describe()).toBe(store.describe());
        checkState(restored, model, nowMs + 2500);
        const endMs = run(restored, model, { steps: then, nowMs });
        checkState(restored, model, endMs + 2500);
        checkEvents(restored, model);
      }),
      { numRuns: 150 },
    );
  });

  it('end in the same hash and image, restored half way or not', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.nat(80), async (all, half) => {
        const store = newStoreAtThree();
        let [live, nowMs] = [newStoreAtThree({ slabBytes: 512 }), 1000];
        for (const [n, step] of all.entries()) {
          nowMs += step.waitMs;
          const at = { term: 2, timeMs: nowMs, ...(step.place && { session: step.place }) };
          const entry = nextEntry(store, commandOf(step.action, store), at);
          store.apply([entry]);
          live.apply([entry]);
          if (n !== half) continue;
          const image = await collect(live.image().chunks());
          live = newStore({ slabBytes: 640 });
          await live.restore({ index: store.appliedIndex }, chunked(image, 300));
        }
        expect(live.describe()).toBe(store.describe());
        expect(await collect(live.image().chunks())).toEqual(await collect(store.image().chunks()));
      }),
      { numRuns: 60 },
    );
  });
});
