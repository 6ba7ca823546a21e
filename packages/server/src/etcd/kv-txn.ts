// Transactions between etcd's shapes and the engine's, both ways.
import type {
  Compare,
  DeleteRangeRequest,
  PutRequest,
  RequestOp,
  ResponseHeader,
  ResponseOp,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/etcd';
import { Compare_CompareTarget } from '@holdfast/proto/etcd';
import type {
  Compare as EngineCompare,
  DeleteRangeRequest as EngineDelete,
  RequestOp as EngineOp,
  PutRequest as EnginePut,
  TxnRequest as EngineTxn,
  TxnResponse as EngineTxnResponse,
} from '@holdfast/proto/internal';

import { kvKeyspace } from '../http/kv-view.ts';
import { etcdStatus } from './etcd-status.ts';
import { engineRange, etcdRange } from './kv-range.ts';

/** etcd's own default (--max-txn-ops), of the longest list of each level on any way down. */
const txnOpsMax = 128;

/** Throws a GrpcStatus where etcd refuses it. */
export function enginePut(request: PutRequest): EnginePut {
  const { key, value, lease, prevKv, ignoreValue, ignoreLease } = request;
  if (key.length === 0) throw etcdStatus('emptyKey');
  if (ignoreValue && value.length > 0) throw etcdStatus('valueProvided');
  if (ignoreLease && lease !== 0n) throw etcdStatus('leaseProvided');
  return { keyspace: kvKeyspace, key, value, lease, prevKv, ignoreValue, ignoreLease };
}

/** Throws a GrpcStatus where etcd refuses it. */
export function engineDelete({ key, rangeEnd, prevKv }: DeleteRangeRequest): EngineDelete {
  if (key.length === 0) throw etcdStatus('emptyKey');
  return { keyspace: kvKeyspace, key, rangeEnd, prevKv };
}

/** Throws a GrpcStatus where etcd refuses it. */
export function engineTxn(request: TxnRequest, opsMax = txnOpsMax): EngineTxn {
  const { compare, success, failure } = request;
  const ops = Math.max(compare.length, success.length, failure.length);
  if (ops > opsMax) throw etcdStatus('tooManyOps');
  const operation = (one: RequestOp): EngineOp => engineOp(one, opsMax - ops);
  return {
    compare: compare.map(engineCompare),
    success: success.map(operation),
    failure: failure.map(operation),
  };
}

/** A value of a usual size, or a page of them: what is made of more is known when it is there. */
const keyBytes = 4 * 1024;
const rangeBytes = 64 * 1024;

/**
 * What the ranges in it may answer, as far as it can be said before: a transaction is answered by
 * the log, where nobody waits for a reader.
 */
export function expectedBytes({ success, failure }: TxnRequest): number {
  return Math.max(expectedOf(success), expectedOf(failure));
}

function expectedOf(ops: readonly RequestOp[]): number {
  let bytes = 0;
  for (const { request } of ops) {
    if (request?.$case === 'requestTxn') bytes += expectedBytes(request.value);
    if (request?.$case !== 'requestRange') continue;
    bytes += request.value.rangeEnd.length === 0 ? keyBytes : rangeBytes;
  }
  return bytes;
}

/** `opsMax`: what a transaction within it may have. */
function engineOp({ request }: RequestOp, opsMax: number): EngineOp {
  switch (request?.$case) {
    case 'requestRange':
      return { request: { $case: 'range', value: engineRange(request.value) } };
    case 'requestPut':
      return { request: { $case: 'put', value: enginePut(request.value) } };
    case 'requestDeleteRange':
      return { request: { $case: 'deleteRange', value: engineDelete(request.value) } };
    case 'requestTxn':
      return { request: { $case: 'txn', value: engineTxn(request.value, opsMax) } };
    default:
      throw etcdStatus('keyNotFound'); // What etcd says of an operation that is none.
  }
}

function engineCompare(compare: Compare): EngineCompare {
  const { key, rangeEnd, result } = compare;
  if (key.length === 0) throw etcdStatus('emptyKey');
  return { keyspace: kvKeyspace, key, rangeEnd, result, target: targetOf(compare) };
}

type Target = NonNullable<EngineCompare['target']>;

/** By each target that may be named: nothing, to be compared with. */
const nothingBy: Readonly<Record<number, Target>> = {
  [Compare_CompareTarget.CREATE]: { $case: 'createRevision', value: 0n },
  [Compare_CompareTarget.MOD]: { $case: 'modRevision', value: 0n },
  [Compare_CompareTarget.VALUE]: { $case: 'value', value: new Uint8Array(0) },
  [Compare_CompareTarget.LEASE]: { $case: 'lease', value: 0n },
};
/** Where none of those is named, as in etcd. */
const noVersion: Target = { $case: 'version', value: 0n };

/** The named target counts; where another one or none was given, it is compared with nothing. */
function targetOf({ target, targetUnion }: Compare): Target {
  const nothing = nothingBy[target] ?? noVersion;
  return targetUnion?.$case === nothing.$case ? targetUnion : nothing;
}

/** The answer to the transaction that was asked for. */
export function etcdTxn(
  request: TxnRequest,
  answer: EngineTxnResponse,
  header: ResponseHeader,
): TxnResponse {
  const lastRevision = header.revision;
  // Of one that changes nothing it is none of its own.
  const revision = lastRevision - (changesAny(answer) ? 1 : 0);
  return { header, ...partsOf(request, answer, { revision, lastRevision }) };
}

/** Of the state that an operation finds: it is the last one as soon as something was changed. */
type Place = { revision: number; readonly lastRevision: number };

function partsOf(
  request: TxnRequest,
  { succeeded, responses }: EngineTxnResponse,
  place: Place,
): Omit<TxnResponse, 'header'> {
  const operations = succeeded ? request.success : request.failure;
  return {
    succeeded,
    responses: responses.map((one, at) =>
      etcdResponse(operations[at] as RequestOp, one.response, place),
    ),
  };
}

const changesAny = ({ responses }: EngineTxnResponse): boolean =>
  responses.some(({ response }) => isChange(response));

type EngineAnswer = EngineTxnResponse['responses'][number]['response'];

function isChange(answer: EngineAnswer): boolean {
  if (answer?.$case === 'txn') return changesAny(answer.value);
  return answer?.$case === 'put' || (answer?.$case === 'deleteRange' && answer.value.deleted > 0);
}

/** As etcd leaves that of a transaction within another one; of other parts it says the revision. */
const noHeader: ResponseHeader = { clusterId: 0n, memberId: 0n, revision: 0, raftTerm: 0 };

function etcdResponse({ request }: RequestOp, answer: EngineAnswer, place: Place): ResponseOp {
  if (answer?.$case === 'txn' && request?.$case === 'requestTxn') {
    const value = { header: noHeader, ...partsOf(request.value, answer.value, place) };
    return { response: { $case: 'responseTxn', value } };
  }
  if (isChange(answer)) place.revision = place.lastRevision;
  const header = { ...noHeader, revision: place.revision };
  if (answer?.$case === 'range' && request?.$case === 'requestRange') {
    const value = etcdRange(request.value, answer.value, header);
    return { response: { $case: 'responseRange', value } };
  }
  if (answer?.$case === 'put') {
    return { response: { $case: 'responsePut', value: { header, prevKv: answer.value.prevKv } } };
  }
  if (answer?.$case === 'deleteRange') {
    const { deleted, prevKvs } = answer.value;
    return { response: { $case: 'responseDeleteRange', value: { header, deleted, prevKvs } } };
  }
  return { response: undefined };
}
