// A page of keys for one answer: in steps, so that others run between them, of one revision, and
// ended where it gets long.
import { emptyBytes } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import { keyAfter } from '@holdfast/base/key';
import type { Answer, Engine, ReadOptions } from '@holdfast/engine/engine';
import type { ListRequest } from '@holdfast/proto/client';
import type { KeyValue, RangeRequest, RangeResponse } from '@holdfast/proto/internal';

import { invalid, ownKeyspace, rangeKeysMax } from './frame-call.ts';

/** A page ends behind the key with which it has so many bytes of keys and values. */
const pageBytesMax = 4 * 1024 * 1024;
/** Keys of a step at most. */
const stepKeys = 64;

/** Rejects with what the engine refuses it with. */
export async function readPage(
  engine: Engine,
  { range }: ListRequest,
  options: ReadOptions,
): Promise<Answer<RangeResponse>> {
  if (!range || range.countOnly) throw invalid('a list names a range of keys, and is not counted');
  if (range.revision < 0 || range.limit < 0) throw invalid('a revision or a limit is below zero');
  const limit = Math.min(range.limit || rangeKeysMax, rangeKeysMax);
  const step: RangeRequest = { ...range, keyspace: ownKeyspace(range), limit: 0 };
  // At an older revision every key would have to be asked.
  const uncounted = range.revision !== 0;
  const page = new Page(limit);
  step.limit = page.nextLimit;
  const first = await engine.range(step, { ...options, uncounted });
  let more = page.take(first.body);
  step.revision = range.revision || first.header.revision;
  const { actor, subject, signal } = options;
  const pinned = { actor, subject, consistency: { level: 'stale' }, uncounted: true } as const;
  const again = { ...pinned, minRevision: revision(step.revision), ...(signal && { signal }) };
  while (more && !page.isFull) {
    const next = page.next;
    if (!next) break;
    step.key = next;
    step.limit = page.nextLimit;
    more = page.take((await engine.range(step, again)).body);
  }
  return { header: first.header, body: { kvs: page.kvs, more, count: first.body.count } };
}

class Page {
  readonly kvs: KeyValue[] = [];
  readonly #limit: number;
  #bytes = 0;

  constructor(limit: number) {
    this.#limit = limit;
  }

  get isFull(): boolean {
    return this.kvs.length >= this.#limit || this.#bytes >= pageBytesMax;
  }

  get nextLimit(): number {
    return Math.min(stepKeys, this.#limit - this.kvs.length);
  }

  /** Where what it does not have begins: behind its last key. */
  get next(): Uint8Array | undefined {
    return keyAfter(this.kvs.at(-1)?.key ?? emptyBytes);
  }

  /** Whether there are keys behind those that it took. */
  take({ kvs, more }: RangeResponse): boolean {
    for (const kv of kvs) {
      if (this.isFull) return true;
      this.kvs.push(kv);
      this.#bytes += kv.key.length + kv.value.length;
    }
    return more;
  }
}
