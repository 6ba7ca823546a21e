// A small, slow and obvious store with etcd's data model: revisions, ranges at a revision,
// transactions, compaction and the history that watches read. It is the memory twin's state and the
// model that the real store is compared with; it never persists and never waits.
import { compareBytes, emptyBytes } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision as toRevision } from '@holdfast/base/ids';
import type {
  Compare,
  DeleteRangeRequest,
  DeleteRangeResponse,
  KeyValue,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  RequestOp,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';
import type { WatchEvent } from './engine.ts';

/** One value in the life of a key; `kv` undefined = it was deleted at that revision. */
type Stage = { readonly revision: number; readonly kv: KeyValue | undefined };

/** What one transaction changed, in the order of its operations. */
export type Change = {
  readonly revision: Revision;
  readonly events: readonly (WatchEvent & { readonly keyspace: number })[];
};

type Interval = { readonly keyspace: number; readonly lo: string; readonly hi: string | undefined };

/** Keys as Latin-1 text: one code unit a byte, so that text order is byte order. */
const keyText = (key: Uint8Array): string => Buffer.from(key).toString('latin1');
const spaceText = (keyspace: number): string => `${String(keyspace).padStart(10, '0')}:`;

function intervalOf(keyspace: number, key: Uint8Array, rangeEnd: Uint8Array): Interval {
  const lo = keyText(key);
  if (rangeEnd.length === 0) return { keyspace, lo, hi: `${lo}\0` };
  if (rangeEnd.length === 1 && rangeEnd[0] === 0) return { keyspace, lo, hi: undefined };
  return { keyspace, lo, hi: keyText(rangeEnd) };
}

/** Whether [key, rangeEnd), in etcd's notation, holds `candidate`. */
export function rangeHolds(
  range: { readonly key: Uint8Array; readonly rangeEnd: Uint8Array },
  candidate: Uint8Array,
): boolean {
  const { key, rangeEnd } = range;
  if (rangeEnd.length === 0) return compareBytes(key, candidate) === 0;
  if (compareBytes(candidate, key) < 0) return false;
  return (rangeEnd.length === 1 && rangeEnd[0] === 0) || compareBytes(candidate, rangeEnd) < 0;
}

export class MemoryStore {
  /** As in etcd, an empty store stands at revision 1. */
  #revision = 1;
  #compactRevision = 0;
  readonly #stages = new Map<string, Stage[]>();
  #sortedKeys: string[] = [];
  #history: Change[] = [];
  #pending: (WatchEvent & { readonly keyspace: number })[] = [];

  get revision(): Revision {
    return toRevision(this.#revision);
  }

  get compactRevision(): Revision {
    return toRevision(this.#compactRevision);
  }

  get keyCount(): number {
    let count = 0;
    for (const stages of this.#stages.values()) if (stages.at(-1)?.kv) count += 1;
    return count;
  }

  range(request: RangeRequest): RangeResponse {
    requireKeyspace(request.keyspace);
    this.#requireReadable(request.revision);
    const at = request.revision === 0 ? this.#revision : request.revision;
    return this.#rangeAt(request, at);
  }

  put(request: PutRequest): PutResponse {
    return this.#write([{ request: { $case: 'put', value: request } }], () => this.#put(request));
  }

  deleteRange(request: DeleteRangeRequest): DeleteRangeResponse {
    return this.#write([{ request: { $case: 'deleteRange', value: request } }], () =>
      this.#deleteRange(request),
    );
  }

  txn(request: TxnRequest): TxnResponse {
    // As in etcd, all compares, nested ones too, see the state before the transaction.
    const operations = [...request.success, ...request.failure];
    const choices = new Map<TxnRequest, boolean>();
    this.#choose(request, choices);
    const path = chosenPath(request, choices);
    return this.#write(path, () => this.#runTxn(request, choices), operations);
  }

  compact(at: number): void {
    if (at <= this.#compactRevision) throw this.#compacted(at);
    if (at > this.#revision) throw this.#future(at);
    this.#compactRevision = at;
    for (const [key, stages] of this.#stages) this.#compactKey(key, stages, at);
    this.#sortedKeys = this.#sortedKeys.filter((key) => this.#stages.has(key));
    this.#history = this.#history.filter((change) => change.revision >= at);
  }

  /** The first change at or after `from`; undefined = none yet. */
  changeFrom(from: number): Change | undefined {
    if (from < this.#compactRevision) throw this.#compacted(from);
    let lo = 0;
    let hi = this.#history.length;
    while (lo < hi) {
      const middle = (lo + hi) >>> 1;
      if ((this.#history[middle] as Change).revision < from) lo = middle + 1;
      else hi = middle;
    }
    return this.#history[lo];
  }

  #rangeAt(request: RangeRequest, at: number): RangeResponse {
    const all = this.#live(intervalOf(request.keyspace, request.key, request.rangeEnd), at);
    const taken = request.limit > 0 ? all.slice(0, request.limit) : all;
    const kvs = request.countOnly
      ? []
      : taken.map((kv) => (request.keysOnly ? { ...kv, value: emptyBytes } : kv));
    return { kvs, more: taken.length < all.length, count: all.length };
  }

  #live(interval: Interval, at: number): KeyValue[] {
    const space = spaceText(interval.keyspace);
    const found: KeyValue[] = [];
    for (let index = this.#lowerBound(space + interval.lo); ; index += 1) {
      const key = this.#sortedKeys[index];
      if (key === undefined || !key.startsWith(space)) return found;
      if (interval.hi !== undefined && key >= space + interval.hi) return found;
      const stage = (this.#stages.get(key) ?? []).findLast((one) => one.revision <= at);
      if (stage?.kv) found.push(stage.kv);
    }
  }

  #lowerBound(key: string): number {
    let lo = 0;
    let hi = this.#sortedKeys.length;
    while (lo < hi) {
      const middle = (lo + hi) >>> 1;
      if ((this.#sortedKeys[middle] as string) < key) lo = middle + 1;
      else hi = middle;
    }
    return lo;
  }

  /** Checks the whole transaction, runs it, and makes its events one change (safety.md 10). */
  #write<T>(path: readonly RequestOp[], run: () => T, all: readonly RequestOp[] = path): T {
    for (const operation of all) checkOperation(operation, (at) => this.#requireReadable(at));
    checkOverlaps(path);
    this.#pending = [];
    const result = run();
    if (this.#pending.length > 0) {
      this.#revision += 1;
      this.#history.push({ revision: this.revision, events: this.#pending });
    }
    return result;
  }

  #put(request: PutRequest): PutResponse {
    const revision = this.#revision + 1;
    const previous = this.#live(intervalOf(request.keyspace, request.key, emptyBytes), revision)[0];
    if ((request.ignoreValue || request.ignoreLease) && !previous) {
      throw new HoldfastError(
        'not-found',
        'the key whose value or lease is to stay does not exist',
      );
    }
    const kv: KeyValue = {
      key: request.key.slice(),
      createRevision: previous?.createRevision ?? revision,
      modRevision: revision,
      version: (previous?.version ?? 0) + 1,
      value: request.ignoreValue && previous ? previous.value : request.value.slice(),
      lease: request.ignoreLease && previous ? previous.lease : request.lease,
    };
    this.#stage(request.keyspace, kv.key, { revision, kv });
    this.#pending.push({ type: 'put', kv, prevKv: previous, keyspace: request.keyspace });
    return { prevKv: request.prevKv ? previous : undefined };
  }

  #deleteRange(request: DeleteRangeRequest): DeleteRangeResponse {
    const revision = this.#revision + 1;
    const { keyspace } = request;
    const gone = this.#live(intervalOf(keyspace, request.key, request.rangeEnd), revision);
    for (const previous of gone) {
      const kv: KeyValue = {
        key: previous.key,
        createRevision: 0,
        modRevision: revision,
        version: 0,
        value: emptyBytes,
        lease: 0n,
      };
      this.#stage(keyspace, kv.key, { revision, kv: undefined });
      this.#pending.push({ type: 'delete', kv, prevKv: previous, keyspace });
    }
    return { deleted: gone.length, prevKvs: request.prevKv ? gone : [] };
  }

  #stage(keyspace: number, key: Uint8Array, stage: Stage): void {
    const text = spaceText(keyspace) + keyText(key);
    const stages = this.#stages.get(text);
    if (stages) {
      stages.push(stage);
      return;
    }
    this.#stages.set(text, [stage]);
    this.#sortedKeys.splice(this.#lowerBound(text), 0, text);
  }

  #choose(request: TxnRequest, choices: Map<TxnRequest, boolean>): void {
    choices.set(
      request,
      request.compare.every((compare) => this.#holds(compare)),
    );
    for (const { request: operation } of [...request.success, ...request.failure]) {
      if (operation?.$case === 'txn') this.#choose(operation.value, choices);
    }
  }

  #runTxn(request: TxnRequest, choices: ReadonlyMap<TxnRequest, boolean>): TxnResponse {
    const succeeded = choices.get(request) ?? false;
    const operations = succeeded ? request.success : request.failure;
    return { succeeded, responses: operations.map((one) => this.#runOperation(one, choices)) };
  }

  #runOperation({ request }: RequestOp, choices: ReadonlyMap<TxnRequest, boolean>): ResponseOp {
    switch (request?.$case) {
      case 'range': {
        // The transaction sees its own writes, which stand at the next revision.
        const at = request.value.revision || this.#revision + 1;
        return { response: { $case: 'range', value: this.#rangeAt(request.value, at) } };
      }
      case 'put':
        return { response: { $case: 'put', value: this.#put(request.value) } };
      case 'deleteRange':
        return { response: { $case: 'deleteRange', value: this.#deleteRange(request.value) } };
      case 'txn':
        return { response: { $case: 'txn', value: this.#runTxn(request.value, choices) } };
      default:
        throw new HoldfastError('invalid-argument', 'a transaction holds an empty operation');
    }
  }

  /** True if every key of the range passes; a range without keys is judged as one absent key. */
  #holds(compare: Compare): boolean {
    requireKeyspace(compare.keyspace);
    const interval = intervalOf(compare.keyspace, compare.key, compare.rangeEnd);
    const kvs = this.#live(interval, this.#revision);
    if (kvs.length > 0) return kvs.every((kv) => compareOne(compare, kv));
    return compare.target?.$case !== 'value' && compareOne(compare, undefined);
  }

  #compactKey(key: string, stages: Stage[], at: number): void {
    const keepFrom = stages.findLastIndex((stage) => stage.revision <= at);
    const kept = stages.slice(Math.max(0, keepFrom));
    if (kept[0] && kept[0].revision <= at && !kept[0].kv) kept.shift();
    if (kept.length === 0) this.#stages.delete(key);
    else this.#stages.set(key, kept);
  }

  #requireReadable(at: number): void {
    if (at > this.#revision) throw this.#future(at);
    if (at > 0 && at < this.#compactRevision) throw this.#compacted(at);
  }

  #compacted(at: number): HoldfastError {
    return new HoldfastError(
      'compacted',
      `revision ${at} is compacted; history begins at ${this.#compactRevision}`,
      { details: { compactRevision: this.#compactRevision } },
    );
  }

  #future(at: number): HoldfastError {
    return new HoldfastError(
      'future-revision',
      `revision ${at} is in the future; the store stands at ${this.#revision}`,
      { details: { revision: this.#revision } },
    );
  }
}

function requireKeyspace(keyspace: number): void {
  if (keyspace === 0) throw new HoldfastError('invalid-argument', 'keyspace 0 is refused');
}

function compareOne(compare: Compare, kv: KeyValue | undefined): boolean {
  const { target } = compare;
  switch (target?.$case) {
    case 'version':
      return ordered(compare, BigInt(kv?.version ?? 0), target.value);
    case 'createRevision':
      return ordered(compare, BigInt(kv?.createRevision ?? 0), target.value);
    case 'modRevision':
      return ordered(compare, BigInt(kv?.modRevision ?? 0), target.value);
    case 'lease':
      return ordered(compare, kv?.lease ?? 0n, target.value);
    case 'value':
      return ordered(compare, BigInt(compareBytes(kv?.value ?? emptyBytes, target.value)), 0n);
    default:
      throw new HoldfastError('invalid-argument', 'a compare names no target');
  }
}

/** EQUAL 0, GREATER 1, LESS 2, NOT_EQUAL 3 (internal.proto). */
function ordered(compare: Compare, left: bigint, right: bigint): boolean {
  switch (compare.result) {
    case 0:
      return left === right;
    case 1:
      return left > right;
    case 2:
      return left < right;
    case 3:
      return left !== right;
    default:
      throw new HoldfastError('invalid-argument', 'a compare names no known result');
  }
}

function checkOperation({ request }: RequestOp, requireReadable: (at: number) => void): void {
  switch (request?.$case) {
    case 'txn':
      for (const one of [...request.value.success, ...request.value.failure]) {
        checkOperation(one, requireReadable);
      }
      return;
    case 'range':
      requireKeyspace(request.value.keyspace);
      requireReadable(request.value.revision);
      return;
    case 'put':
    case 'deleteRange':
      requireKeyspace(request.value.keyspace);
      return;
    default:
      throw new HoldfastError('invalid-argument', 'a transaction holds an empty operation');
  }
}

/** The writes that the compares have chosen, nested ones unfolded. */
function chosenPath(request: TxnRequest, choices: ReadonlyMap<TxnRequest, boolean>): RequestOp[] {
  const operations = choices.get(request) ? request.success : request.failure;
  return operations.flatMap((one) =>
    one.request?.$case === 'txn' ? chosenPath(one.request.value, choices) : [one],
  );
}

/** No key is put twice, or put and deleted, in one transaction. */
function checkOverlaps(path: readonly RequestOp[]): void {
  const puts = path.flatMap(({ request }) => (request?.$case === 'put' ? [request.value] : []));
  const deletes = path.flatMap(({ request }) =>
    request?.$case === 'deleteRange' ? [request.value] : [],
  );
  const seen = new Set<string>();
  for (const put of puts) {
    const text = spaceText(put.keyspace) + keyText(put.key);
    const deleted = deletes.some(
      (one) => one.keyspace === put.keyspace && rangeHolds(one, put.key),
    );
    if (seen.has(text) || deleted) {
      throw new HoldfastError('invalid-argument', 'a key is written twice in one transaction');
    }
    seen.add(text);
  }
}
