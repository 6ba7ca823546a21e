// Goal: an image is the state of one moment, whole or refused, whatever happens while it is written
// or read. Method: images under writes, compaction and reclaiming; every kind of damage; a large
// restore.
import { readFile } from 'node:fs/promises';
import { crc32 } from '@holdfast/base/crc32';
import { isHoldfastError } from '@holdfast/base/errors';
import { index } from '@holdfast/base/ids';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  applyAt,
  chunked,
  collect,
  compact,
  del,
  entry,
  grant,
  newStore,
  newStoreAtTwo,
  put,
  rangeRequest,
  register,
} from './command.fixture.ts';
import { imageHeaderBytes, sectionHeaderBytes, sectionKinds } from './image-format.ts';
import type { KvStore } from './kv-store.ts';

function filled(slabBytes = 2048): KvStore {
  const store = newStoreAtTwo({ slabBytes });
  applyAll(store, grant(1n), grant(2n), register(3n), register(4n));
  const session = { sessionId: 3n, sequence: 1n, pendingSpan: 0 };
  applyAt(store, { session }, put('k1', 'leased', { lease: 2n }));
  for (let n = 0; n < 300; n += 1) applyAll(store, put(`k${n % 60}`, `${n}`.repeat(n % 30)));
  applyAll(store, put('k2', 'leased', { lease: 1n }));
  applyAll(store, del('k1', 'k2'), put('big', 'x'.repeat(5000)), compact(store.revision - 90));
  return store;
}

/** Chunks in one piece of memory: each is gone when the next one is asked for. */
async function* overwritten(bytes: Uint8Array, length: number): AsyncGenerator<Uint8Array> {
  const memory = new Uint8Array(length);
  for await (const chunk of chunked(bytes, length)) {
    memory.set(chunk);
    yield memory.subarray(0, chunk.length);
    memory.fill(0xff);
  }
}

describe('an image', () => {
  it('stays that of its moment while writes, compaction and reclaiming go on', async () => {
    const [quiet, busy] = [filled(), filled()];
    const whole = await collect(quiet.image().chunks());
    let turn = 0;
    const writing = newStore({ slabBytes: 2048, yieldNow: () => Promise.resolve(step()) });
    const step = (): void => {
      turn += 1;
      if (!started) return;
      applyAll(writing, put(`k${turn % 60}`, 'new'), put(`n${turn}`, 'new'), del(`k${turn % 7}`));
      if (turn % 3 === 0) applyAll(writing, compact(writing.revision - 1));
      writing.reclaim(50);
    };
    let started = false;
    await writing.restore({ index: busy.appliedIndex }, chunked(whole, 500));
    started = true;
    const image = writing.image();
    const [appliedIndex, stateHash] = [image.appliedIndex, image.stateHash];
    const bytes = await collect(image.chunks());
    image.release();
    expect(bytes).toEqual(whole);
    expect(turn).toBeGreaterThan(20);
    expect([appliedIndex, stateHash]).toEqual([quiet.appliedIndex, quiet.stateHash]);
    expect(writing.stateHash).not.toBe(stateHash);
    writing.validate();
  });

  it('is read from memory that is used again for each chunk, however it is cut', async () => {
    const store = filled();
    const whole = await collect(store.image().chunks());
    for (const length of [7, 64, 333, 4096, whole.length]) {
      const restored = newStore({ slabBytes: 2048 });
      await restored.restore({ index: store.appliedIndex }, overwritten(whole, length));
      restored.validate();
      expect(await collect(restored.image().chunks())).toEqual(whole);
    }
  });

  it('is empty for an empty store, and restores to one', async () => {
    const image = await collect(newStore().image().chunks());
    const store = newStore();
    await store.restore({ index: index(0) }, chunked(image, 7));
    expect([store.revision, store.keys, store.appliedIndex]).toEqual([1, 0, 0]);
    expect(applyAll(store, put('a', '1')).revision).toBe(2);
  });

  it('restores a state that was compacted to its end', async () => {
    const store = newStore();
    applyAll(store, put('a', '1'), put('b', '1'), del('a'), compact(4));
    const image = await collect(store.image().chunks());
    const restored = newStore();
    await restored.restore({ index: store.appliedIndex }, chunked(image, 64));
    for (const one of [store, restored]) applyAll(one, put('c', '1'), del('b'), compact(6));
    expect(await collect(restored.image().chunks())).toEqual(await collect(store.image().chunks()));
    expect(restored.bytes).toBe(store.bytes);
    restored.validate();
  });

  it('is refused when any byte is changed, cut or added, and the old state stays', async () => {
    const source = filled();
    const image = await collect(source.image().chunks());
    const damage = fc.record({
      kind: fc.constantFrom('flip', 'cut', 'add'),
      at: fc.nat(image.length - 1),
      mask: fc.integer({ min: 1, max: 255 }),
    });
    const store = newStore();
    applyAll(store, put('old', 'state'));
    const before = store.describe();
    await fc.assert(
      fc.asyncProperty(damage, async ({ kind, at, mask }) => {
        let bad = Uint8Array.from(image);
        if (kind === 'flip') bad[at] = (bad[at] as number) ^ mask;
        if (kind === 'cut') bad = bad.subarray(0, at);
        if (kind === 'add') bad = Uint8Array.from([...bad, mask]);
        const error = await store
          .restore({ index: source.appliedIndex }, chunked(bad, 3000))
          .then(() => undefined)
          .catch((thrown: unknown) => thrown);
        const refused =
          isHoldfastError(error, 'corrupt') || isHoldfastError(error, 'version-mismatch');
        expect(refused).toBe(true);
        expect(store.describe()).toBe(before);
      }),
      { numRuns: 200, examples: [[{ kind: 'flip', at: image.length - 1, mask: 1 }]] },
    );
  });

  it('of another index, or one that has been overtaken, is refused', async () => {
    const source = filled();
    const image = await collect(source.image().chunks());
    const store = newStore();
    await expect(store.restore({ index: index(5) }, chunked(image, 999))).rejects.toThrow(
      'index 5',
    );
    const ahead = newStore();
    for (let n = 0; n < 400; n += 1) applyAll(ahead, put('a', `${n}`));
    const late = ahead.restore({ index: source.appliedIndex }, chunked(image, 999));
    await expect(late).rejects.toMatchObject({ code: 'failed-precondition' });
    expect(ahead.revision).toBe(401);
  });

  it('of format 1 is still read, and the next one has the present format', async () => {
    // Written by the first release: two keyspaces, a member, tombstones, a compaction.
    const path = new URL('../testdata/image-v1.bin', import.meta.url);
    const store = newStore({ slabBytes: 2048 });
    await store.restore({ index: index(127) }, chunked(await readFile(path), 1000));
    expect(store.describe()).toBe(
      'applied=127 revision=126 compacted=61 keys=31 bytes=13320 hash=77f0af9e49480d1e',
    );
    expect(store.members().map(({ name }) => name)).toEqual(['n1']);
    store.validate();
    const image = await collect(store.image().chunks());
    const again = newStore();
    await again.restore({ index: index(127) }, chunked(image, 1000));
    expect(again.describe()).toBe(store.describe());
    again.validate();
  });

  it('is refused when it names keys wrongly, though every checksum fits', async () => {
    const source = filled();
    const image = await collect(source.image().chunks());
    const order = sectionAt(image, sectionKinds.order);
    const view = new DataView(image.buffer);
    // The first key and one of the next leaf: within a leaf, order is not looked at.
    const [first, other] = [
      order + sectionHeaderBytes + 8,
      order + sectionHeaderBytes + 8 + 48 * 4,
    ];
    const twice = Uint8Array.from(image);
    new DataView(twice.buffer).setUint32(first, view.getUint32(other, true), true);
    const unordered = Uint8Array.from(twice);
    new DataView(unordered.buffer).setUint32(other, view.getUint32(first, true), true);
    for (const bad of [twice, unordered]) {
      new DataView(bad.buffer).setUint32(bad.length - 8, crc32(bad.subarray(0, -8)), true);
      const store = newStore();
      const restored = store.restore({ index: source.appliedIndex }, chunked(bad, 3000));
      await expect(restored).rejects.toMatchObject({ code: 'corrupt' });
    }
  });

  it('brings 100,000 keys back', async () => {
    const store = newStore();
    const value = 'x'.repeat(64);
    for (let at = 0; at < 100_000; at += 1000) {
      store.apply(
        Array.from({ length: 1000 }, (_, n) => entry(at + n + 1, put(`k/${at + n}`, value))),
      );
    }
    const chunks: Uint8Array[] = [];
    for await (const chunk of store.image().chunks()) chunks.push(chunk);
    expect(Math.max(...chunks.map((chunk) => chunk.length))).toBeLessThan(300 * 1024);
    const restored = newStore();
    await restored.restore({ index: store.appliedIndex }, chunksOf(chunks));
    expect(restored.describe()).toBe(store.describe());
    expect(restored.range(rangeRequest('k/5', 'k/6', { countOnly: true })).count).toBe(11_111);
  });
});

/** Where the first section of that kind begins. */
function sectionAt(image: Uint8Array, kind: number): number {
  const view = new DataView(image.buffer);
  let at = imageHeaderBytes;
  while (view.getUint32(at, true) !== kind) at += sectionHeaderBytes + view.getUint32(at + 8, true);
  return at;
}

async function* chunksOf(chunks: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* chunks;
}
