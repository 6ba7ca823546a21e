// etcd's KV service on the engine. etcd clients have the first keyspace for themselves:
// configurations are out of their reach.
import type { Consistency, Engine, ReadOptions } from '@holdfast/engine/engine';
import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/etcd';

import { txnShape } from '../field-count.ts';
import {
  decoded,
  type GrpcCall,
  shaped,
  type UnaryAnswer,
  type UnaryMethod,
  unaryMethod,
} from '../grpc/method.ts';
import type { EtcdServiceOptions } from './etcd-service-options.ts';
import { etcdStatus, etcdStatusOf } from './etcd-status.ts';
import { revisionOf } from './kv-range.ts';
import { engineDelete, enginePut, engineTxn, etcdTxn, expectedBytes } from './kv-txn.ts';
import { answerRange } from './long-range.ts';
import { headerOf } from './response-header.ts';

/** Refused by its bytes where it has more operations than anybody could want. */
const boundTxn = shaped(TxnRequest, { shape: txnShape, tooMany: () => etcdStatus('tooManyOps') });

/** The methods by their paths. */
export function kvService(
  options: Pick<EtcdServiceOptions, 'engine' | 'requestBytesMax'>,
): ReadonlyMap<string, UnaryMethod> {
  const { engine, requestBytesMax } = options;
  const of = (name: string) => ({ name: `KV/${name}`, statusOf: etcdStatusOf });
  const many = (name: string) => ({ ...of(name), answersMany: true });
  const methods: readonly UnaryMethod[] = [
    {
      ...many('Range'),
      kind: 'unary',
      handle: async (message, call) => await range(engine, decoded(RangeRequest, message), call),
    },
    unaryMethod(of('Put'), [PutRequest, PutResponse], (request, call) =>
      put(engine(), request, call),
    ),
    unaryMethod(many('DeleteRange'), [DeleteRangeRequest, DeleteRangeResponse], (request, call) =>
      deleteRange(engine(), request, call),
    ),
    unaryMethod(many('Txn'), [boundTxn, TxnResponse], (request, call) =>
      txn(engine(), request, call),
    ),
    unaryMethod(of('Compact'), [CompactionRequest, CompactionResponse], (request, call) =>
      compact(engine(), request, call),
    ),
  ];
  return new Map(
    methods.map((method) => [`/etcdserverpb.${method.name}`, notTooLarge(method, requestBytesMax)]),
  );
}

function notTooLarge(method: UnaryMethod, requestBytesMax: number): UnaryMethod {
  const handle: UnaryMethod['handle'] = async (message, call) => {
    if (message.length > requestBytesMax) throw etcdStatus('tooLarge');
    return await method.handle(message, call);
  };
  return { ...method, handle };
}

async function range(
  engine: EtcdServiceOptions['engine'],
  request: RangeRequest,
  call: GrpcCall,
): Promise<UnaryAnswer> {
  const options = readOptions(request, call);
  return await answerRange({ engine: engine(), request, options }, call.room);
}

async function put(engine: Engine, request: PutRequest, call: GrpcCall): Promise<PutResponse> {
  const { header, body } = await engine.put(enginePut(request), call);
  return { header: headerOf(header), prevKv: body.prevKv };
}

async function deleteRange(
  engine: Engine,
  request: DeleteRangeRequest,
  call: GrpcCall,
): Promise<DeleteRangeResponse> {
  const { header, body } = await engine.deleteRange(engineDelete(request), call);
  return { header: headerOf(header), deleted: body.deleted, prevKvs: body.prevKvs };
}

async function txn(engine: Engine, request: TxnRequest, call: GrpcCall): Promise<TxnResponse> {
  const expected = expectedBytes(request);
  if (call.room && expected > 0) {
    if (call.room.isFull) await call.room.wait(call.signal);
    call.room.expect(expected);
  }
  const { header, body } = await engine.txn(engineTxn(request), call);
  return etcdTxn(request, body, headerOf(header));
}

async function compact(
  engine: Engine,
  request: CompactionRequest,
  call: GrpcCall,
): Promise<CompactionResponse> {
  const { header } = await engine.compact({ revision: revisionOf(request.revision) }, call);
  return { header: headerOf(header) };
}

function readOptions({ serializable }: RangeRequest, call: GrpcCall): ReadOptions {
  const consistency: Consistency = { level: serializable ? 'stale' : 'linearizable' };
  const { actor, subject, signal, room } = call;
  return { actor, subject, signal, room, consistency };
}
