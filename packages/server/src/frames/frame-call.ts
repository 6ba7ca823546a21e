// One request of a client on its way through the engine, and its answer. The door's judge: what is
// not asked for in a way that can be answered is refused before the engine hears of it.
import { HoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import { jsonSafe } from '@holdfast/base/json';
import type { Subject } from '@holdfast/domain/subject';
import { AppliedBefore } from '@holdfast/engine/applied-before';
import type {
  Consistency,
  Engine,
  ReadOptions,
  ResponseHeader,
  WriteOptions,
} from '@holdfast/engine/engine';
import { ReadLevel, type Request, type Response } from '@holdfast/proto/client';
import type {
  DeleteRangeRequest,
  PutRequest,
  RangeRequest,
  TxnRequest,
} from '@holdfast/proto/internal';

import { kvKeyspace } from '../http/kv-view.ts';

/** Keys of one range that an answer has at most; `more` says that there are others. */
export const rangeKeysMax = 1000;

export type FrameCall = {
  readonly request: Request;
  readonly actor: string;
  readonly subject: Subject | undefined;
  readonly signal: AbortSignal;
  /** Of a value. */
  readonly valueBytesMax: number;
};

/**
 * Of the four that all members and clients know; more-calls.ts has the others. Rejects with what
 * the engine refuses it with, and `invalid-argument`, `too-large`.
 */
export function carryOut(engine: Engine, call: FrameCall): Promise<Response> {
  const { id, request } = call.request;
  switch (request?.$case) {
    case 'put':
      return put(engine, call, request.value);
    case 'range':
      return range(engine, call, request.value);
    case 'deleteRange':
      return deleteRange(engine, call, request.value);
    case 'txn':
      return txn(engine, call, request.value);
    default:
      return Promise.reject(invalid(`request ${id} is one that this version does not know`));
  }
}

// One for each kind: what an async function costs in memory grows with all that is in it.

async function put(engine: Engine, call: FrameCall, request: PutRequest): Promise<Response> {
  requireSmall(request, call);
  const { header, body } = await engine.put(placeInOwn(request), writeOptions(call));
  return responseOf(call.request.id, header, { $case: 'put', value: body });
}

async function range(engine: Engine, call: FrameCall, request: RangeRequest): Promise<Response> {
  const { header, body } = await engine.range(bound(request), readOptions(call));
  return responseOf(call.request.id, header, { $case: 'range', value: body });
}

async function deleteRange(
  engine: Engine,
  call: FrameCall,
  request: DeleteRangeRequest,
): Promise<Response> {
  const { header, body } = await engine.deleteRange(placeInOwn(request), writeOptions(call));
  return responseOf(call.request.id, header, { $case: 'deleteRange', value: body });
}

async function txn(engine: Engine, call: FrameCall, request: TxnRequest): Promise<Response> {
  const { header, body } = await engine.txn(ownTxn(request, call), writeOptions(call));
  return responseOf(call.request.id, header, { $case: 'txn', value: body });
}

/** What a client is told of a failure; of a repeated write of a session, that it was done. */
export function failureOf(id: number, error: HoldfastError): Response {
  const none = { id, revision: 0, term: 0, ageMsPlusOne: 0 };
  if (error instanceof AppliedBefore) {
    const { revision: at, succeeded } = error;
    const value = { revision: at, succeeded };
    return { ...none, revision: at, response: { $case: 'appliedBefore', value } };
  }
  return { ...none, response: { $case: 'failure', value: failure(error) } };
}

export function failure({ code, message, outcome, details }: HoldfastError) {
  const hasDetails = Object.keys(details).length > 0;
  return { code, message, outcome, details: hasDetails ? JSON.stringify(details, jsonSafe) : '' };
}

/** Field by field: spreads of objects cost as much as all the rest of an answer. */
export const responseOf = (
  id: number,
  header: ResponseHeader,
  response: Response['response'],
): Response => ({
  id,
  revision: header.revision,
  term: header.term,
  ageMsPlusOne: agePlusOne(header),
  response,
});

const agePlusOne = ({ ageMs }: ResponseHeader): number =>
  ageMs === undefined ? 0 : Math.ceil(ageMs) + 1;

export function writeOptions({ request, actor, subject, signal }: FrameCall): WriteOptions {
  const { session } = request;
  if (!session) return { actor, subject, signal };
  if (session.id === 0n || session.sequence === 0n) {
    throw invalid('a write of a session has its id and a sequence, both above zero');
  }
  return { actor, subject, signal, session };
}

export function readOptions({ request, actor, subject, signal }: FrameCall): ReadOptions {
  const consistency = consistencyOf(request);
  const options = { actor, subject, signal, consistency };
  return request.minRevision === 0
    ? options
    : { ...options, minRevision: revision(request.minRevision) };
}

function consistencyOf({ level, maxAgeMs }: Request): Consistency {
  switch (level) {
    case ReadLevel.LINEARIZABLE:
      return { level: 'linearizable' };
    case ReadLevel.STALE:
      return { level: 'stale' };
    case ReadLevel.BOUNDED:
      return { level: 'bounded', maxAgeMs };
    default:
      throw invalid('a level of reading that this version does not know');
  }
}

/** Clients have the first keyspace, and need not name it; configurations are not theirs. */
export function ownKeyspace({ keyspace }: { readonly keyspace: number }): number {
  if (keyspace === 0 || keyspace === kvKeyspace) return kvKeyspace;
  throw invalid(`keyspace ${keyspace} is not for clients: theirs is ${kvKeyspace}`);
}

/** What was decoded for this call alone, with the keyspace that it means written into it. */
function placeInOwn<T extends { keyspace: number }>(request: T): T {
  request.keyspace = ownKeyspace(request);
  return request;
}

function bound(range: RangeRequest): RangeRequest {
  const { countOnly, limit } = range;
  const isBound = countOnly || (limit > 0 && limit <= rangeKeysMax);
  if (!isBound) range.limit = rangeKeysMax;
  return placeInOwn(range);
}

function requireSmall({ value }: PutRequest, { valueBytesMax }: FrameCall): void {
  if (value.length <= valueBytesMax) return;
  const text = `a value of ${value.length} bytes: at most ${valueBytesMax} are taken here`;
  throw new HoldfastError('too-large', text, { details: { limitBytes: valueBytesMax } });
}

function ownTxn(txn: TxnRequest, call: FrameCall): TxnRequest {
  const operations = (list: TxnRequest['success']): TxnRequest['success'] =>
    list.map(({ request }) => ({ request: request && ownOperation(request, call) }));
  return {
    compare: txn.compare.map(placeInOwn),
    success: operations(txn.success),
    failure: operations(txn.failure),
  };
}

type Operation = NonNullable<TxnRequest['success'][number]['request']>;

function ownOperation(operation: Operation, call: FrameCall): Operation {
  switch (operation.$case) {
    case 'range':
      return { $case: 'range', value: bound(operation.value) };
    case 'txn':
      return { $case: 'txn', value: ownTxn(operation.value, call) };
    case 'put':
      requireSmall(operation.value, call);
      return { $case: 'put', value: placeInOwn(operation.value) };
    default:
      return { $case: 'deleteRange', value: placeInOwn(operation.value) };
  }
}

export const invalid = (message: string): HoldfastError =>
  new HoldfastError('invalid-argument', message);
