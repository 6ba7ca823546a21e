// Goal: quotas count what lives, exactly, and refuse what would grow it beyond; deletes always go;
// images, hashes and reclaiming agree with it. Method: random commands go to the store and to a
// naive model that adds everything up anew after each.
import { concatBytes, utf8 } from '@holdfast/base/bytes';
import type { Command } from '@holdfast/proto/internal';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  chunked,
  collect,
  command,
  compact,
  del,
  failureCode,
  newStore,
  op,
  put,
  raiseTo,
  txn,
} from './command.fixture.ts';
import type { KvStore } from './kv-store.ts';
import { recordBytes } from './record-slab.ts';

const zero = new Uint8Array([0]);
const hash = (of: number): Uint8Array => new Uint8Array(32).fill(of);
const float = (value: number): Uint8Array => new Uint8Array(new Float64Array([value]).buffer);
const latin = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1');

/** A key and value of the configurations, as they are laid out there. */
const headOf = (namespace: string, name: string) =>
  latin(concatBytes(utf8('c'), zero, utf8(`${namespace}\0g\0${name}`)));
const referenceOf = (namespace: string, name: string) =>
  latin(concatBytes(utf8('r'), zero, hash(7), utf8(`${namespace}\0g\0${name}`), zero, float(1)));
const versionOf = (namespace: string, name: string) =>
  latin(concatBytes(utf8('v'), zero, utf8(`${namespace}\0g\0${name}`), zero, float(1)));

type Write =
  | {
      readonly type: 'put';
      readonly key: string;
      readonly keyspace: number;
      readonly value: string;
    }
  | { readonly type: 'delete'; readonly key: string; readonly keyspace: number };
type Step =
  | Write
  | { readonly type: 'txn'; readonly writes: readonly Write[] }
  | { readonly type: 'quota'; readonly scope: readonly [number, string]; readonly bytesMax: number }
  | { readonly type: 'compact' };

const scopes = [
  [1, ''],
  [2, ''],
  [2, 'pay'],
  [2, 'web'],
] as const;

class Model {
  readonly live = new Map<
    string,
    { readonly keyspace: number; readonly key: string; value: string }
  >();
  readonly limits = new Map<string, number>();

  bytesOf([keyspace, namespace]: readonly [number, string], live = this.live): number {
    let bytes = 0;
    for (const one of live.values()) {
      if (one.keyspace === keyspace) bytes += this.#charge(one, namespace);
    }
    return bytes;
  }

  /** Whether the writes are taken; if so, they are done. */
  write(writes: readonly Write[]): boolean {
    const next = new Map(this.live);
    for (const { keyspace, key, ...write } of writes) {
      const id = `${keyspace} ${key}`;
      if (write.type === 'delete') next.delete(id);
      else next.set(id, { keyspace, key, value: write.value });
    }
    const puts = writes.some(({ type }) => type === 'put');
    for (const scope of puts ? scopes : []) {
      const max = this.limits.get(scope.join()) ?? 0;
      const bytes = this.bytesOf(scope, next);
      if (max > 0 && bytes > max && bytes > this.bytesOf(scope)) return false;
    }
    this.live.clear();
    for (const [id, one] of next) this.live.set(id, one);
    return true;
  }

  #charge(
    one: { readonly keyspace: number; readonly key: string; readonly value: string },
    namespace: string,
  ) {
    const bytes = recordBytes(one.key.length, one.value.length);
    if (one.keyspace === 1) return bytes;
    const kind = one.key[0];
    if (kind !== 'c' && kind !== 'r') return 0;
    const rest = one.key.slice(kind === 'c' ? 2 : 34);
    if (namespace !== '' && rest.slice(0, rest.indexOf('\0')) !== namespace) return 0;
    return kind === 'c' ? bytes : bytes + Buffer.from(one.value, 'latin1').readDoubleLE();
  }
}

const plain = fc.record({
  keyspace: fc.constant(1),
  key: fc.constantFrom('a', 'b', 'cc', 'ddd'),
  value: fc.string({ maxLength: 200 }).map((text) => text.replaceAll(/[^a-z]/g, 'x')),
});
const name = fc.tuple(fc.constantFrom('pay', 'web', 'shop'), fc.constantFrom('x', 'yy'));
const config = fc.oneof(
  fc
    .tuple(name, fc.nat(300))
    .map(([[ns, n], length]) => ({ keyspace: 2, key: headOf(ns, n), value: 'h'.repeat(length) })),
  fc.tuple(name, fc.nat(3000)).map(([[ns, n], length]) => ({
    keyspace: 2,
    key: referenceOf(ns, n),
    value: latin(float(length)),
  })),
  fc.tuple(name, fc.nat(300)).map(([[ns, n], length]) => ({
    keyspace: 2,
    key: versionOf(ns, n),
    value: 'v'.repeat(length),
  })),
);
const record = fc.oneof(plain, config);
const write: fc.Arbitrary<Write> = fc.oneof(
  { weight: 4, arbitrary: record.map((one) => ({ type: 'put' as const, ...one })) },
  {
    weight: 1,
    arbitrary: record.map(({ keyspace, key }) => ({ type: 'delete' as const, keyspace, key })),
  },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: write as fc.Arbitrary<Step> },
  {
    weight: 4,
    arbitrary: fc
      .uniqueArray(write, { maxLength: 4, selector: ({ keyspace, key }) => `${keyspace} ${key}` })
      .map((writes): Step => ({ type: 'txn', writes })),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constant('quota' as const),
      scope: fc.constantFrom(...scopes),
      bytesMax: fc.constantFrom(0, 300, 1000, 4000),
    }),
  },
  { weight: 1, arbitrary: fc.constant<Step>({ type: 'compact' }) },
);

const commandOf = (one: Write): Command =>
  one.type === 'put'
    ? put(one.key, one.value, { keyspace: one.keyspace })
    : del(one.key, '', { keyspace: one.keyspace });

function play(store: KvStore, model: Model, one: Step): void {
  switch (one.type) {
    case 'quota': {
      const [keyspace, namespace] = one.scope;
      const { bytesMax } = one;
      applyAll(store, command('setQuota', { keyspace, namespace, bytesMax }));
      model.limits.set(one.scope.join(), bytesMax);
      return;
    }
    case 'compact':
      if (store.revision > store.compactRevision) applyAll(store, compact(store.revision));
      while (store.reclaimPending) store.reclaim(100);
      return;
    case 'txn': {
      const result = applyAll(
        store,
        txn(
          [],
          one.writes.map((each) => op(commandOf(each))),
        ),
      );
      expect(failureCode(result)).toBe(model.write(one.writes) ? undefined : 'quota-exceeded');
      return;
    }
    default: {
      const result = applyAll(store, commandOf(one));
      expect(failureCode(result)).toBe(model.write([one]) ? undefined : 'quota-exceeded');
    }
  }
}

function expectCounted(store: KvStore, model: Model): void {
  for (const scope of scopes) {
    const [keyspace, namespace] = scope;
    const use = store.quotas.find(
      (one) => one.keyspace === keyspace && one.namespace === namespace,
    );
    const wanted = { bytes: model.bytesOf(scope), bytesMax: model.limits.get(scope.join()) ?? 0 };
    expect({ bytes: use?.bytes ?? 0, bytesMax: use?.bytesMax ?? 0 }).toEqual(wanted);
  }
}

const ready = (): KvStore => {
  const store = newStore();
  applyAll(store, ...raiseTo(5));
  return store;
};

describe('quotas', () => {
  it('count and refuse as a model does, and come back from an image', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 50 }), async (steps) => {
        const [store, model] = [ready(), new Model()];
        for (const one of steps) {
          play(store, model, one);
          expectCounted(store, model);
        }
        store.validate();
        const image = await collect(store.image().chunks());
        const other = newStore();
        const last = { index: store.appliedIndex };
        await other.restore(last, chunked(image, 1000));
        other.validate();
        expectCounted(other, model);
        expect(other.describe()).toBe(store.describe());
        expect(await collect(other.image().chunks())).toEqual(image);
      }),
      { numRuns: 150 },
    );
  });

  it('are refused before every member knows them, and what is no scope always', () => {
    const early = newStore();
    const quota = { keyspace: 1, namespace: '', bytesMax: 1000 };
    applyAll(early, ...raiseTo(4));
    expect(failureCode(applyAll(early, command('setQuota', quota)))).toBe('failed-precondition');
    const store = ready();
    for (const wrong of [
      { ...quota, keyspace: 3 },
      { ...quota, namespace: 'kv-has-none' },
      { ...quota, bytesMax: -1 },
      ...['a\0b', 'a\nb', 'a/b', '.', '..', 'x'.repeat(257), 'é'.repeat(129)].map((namespace) => ({
        keyspace: 2,
        namespace,
        bytesMax: 1,
      })),
    ]) {
      expect(failureCode(applyAll(store, command('setQuota', wrong)))).toBe('invalid-argument');
    }
    expect(store.quotas).toEqual([]);
  });

  it('come back from an image under the very name: a byte order mark is part of it', async () => {
    const [store, other] = [ready(), newStore()];
    const namespace = '\ufeffpay';
    applyAll(store, command('setQuota', { keyspace: 2, namespace, bytesMax: 1000 }));
    await other.restore(
      { index: store.appliedIndex },
      chunked(await collect(store.image().chunks()), 100),
    );
    expect(other.quotas).toEqual(store.quotas);
    for (const name of ['pay', namespace]) {
      const large = put(headOf(name, 'x'), 'h'.repeat(2000), { keyspace: 2 });
      const failures = [store, other].map((one) => failureCode(applyAll(one, large)));
      const wanted = name === namespace ? 'quota-exceeded' : undefined;
      expect(failures, JSON.stringify(name)).toEqual([wanted, wanted]);
    }
    expect(other.stateHash).toBe(store.stateHash);
  });

  it('change the hash, and so differ in nothing unseen', () => {
    const [one, other] = [ready(), ready()];
    applyAll(one, command('setQuota', { keyspace: 2, namespace: 'pay', bytesMax: 1000 }));
    applyAll(other, command('setQuota', { keyspace: 2, namespace: 'web', bytesMax: 1000 }));
    expect(one.stateHash).not.toBe(other.stateHash);
  });
});
