// Goal: the store answers as etcd's data model says, whatever the history. Method: random commands
// go to the store and to a naive model that keeps the whole map of every revision; ranges at all
// revisions, watches from all starts, sums, hashes and images are compared.
import type { Command, KeyValue, RangeResponse } from '@holdfast/proto/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  bytes,
  chunked,
  collect,
  compact,
  compare,
  del,
  entry,
  newStore,
  op,
  put,
  rangeRequest,
  text,
  txn,
} from './command.fixture.ts';
import type { AppliedEntry, KvStore } from './kv-store.ts';

type ModelKv = {
  readonly value: string;
  readonly create: number;
  readonly mod: number;
  readonly version: number;
};
type ModelMap = ReadonlyMap<string, ModelKv>;
type ModelEvent = { readonly key: string; readonly value: string | undefined };

/** Every revision as a whole map, and its events in order. */
class Model {
  readonly maps: ModelMap[] = [new Map(), new Map()];
  readonly events: ModelEvent[][] = [[], []];
  compacted = 0;
  #draft: Map<string, ModelKv> | undefined;
  #draftEvents: ModelEvent[] = [];

  get revision(): number {
    return this.maps.length - 1;
  }

  get now(): ModelMap {
    return this.#draft ?? (this.maps[this.revision] as ModelMap);
  }

  put(key: string, value: string): void {
    const old = this.now.get(key);
    const mod = this.revision + 1;
    const kv = { value, create: old?.create ?? mod, mod, version: (old?.version ?? 0) + 1 };
    this.#draft = new Map(this.now).set(key, kv);
    this.#draftEvents.push({ key, value });
  }

  delete(lo: string, hi: string): void {
    for (const key of this.keys(this.now, lo, hi)) {
      const draft = new Map(this.now);
      draft.delete(key);
      this.#draft = draft;
      this.#draftEvents.push({ key, value: undefined });
    }
  }

  seal(): void {
    if (!this.#draft) return;
    this.maps.push(this.#draft);
    this.events.push(this.#draftEvents);
    this.#draft = undefined;
    this.#draftEvents = [];
  }

  keys(map: ModelMap, lo: string, hi: string): string[] {
    const has = (key: string): boolean =>
      hi === '' ? key === lo : key >= lo && (hi === '\0' || key < hi);
    return [...map.keys()].filter(has).sort();
  }

  apply(step: Step): void {
    if (step.type === 'put') this.put(step.key, step.value);
    if (step.type === 'delete') this.delete(step.key, step.end);
    if (step.type === 'txn') {
      const succeeded = (this.now.get(step.guard)?.version ?? 0) === step.version;
      for (const inner of succeeded ? step.success : step.failure) this.apply(inner);
    }
    if (step.type === 'compact') this.compacted = this.target(step);
  }

  /** The revision that a compaction step means, never below what is compacted. */
  target(step: { readonly share: number }): number {
    const span = this.revision - this.compacted;
    return this.compacted + Math.floor(span * step.share);
  }
}

type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'delete'; readonly key: string; readonly end: string };
type Step =
  | Write
  | {
      readonly type: 'txn';
      readonly guard: string;
      readonly version: number;
      readonly success: readonly Write[];
      readonly failure: readonly Write[];
    }
  | { readonly type: 'compact'; readonly share: number };

const key = fc.constantFrom('a', 'b', 'ba', 'bb', 'c', 'd\xff', 'd\xff\0', 'e');
const end = fc.constantFrom('', '\0', 'b', 'bb', 'c', 'f');
const value = fc.string({ maxLength: 12 });
const putStep = fc.record({ type: fc.constant('put' as const), key, value });
const deleteStep = fc.record({ type: fc.constant('delete' as const), key, end });
const branch = fc.uniqueArray(putStep, { maxLength: 4, selector: (write) => write.key });
const txnStep = fc.record({
  type: fc.constant('txn' as const),
  guard: key,
  version: fc.integer({ min: 0, max: 2 }),
  success: branch,
  failure: branch,
});
const compactStep = fc.record({
  type: fc.constant('compact' as const),
  share: fc.integer({ min: 0, max: 10 }).map((tenths) => tenths / 10),
});
const steps = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: putStep },
    { weight: 3, arbitrary: deleteStep },
    { weight: 4, arbitrary: txnStep },
    { weight: 2, arbitrary: compactStep },
  ) as fc.Arbitrary<Step>,
  { minLength: 1, maxLength: 60 },
);

function writeCommand(step: Write): Command {
  return step.type === 'put' ? put(step.key, step.value) : del(step.key, step.end);
}

function commandOf(step: Step, model: Model): Command {
  if (step.type === 'compact') return compact(model.target(step));
  if (step.type !== 'txn') return writeCommand(step);
  const guard = compare(step.guard, { $case: 'version', value: BigInt(step.version) });
  const ops = (writes: readonly Write[]) => writes.map((write) => op(writeCommand(write)));
  return txn([guard], ops(step.success), ops(step.failure));
}

/** Runs the steps on a new model; answers it and the log that says the same. */
function modelOf(all: readonly Step[]): { model: Model; log: AppliedEntry[] } {
  const model = new Model();
  const log: AppliedEntry[] = [];
  for (const step of all) {
    if (step.type === 'compact' && model.target(step) === model.compacted) continue;
    log.push(entry(log.length + 1, commandOf(step, model), 1000 * log.length));
    model.apply(step);
    model.seal();
  }
  return { model, log };
}

const shape = (kv: KeyValue) => ({
  key: text(kv.key),
  value: text(kv.value),
  create: kv.createRevision,
  mod: kv.modRevision,
  version: kv.version,
});

function expected(model: Model, lo: string, hi: string, revision: number, limit: number) {
  const map = model.maps[revision] as ModelMap;
  const keys = model.keys(map, lo, hi);
  const kvs = keys
    .slice(0, limit || Infinity)
    .map((name) => ({ key: name, ...(map.get(name) as ModelKv) }));
  return { kvs, count: keys.length, more: kvs.length < keys.length };
}

const answer = (response: RangeResponse) => ({
  kvs: response.kvs.map(shape),
  count: response.count,
  more: response.more,
});

function checkRanges(store: KvStore, model: Model): void {
  for (let revision = Math.max(1, model.compacted); revision <= model.revision; revision += 1) {
    for (const [lo, hi, limit] of [
      ['a', '\0', 0],
      ['b', 'c', 1],
      ['bb', '', 0],
      ['d\xff', 'f', 2],
    ] as const) {
      const at = revision === model.revision ? 0 : revision;
      const got = store.range(rangeRequest(lo, hi, { revision: at, limit }));
      expect(answer(got)).toEqual(expected(model, lo, hi, revision, limit));
      const uncounted = store.range(rangeRequest(lo, hi, { revision: at, limit }), {
        uncounted: true,
      });
      expect([uncounted.kvs, uncounted.more]).toEqual([got.kvs, got.more]);
    }
  }
}

function drain(store: KvStore, from: number, lo: string, hi: string, limit: number) {
  const cursor = store.watch(
    { keyspace: 1, key: bytes(lo), rangeEnd: bytes(hi), startRevision: from, prevKv: true },
    () => undefined,
  );
  const got: { revision: number; key: string; value: string | undefined; before: unknown }[] = [];
  while (cursor.behind) {
    for (const batch of cursor.next(limit)) {
      for (const event of batch.events) {
        const value = event.type === 'put' ? text(event.kv.value) : undefined;
        const before = event.prevKv && shape(event.prevKv);
        got.push({ revision: batch.revision, key: text(event.kv.key), value, before });
      }
    }
  }
  cursor.close();
  return got;
}

function checkWatches(store: KvStore, model: Model): void {
  for (let from = Math.max(1, model.compacted); from <= model.revision; from += 3) {
    for (const [lo, hi] of [
      ['a', '\0'],
      ['b', 'c'],
      ['bb', ''],
    ] as const) {
      const wanted = [];
      for (let revision = from; revision <= model.revision; revision += 1) {
        for (const event of model.events[revision] as ModelEvent[]) {
          if (model.keys(new Map([[event.key, {} as ModelKv]]), lo, hi).length === 0) continue;
          const old = (model.maps[revision - 1] as ModelMap).get(event.key);
          const before = revision > model.compacted && old ? { key: event.key, ...old } : undefined;
          wanted.push({ revision, key: event.key, value: event.value, before });
        }
      }
      expect(drain(store, from, lo, hi, 3)).toEqual(wanted);
    }
  }
}

describe('the store against a naive model', () => {
  it('reads every uncompacted revision, and watches from each', () => {
    fc.assert(
      fc.property(steps, fc.boolean(), (all, reclaim) => {
        const { model, log } = modelOf(all);
        const store = newStore({ slabBytes: 512 });
        store.apply(log);
        while (reclaim && store.reclaim(7));
        store.validate();
        expect([store.revision, store.compactRevision]).toEqual([model.revision, model.compacted]);
        expect(store.keys).toBe(model.now.size);
        checkRanges(store, model);
        checkWatches(store, model);
      }),
      { numRuns: 150 },
    );
  });

  it('ends in the same hash and image bytes, however entries come and memory is reclaimed', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 9 }), async (all, batch) => {
        const { log } = modelOf(all);
        const [one, other] = [newStore(), newStore({ slabBytes: 512 })];
        one.apply(log);
        for (let at = 0; at < log.length; at += batch) {
          other.apply(log.slice(at, at + batch));
          other.reclaim(batch);
          if (at % 2 === 0) await collect(other.image().chunks());
        }
        expect([other.stateHash, other.bytes]).toEqual([one.stateHash, one.bytes]);
        const image = await collect(one.image().chunks());
        expect(await collect(other.image().chunks())).toEqual(image);
        const restored = newStore({ slabBytes: 640 });
        await restored.restore({ index: one.appliedIndex }, chunked(image, 100));
        restored.validate();
        expect([restored.stateHash, restored.bytes]).toEqual([one.stateHash, one.bytes]);
        expect(restored.garbageBytes).toBe(one.garbageBytes);
        expect(await collect(restored.image().chunks())).toEqual(image);
      }),
      { numRuns: 60 },
    );
  });

  it('reads the same from a restored image', async () => {
    await fc.assert(
      fc.asyncProperty(steps, steps, async (first, then) => {
        const { model, log } = modelOf([...first, ...then]);
        const store = newStore();
        const half = log.slice(0, Math.floor(log.length / 2));
        store.apply(half);
        const image = await collect(store.image().chunks());
        const restored = newStore({ slabBytes: 640 });
        await restored.restore({ index: store.appliedIndex }, chunked(image, 1000));
        restored.apply(log.slice(half.length));
        store.apply(log.slice(half.length));
        restored.validate();
        checkRanges(restored, model);
        checkWatches(restored, model);
        expect(restored.stateHash).toBe(store.stateHash);
      }),
      { numRuns: 60 },
    );
  });
});
