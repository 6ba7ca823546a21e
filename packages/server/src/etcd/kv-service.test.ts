// Goal: etcd's KV service answers as etcd does: every option of a range, transactions and what is
// wrong in etcd's own words. Method: the service over an engine in memory, without a socket.
import { ManualClock } from '@holdfast/base/manual-clock';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { encode } from '@holdfast/proto/encode';
import {
  CompactionRequest,
  CompactionResponse,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  RangeResponse,
  type RequestOp,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/etcd';
import { beforeEach, describe, expect, it } from 'vitest';

import { type Codec, type GrpcCall, unframed } from '../grpc/method.ts';
import { GrpcStatus } from '../grpc/status.ts';
import { kvService } from './kv-service.ts';

const call: GrpcCall = {
  actor: 'tester',
  signal: new AbortController().signal,
  header: () => undefined,
};

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (of: Uint8Array): string => new TextDecoder().decode(of);

let methods: ReturnType<typeof kvService>;

beforeEach(() => {
  const engine = new MemoryEngine({ clock: new ManualClock() });
  methods = kvService({ engine: () => engine, requestBytesMax: 2000 });
});

async function ask<Request, Response>(
  name: string,
  [request, response]: readonly [Codec<Request>, Codec<Response>],
  more: Partial<Request>,
): Promise<Response> {
  const method = methods.get(`/etcdserverpb.KV/${name}`);
  if (!method) throw new Error(`no method ${name}`);
  const value = { ...request.decode(new Uint8Array(0)), ...more };
  try {
    return response.decode(unframed(await method.handle(encode(request, value), call)));
  } catch (error) {
    const { code, message } = error instanceof GrpcStatus ? error : method.statusOf(error);
    throw new Error(`${code} ${message}`);
  }
}

const range = (more: Partial<RangeRequest>) => ask('Range', [RangeRequest, RangeResponse], more);
const put = (key: string, value: string, more: Partial<PutRequest> = {}) =>
  ask('Put', [PutRequest, PutResponse], { key: bytes(key), value: bytes(value), ...more });
const remove = (more: Partial<DeleteRangeRequest>) =>
  ask('DeleteRange', [DeleteRangeRequest, DeleteRangeResponse], more);
const txn = (more: Partial<TxnRequest>) => ask('Txn', [TxnRequest, TxnResponse], more);
const compact = (revision: bigint) =>
  ask('Compact', [CompactionRequest, CompactionResponse], { revision });

const keysOf = ({ kvs }: RangeResponse): string[] => kvs.map(({ key }) => text(key));
const all = { key: bytes('a'), rangeEnd: bytes('z') };

/** b, then a, then c, then a again: four revisions from 2 on. */
async function fill(): Promise<void> {
  await put('b', '3');
  await put('a', '1');
  await put('c', '2');
  await put('a', '9');
}

const opOf = <Case extends NonNullable<RequestOp['request']>['$case']>(
  $case: Case,
  codec: Codec<Extract<NonNullable<RequestOp['request']>, { $case: Case }>['value']>,
  more: object,
): RequestOp =>
  ({
    request: { $case, value: { ...codec.decode(new Uint8Array(0)), ...more } },
  }) as RequestOp;

describe('Range', () => {
  beforeEach(fill);

  it('answers keys in their order, with their revisions and a header', async () => {
    const answer = await range(all);
    expect(answer.kvs.map((kv) => [text(kv.key), text(kv.value), kv.modRevision])).toEqual([
      ['a', '9', 5],
      ['b', '3', 2],
      ['c', '2', 4],
    ]);
    expect(answer).toMatchObject({ count: 3, more: false, header: { revision: 5 } });
    expect(answer.header?.memberId).not.toBe(0n);
  });

  it('sorts by every target, both ways, before the limit', async () => {
    const { ASCEND, DESCEND, NONE } = RangeRequest_SortOrder;
    const sorted: Record<string, string> = {};
    for (const [name, sortTarget] of Object.entries(RangeRequest_SortTarget)) {
      for (const sortOrder of [ASCEND, DESCEND]) {
        const answer = await range({ ...all, sortTarget, sortOrder, limit: 2n });
        expect(answer).toMatchObject({ more: true, count: 3 });
        sorted[`${name} ${sortOrder === ASCEND ? 'up' : 'down'}`] = keysOf(answer).join('');
      }
    }
    expect(sorted).toEqual({
      ...{ 'KEY up': 'ab', 'KEY down': 'cb', 'VERSION up': 'bc', 'VERSION down': 'ab' },
      ...{ 'CREATE up': 'ba', 'CREATE down': 'ca', 'MOD up': 'bc', 'MOD down': 'ac' },
      ...{ 'VALUE up': 'cb', 'VALUE down': 'ab' },
    });
    const byValue = await range({
      ...all,
      sortTarget: RangeRequest_SortTarget.VALUE,
      sortOrder: NONE,
    });
    expect(keysOf(byValue)).toEqual(['c', 'b', 'a']);
  });

  it('filters by revisions, and still counts all', async () => {
    const ranges = await Promise.all([
      range({ ...all, minModRevision: 4n }),
      range({ ...all, maxModRevision: 4n }),
      range({ ...all, minCreateRevision: 3n, maxCreateRevision: 3n }),
      range({ ...all, minModRevision: 2n ** 62n }),
    ]);
    expect(ranges.map(keysOf)).toEqual([['a', 'c'], ['b', 'c'], ['a'], []]);
    expect(ranges.map(({ count }) => count)).toEqual([3, 3, 3, 3]);
  });

  it('leaves values or keys out, and looks back', async () => {
    const keysOnly = await range({
      ...all,
      keysOnly: true,
      sortTarget: RangeRequest_SortTarget.VALUE,
      sortOrder: RangeRequest_SortOrder.ASCEND,
    });
    expect(keysOnly.kvs.map(({ key, value }) => [text(key), value.length])).toEqual([
      ['c', 0],
      ['b', 0],
      ['a', 0],
    ]);
    expect(await range({ ...all, countOnly: true })).toMatchObject({ kvs: [], count: 3 });
    const before = await range({ key: bytes('a'), revision: 3n });
    expect(before.kvs.map(({ value }) => text(value))).toEqual(['1']);
    expect(before.header?.revision).toBe(5);
    expect(keysOf(await range({ ...all, serializable: true, limit: 1n }))).toEqual(['a']);
  });

  it('refuses in the words of etcd', async () => {
    await expect(range({})).rejects.toThrow('3 etcdserver: key is not provided');
    const sortTarget = 9 as RangeRequest_SortTarget;
    await expect(range({ ...all, sortTarget })).rejects.toThrow(
      '3 etcdserver: invalid sort option',
    );
    const future = '11 etcdserver: mvcc: required revision is a future revision';
    await expect(range({ ...all, revision: 99n })).rejects.toThrow(future);
    await expect(range({ ...all, revision: 2n ** 60n })).rejects.toThrow(future);
    await compact(4n);
    const gone = '11 etcdserver: mvcc: required revision has been compacted';
    await expect(range({ ...all, revision: 3n })).rejects.toThrow(gone);
    await expect(compact(3n)).rejects.toThrow(gone);
    await expect(compact(99n)).rejects.toThrow(future);
  });
});

describe('Put and DeleteRange', () => {
  it('write, and give back what was there', async () => {
    expect(await put('a', '1', { prevKv: true })).toMatchObject({ prevKv: undefined });
    const second = await put('a', '2', { prevKv: true });
    expect(text(second.prevKv?.value ?? bytes(''))).toBe('1');
    expect(second.header?.revision).toBe(3);
    await put('a', '', { ignoreValue: true });
    const removed = await remove({ key: bytes('a'), prevKv: true });
    expect(removed.prevKvs.map(({ value, version }) => [text(value), version])).toEqual([['2', 3]]);
    expect(await remove({ key: bytes('a') })).toMatchObject({
      deleted: 0,
      header: { revision: 5 },
    });
  });

  it('refuse in the words of etcd', async () => {
    await expect(put('', 'x')).rejects.toThrow('3 etcdserver: key is not provided');
    await expect(remove({})).rejects.toThrow('3 etcdserver: key is not provided');
    await expect(put('a', 'x', { ignoreValue: true })).rejects.toThrow('value is provided');
    await expect(put('a', 'x', { ignoreLease: true, lease: 7n })).rejects.toThrow(
      'lease is provided',
    );
    await expect(put('a', '', { ignoreValue: true })).rejects.toThrow(
      '3 etcdserver: key not found',
    );
    await expect(put('a', 'x', { lease: 7n })).rejects.toThrow(
      '5 etcdserver: requested lease not found',
    );
    await expect(put('a', 'x'.repeat(3000))).rejects.toThrow('3 etcdserver: request is too large');
  });
});

describe('Txn', () => {
  const versionIs = (key: string, version: bigint) => ({
    result: Compare_CompareResult.EQUAL,
    target: Compare_CompareTarget.VERSION,
    key: bytes(key),
    rangeEnd: bytes(''),
    targetUnion: { $case: 'version', value: version } as const,
  });
  const putOp = (key: string, value = 'v') =>
    opOf('requestPut', PutRequest, { key: bytes(key), value: bytes(value) });

  it('takes one branch, with transactions within', async () => {
    // All comparisons look at the state as it was before, also those within.
    const inner = {
      compare: [versionIs('a', 0n)],
      success: [opOf('requestRange', RangeRequest, { ...all, sortOrder: 2 })],
      failure: [],
    };
    const answer = await txn({
      compare: [versionIs('a', 0n)],
      success: [putOp('a'), opOf('requestTxn', TxnRequest, inner)],
      failure: [opOf('requestDeleteRange', DeleteRangeRequest, all)],
    });
    expect(answer).toMatchObject({ succeeded: true, header: { revision: 2 } });
    const [first, second] = answer.responses.map(({ response }) => response);
    expect(first).toMatchObject({ $case: 'responsePut', value: { header: { revision: 2 } } });
    const within = second?.$case === 'responseTxn' ? second.value : undefined;
    expect(within).toMatchObject({ succeeded: true });
    expect(within?.responses[0]?.response).toMatchObject({ value: { count: 1 } });
    const again = await txn({
      compare: [versionIs('a', 0n)],
      success: [],
      failure: [opOf('requestDeleteRange', DeleteRangeRequest, all)],
    });
    expect(again.succeeded).toBe(false);
    expect(again.responses[0]?.response).toMatchObject({ value: { deleted: 1 } });
  });

  it('says of each part the revision that it saw or made, as etcd says it', async () => {
    await put('a', '1');
    const range = opOf('requestRange', RangeRequest, { key: bytes('a') });
    const removal = (key: string): RequestOp =>
      opOf('requestDeleteRange', DeleteRangeRequest, { key: bytes(key) });
    const within = (...success: RequestOp[]): RequestOp =>
      opOf('requestTxn', TxnRequest, { success });
    const header = (answer: TxnResponse): number[] =>
      answer.responses.flatMap(({ response }) => [
        response?.value.header?.revision ?? Number.NaN,
        ...(response?.$case === 'responseTxn' ? header(response.value) : []),
      ]);
    const revisions = async (...success: RequestOp[]) => header(await txn({ success }));
    expect(await revisions(range, putOp('a'), range)).toEqual([2, 3, 3]);
    expect(await revisions(range, removal('none'))).toEqual([3, 3]);
    expect(await revisions(removal('none'), within(range, putOp('b'), range), range)).toEqual([
      3, 0, 3, 4, 4, 4,
    ]);
    expect(await revisions(range, within(range, removal('a')), range)).toEqual([4, 0, 4, 5, 5]);
  });

  it('compares what is named with nothing where nothing is given', async () => {
    await put('a', '1');
    const targets = Object.values(Compare_CompareTarget);
    const held = await Promise.all(
      targets.map(async (target) => {
        const compare = [{ ...versionIs('none', 0n), target, targetUnion: undefined }];
        return (await txn({ compare, success: [], failure: [] })).succeeded;
      }),
    );
    expect(held).toHaveLength(5);
    expect(held.slice(0, 3)).toEqual([true, true, true]);
  });

  it('goes eight transactions deep, writes each key once, and takes keys of 16 KiB', async () => {
    const engine = new MemoryEngine({ clock: new ManualClock() });
    methods = kvService({ engine: () => engine, requestBytesMax: 100_000 });
    const within = (op: RequestOp, depth: number): RequestOp => {
      if (depth === 0) return op;
      return opOf('requestTxn', TxnRequest, { success: [within(op, depth - 1)] });
    };
    await txn({ success: [within(putOp('deep'), 7)] });
    const tooLarge = '3 etcdserver: request is too large';
    await expect(txn({ success: [within(putOp('deep'), 8)] })).rejects.toThrow(tooLarge);
    await put('k'.repeat(16 * 1024), 'v');
    await expect(put('k'.repeat(16 * 1024 + 1), 'v')).rejects.toThrow(tooLarge);
    const deletion = opOf('requestDeleteRange', DeleteRangeRequest, { key: bytes('twice') });
    const inOne = [within(putOp('twice'), 1), within(deletion, 1)];
    await expect(txn({ success: inOne })).rejects.toThrow(
      '3 etcdserver: duplicate key given in txn request',
    );
  });

  it('refuses in the words of etcd', async () => {
    await expect(txn({ success: [putOp('a'), putOp('a')] })).rejects.toThrow(
      '3 etcdserver: duplicate key given in txn request',
    );
    const many = Array.from({ length: 129 }, (_, at) => putOp(`k${at}`, ''));
    await expect(txn({ success: many })).rejects.toThrow(
      '3 etcdserver: too many operations in txn request',
    );
    const nested = (ops: number): RequestOp => ({
      request: {
        $case: 'requestTxn',
        value: { compare: [], success: many.slice(99, 99 + ops), failure: [] },
      },
    });
    await txn({ success: [...many.slice(0, 99), nested(28)] });
    await expect(txn({ success: [...many.slice(0, 99), nested(29)] })).rejects.toThrow(
      '3 etcdserver: too many operations in txn request',
    );
    await expect(txn({ success: [{ request: undefined }] })).rejects.toThrow(
      '3 etcdserver: key not found',
    );
    await expect(txn({ success: [putOp('')] })).rejects.toThrow('key is not provided');
    await expect(txn({ compare: [versionIs('', 0n)] })).rejects.toThrow('key is not provided');
  });
});
