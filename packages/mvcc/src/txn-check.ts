// What a request must be like before the store looks at its keys: shapes, sizes and limits, and
// that no transaction writes a key twice. Pure; throws HoldfastErrors, which apply turns into
// results.
import { HoldfastError } from '@holdfast/base/errors';
import {
  type Compare,
  CompareResult,
  type DeleteRangeRequest,
  type PutRequest,
  type RangeRequest,
  type RequestOp,
  type TxnRequest,
} from '@holdfast/proto/internal';
import { isEmptyRange, type KeyRange, keyRange, keyText, rangeHas } from './key-range.ts';
import type { StoreLimits } from './store-limits.ts';
import { levelWithin, outermostLevel, type TxnLevel } from './txn-size.ts';

const invalid = (message: string): HoldfastError => new HoldfastError('invalid-argument', message);

type Keyed = { readonly keyspace: number; readonly key: Uint8Array };

function checkKey(request: Keyed, limits: StoreLimits): void {
  if (request.keyspace === 0) throw invalid('keyspace 0 is no keyspace');
  if (request.key.length === 0) throw invalid('the key is empty');
  if (request.key.length > limits.keyBytesMax) {
    throw new HoldfastError('too-large', `a key has at most ${limits.keyBytesMax} bytes`);
  }
}

export function checkRange(
  request: RangeRequest | DeleteRangeRequest | Compare,
  limits: StoreLimits,
): void {
  checkKey(request, limits);
  if (request.rangeEnd.length > limits.keyBytesMax) {
    throw new HoldfastError('too-large', `a range end has at most ${limits.keyBytesMax} bytes`);
  }
}

export function checkPut(request: PutRequest, limits: StoreLimits): void {
  checkKey(request, limits);
  if (request.value.length > limits.valueBytesMax) {
    throw new HoldfastError('too-large', `a value has at most ${limits.valueBytesMax} bytes`);
  }
  if (request.ignoreValue && request.value.length > 0) {
    throw invalid('a put that keeps the value brings none');
  }
  if (request.ignoreLease && request.lease !== 0n) {
    throw invalid('a put that keeps the lease names none');
  }
}

/** Checks both branches, whichever will be taken: that much does not depend on the state. */
export function checkTxn(txn: TxnRequest, limits: StoreLimits): void {
  checkLevel(txn, limits, outermostLevel(limits));
  writesOf(txn);
}

function checkLevel(txn: TxnRequest, limits: StoreLimits, level: TxnLevel): void {
  const inner = levelWithin(txn, level, limits);
  for (const compare of txn.compare) checkCompare(compare, limits);
  for (const op of txn.success) checkOp(op, limits, inner);
  for (const op of txn.failure) checkOp(op, limits, inner);
}

function checkCompare(compare: Compare, limits: StoreLimits): void {
  checkRange(compare, limits);
  if (!compare.target) throw invalid('a comparison names no target');
  if (compare.result < CompareResult.EQUAL || compare.result > CompareResult.NOT_EQUAL) {
    throw invalid(`comparison ${compare.result} is unknown`);
  }
}

function checkOp(op: RequestOp, limits: StoreLimits, inner: TxnLevel): void {
  const request = op.request;
  if (!request) throw invalid('an operation of the transaction is empty');
  if (request.$case === 'txn') checkLevel(request.value, limits, inner);
  else if (request.$case === 'put') checkPut(request.value, limits);
  else checkRange(request.value, limits);
}

/** What operations write, by "keyspace/key" for puts and by range for deletions. */
type Writes = {
  readonly puts: Map<number, Set<string>>;
  readonly deletes: { readonly keyspace: number; readonly range: KeyRange }[];
};

/**
 * The writes of a transaction: either branch may be taken, so the branches may share keys. Each key
 * is written once a revision; etcd lets two nested transactions put and delete the same key, we do
 * not.
 */
function writesOf(txn: TxnRequest): Writes {
  const either: Writes = { puts: new Map(), deletes: [] };
  for (const branch of [txn.success, txn.failure]) {
    const all: Writes = { puts: new Map(), deletes: [] };
    for (const op of branch) {
      const writes = opWrites(op);
      refuseOverlap(all, writes);
      merge(all, writes);
    }
    merge(either, all);
  }
  return either;
}

function opWrites(op: RequestOp): Writes {
  const writes: Writes = { puts: new Map(), deletes: [] };
  if (op.request?.$case === 'txn') return writesOf(op.request.value);
  if (op.request?.$case === 'put') {
    const { keyspace, key } = op.request.value;
    writes.puts.set(keyspace, new Set([keyText(key)]));
  }
  if (op.request?.$case === 'deleteRange') {
    const { keyspace, key, rangeEnd } = op.request.value;
    const range = keyRange(key, rangeEnd);
    if (!isEmptyRange(range)) writes.deletes.push({ keyspace, range });
  }
  return writes;
}

function refuseOverlap(a: Writes, b: Writes): void {
  for (const [keyspace, keys] of b.puts) {
    const others = a.puts.get(keyspace);
    for (const key of keys) if (others?.has(key)) throw duplicateKey();
  }
  if (anyDeleted(a, b) || anyDeleted(b, a)) throw duplicateKey();
}

function anyDeleted(putting: Writes, deleting: Writes): boolean {
  return deleting.deletes.some(({ keyspace, range }) => {
    for (const key of putting.puts.get(keyspace) ?? []) if (rangeHas(range, key)) return true;
    return false;
  });
}

function merge(into: Writes, from: Writes): void {
  for (const [keyspace, keys] of from.puts) {
    const own = into.puts.get(keyspace) ?? new Set();
    for (const key of keys) own.add(key);
    into.puts.set(keyspace, own);
  }
  into.deletes.push(...from.deletes);
}

const duplicateKey = (): HoldfastError =>
  invalid('a transaction writes the same key twice, which one revision cannot hold');
