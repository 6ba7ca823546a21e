// Goal: what etcd's tools ask a member about itself is answered as they expect, and what operators
// have it do is done or refused in etcd's words. Method: the service over a member in memory.
import { createHash } from 'node:crypto';
import { HoldfastError } from '@holdfast/base/errors';
import { index, memberId } from '@holdfast/base/ids';
import type { EngineStatus } from '@holdfast/engine/engine';
import { encode } from '@holdfast/proto/encode';
import {
  AlarmRequest,
  AlarmRequest_AlarmAction,
  AlarmResponse,
  AlarmType,
  DefragmentRequest,
  DefragmentResponse,
  DowngradeRequest,
  DowngradeRequest_DowngradeAction,
  DowngradeResponse,
  HashKVRequest,
  HashKVResponse,
  HashRequest,
  HashResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  SnapshotRequest,
  SnapshotResponse,
  StatusRequest,
  StatusResponse,
} from '@holdfast/proto/etcd';
import { openBackup } from '@holdfast/storage/backup-reader';
import { beforeEach, describe, expect, it } from 'vitest';

import type { GrpcMethods, StreamMethod } from '../grpc/method.ts';
import { TestStream } from '../grpc/stream-call.fixture.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import { eventually } from '../http/test-door.fixture.ts';
import type { MemberReport } from '../member-report.ts';
import { maintenanceService } from './maintenance-service.ts';
import { askMethod, call, OperatedCluster } from './operated-engine.fixture.ts';

let cluster: OperatedCluster;
let methods: GrpcMethods;

beforeEach(() => {
  cluster = new OperatedCluster();
  methods = maintenanceService(cluster.operator);
});

const method = (name: string) => methods.get(`/etcdserverpb.Maintenance/${name}`);
const status = () => askMethod(method('Status'), [StatusRequest, StatusResponse]);
const alarm = (more: Partial<AlarmRequest>) =>
  askMethod(method('Alarm'), [AlarmRequest, AlarmResponse], more);
const hash = () => askMethod(method('Hash'), [HashRequest, HashResponse]);
const hashKv = (revision = 0n) =>
  askMethod(method('HashKV'), [HashKVRequest, HashKVResponse], { revision });
const moveLeader = (targetID: bigint) =>
  askMethod(method('MoveLeader'), [MoveLeaderRequest, MoveLeaderResponse], { targetID });
const downgrade = (action: DowngradeRequest['action']) =>
  askMethod(method('Downgrade'), [DowngradeRequest, DowngradeResponse], { action });

async function put(of: OperatedCluster, key: string, value: string): Promise<void> {
  const request = {
    ...{ keyspace: kvKeyspace, key: Buffer.from(key), value: Buffer.from(value), lease: 0n },
    ...{ prevKv: false, ignoreValue: false, ignoreLease: false },
  };
  await of.engine.put(request, call);
}

const { GET, ACTIVATE, DEACTIVATE } = AlarmRequest_AlarmAction;
const { NOSPACE, CORRUPT } = AlarmType;

type Integrity = NonNullable<EngineStatus['integrity']>;

const integrity = (more: Partial<Integrity>): Integrity => ({
  ...{ checkIndex: undefined, verdict: { kind: 'open' }, reports: [], quarantine: undefined },
  ...{ checksDecided: 0, reseeds: 0 },
  ...more,
});

describe('Status', () => {
  it('says who this is and how far, and how large', async () => {
    await put(cluster, 'a', 'one');
    cluster.more = { commitIndex: index(9) };
    cluster.quotaBytes = 1_000_000;
    methods = maintenanceService(cluster.operator);
    const answer = await status();
    expect(answer).toMatchObject({
      ...{ version: '3.5.21', leader: 1n, raftTerm: 1, raftIndex: 9, errors: [] },
      ...{ isLearner: false, dbSizeQuota: 1_000_000, dbSizeInUse: cluster.engine.store.bytes },
      header: { memberId: 1n, revision: 2 },
    });
    expect(answer.dbSize).toBeGreaterThan(answer.dbSizeInUse);
    expect(answer.raftAppliedIndex).toBe(cluster.engine.store.appliedIndex);
  });

  it('says that nobody leads, what is full, and who only observes', async () => {
    const limits = ['its disk is full or does not answer'];
    cluster.more = { leader: undefined, role: 'observer', disk: 'unable', limits };
    const answer = await status();
    expect(answer).toMatchObject({ leader: 0n, isLearner: true });
    expect(answer.errors).toEqual([
      'etcdserver: no leader',
      'memberID:1 alarm:NOSPACE ',
      'its disk is full or does not answer',
    ]);
  });
});

describe('Alarm', () => {
  it('shows what is the case with this member and the others, of one kind or all', async () => {
    expect((await alarm({ action: GET })).alarms).toEqual([]);
    const quarantine = {} as NonNullable<Integrity['quarantine']>;
    cluster.more = { disk: 'low', integrity: integrity({ quarantine }) };
    cluster.reports = [
      { id: '0000000000000001', diskFull: false },
      { id: '0000000000000002', diskFull: true, quarantine: 'it is odd' },
      { id: '0000000000000003', diskFull: false, quarantine: null },
    ] as MemberReport[];
    const all = (await alarm({ action: GET })).alarms;
    expect(all).toEqual([
      { memberID: 1n, alarm: NOSPACE },
      { memberID: 1n, alarm: CORRUPT },
      { memberID: 2n, alarm: NOSPACE },
      { memberID: 2n, alarm: CORRUPT },
    ]);
    expect((await alarm({ alarm: CORRUPT })).alarms).toEqual([all[1], all[3]]);
  });

  it('counts the quota of the store and of the keys of clients, and no other', async () => {
    await put(cluster, 'a', 'x'.repeat(1000));
    const nospace = [{ memberID: 1n, alarm: NOSPACE }];
    cluster.quotaBytes = 1000;
    methods = maintenanceService(cluster.operator);
    expect((await alarm({})).alarms).toEqual(nospace);
    cluster.quotaBytes = undefined;
    methods = maintenanceService(cluster.operator);
    await cluster.engine.setQuota({ keyspace: 2, namespace: '', bytesMax: 1 }, call);
    expect((await alarm({})).alarms).toEqual([]);
    await cluster.engine.setQuota({ keyspace: kvKeyspace, namespace: '', bytesMax: 10 }, call);
    expect((await alarm({})).alarms).toEqual(nospace);
  });

  it('names nobody where nobody can tell who is right', async () => {
    const groups = [[memberId(1n)], [memberId(2n)]];
    cluster.more = { integrity: integrity({ verdict: { kind: 'undecided', groups } }) };
    expect((await alarm({})).alarms).toEqual([{ memberID: 0n, alarm: CORRUPT }]);
    expect((await status()).errors).toEqual(['alarm:CORRUPT ']);
  });

  it('is neither raised nor ended by hand', async () => {
    cluster.more = { disk: 'unable' };
    expect((await alarm({ action: DEACTIVATE, alarm: NOSPACE })).alarms).toEqual([]);
    expect((await alarm({})).alarms).toHaveLength(1);
    await expect(alarm({ action: ACTIVATE, alarm: NOSPACE })).rejects.toThrow('12 alarms are not');
  });
});

describe('Hash and HashKV', () => {
  it('are equal where the state is, and differ where it does', async () => {
    const other = new OperatedCluster();
    for (const one of [cluster, other]) {
      for (let at = 0; at < 10; at += 1) await put(one, `k${at % 3}`, `${at}`);
    }
    const here = [await hash(), await hashKv(), await hashKv(7n)];
    expect(here[1]).toMatchObject({ compactRevision: 0, hashRevision: 11 });
    await put(other, 'later', 'x');
    methods = maintenanceService(other.operator);
    const there = [await hash(), await hashKv(11n), await hashKv(7n)];
    expect(there.map((one) => one.hash).slice(1)).toEqual(here.map((one) => one.hash).slice(1));
    expect(there[0]?.hash).not.toBe(here[0]?.hash);
    expect((await hashKv()).hash).not.toBe(here[1]?.hash);
    expect(new Set(here.map((one) => one.hash)).size).toBe(3);
  });

  it('wait for a revision that the leader has told of, and that is not applied here yet', async () => {
    await put(cluster, 'a', '1');
    const { engine } = cluster;
    const range = engine.range.bind(engine);
    engine.range = async (request, options) => {
      await put(cluster, 'a', '2');
      return await range(request, options);
    };
    expect(await hashKv(3n)).toMatchObject({ hashRevision: 3 });
  });

  it('are refused at revisions that are not there', async () => {
    for (let at = 0; at < 5; at += 1) await put(cluster, 'a', `${at}`);
    await cluster.engine.compact({ revision: 4 }, call);
    const future = '11 etcdserver: mvcc: required revision is a future revision';
    const gone = '11 etcdserver: mvcc: required revision has been compacted';
    await expect(hashKv(99n)).rejects.toThrow(future);
    await expect(hashKv(2n ** 62n)).rejects.toThrow(future);
    await expect(hashKv(3n)).rejects.toThrow(gone);
    expect(await hashKv(4n)).toMatchObject({ compactRevision: 4, hashRevision: 4 });
  });
});

describe('Defragment', () => {
  it('ends when what was compacted is given back', async () => {
    for (let at = 0; at < 3000; at += 1) await put(cluster, `k${at % 5}`, 'x'.repeat(1000));
    await cluster.engine.compact({ revision: cluster.engine.store.revision }, call);
    const before = cluster.engine.store.residentBytes;
    await askMethod(method('Defragment'), [DefragmentRequest, DefragmentResponse]);
    expect(cluster.engine.store.reclaimPending).toBe(false);
    expect(cluster.engine.store.residentBytes).toBeLessThan(before);
  });
});

describe('MoveLeader', () => {
  it('hands on to a voter that can be reached', async () => {
    await moveLeader(2n);
    expect(cluster.more.leader).toBe(2n);
    await expect(moveLeader(3n)).rejects.toThrow('9 etcdserver: not leader');
  });

  it('refuses whoever can not lead', async () => {
    cluster.set(2n, { role: 'observer' });
    cluster.set(3n, { reachable: false });
    for (const id of [2n, 3n, 77n]) {
      await expect(moveLeader(id)).rejects.toThrow('9 etcdserver: bad leader transferee');
    }
    await moveLeader(1n);
  });
});

describe('Downgrade', () => {
  it('is refused', async () => {
    const { VALIDATE, ENABLE, CANCEL } = DowngradeRequest_DowngradeAction;
    await expect(downgrade(CANCEL)).rejects.toThrow('9 etcdserver: no inflight downgrade job');
    for (const action of [VALIDATE, ENABLE]) {
      await expect(downgrade(action)).rejects.toThrow('12 a cluster of Holdfast is not downgraded');
    }
  });
});

function snapshot(roomMessages = Number.POSITIVE_INFINITY): TestStream {
  const stream = new TestStream(method('Snapshot') as StreamMethod);
  stream.roomMessages = roomMessages;
  stream.say(encode(SnapshotRequest, {}));
  stream.sayAll();
  return stream;
}

const blobsOf = ({ sent }: TestStream) => sent.map((one) => SnapshotResponse.decode(one));

async function* bytesOf(stream: TestStream): AsyncGenerator<Uint8Array> {
  for (const { blob } of blobsOf(stream)) yield blob;
}

describe('Snapshot', () => {
  beforeEach(async () => {
    for (let at = 0; at < 1000; at += 1) await put(cluster, `k${at}`, 'x'.repeat(2000));
  });

  it('is a backup that a restore reads, of the length that etcdctl looks at', async () => {
    const stream = snapshot();
    await eventually(() => expect(stream.ended).toBe('ok'));
    const blobs = blobsOf(stream);
    const bytes = Buffer.concat(blobs.map(({ blob }) => blob));
    expect(bytes.length % 512).toBe(32);
    const digest = createHash('sha256').update(bytes.subarray(0, -32)).digest();
    expect(bytes.subarray(-32).equals(digest)).toBe(true);
    const remaining = blobs.map(({ remainingBytes }) => remainingBytes);
    expect(remaining.indexOf(0)).toBe(remaining.length - 1);
    expect(remaining).toEqual([...remaining].sort((a, b) => b - a));
    const opened = await openBackup(bytesOf(stream));
    for await (const _ of opened.image);
    expect(opened.summary()).toMatchObject({ head: { revision: 1001 }, bytes: bytes.length });
  });

  it('is what this member knows, also where there is no majority', async () => {
    cluster.engine.refusal = new HoldfastError('no-quorum', 'two voters are missing');
    const stream = snapshot();
    await eventually(() => expect(stream.ended).toBe('ok'));
  });

  it('waits for a reader, who may go, or take nothing for too long', async () => {
    const slow = snapshot(2);
    await eventually(() => expect(slow.sent.length).toBe(2));
    const gone = snapshot(1);
    await eventually(() => expect(gone.sent.length).toBe(1));
    const none = new TestStream(method('Snapshot') as StreamMethod);
    none.say(encode(SnapshotRequest, {}));
    await eventually(() => expect(none.ended).toBe('8 etcdserver: too many requests'));
    gone.leave();
    slow.makeRoom(2);
    await eventually(() => expect(slow.sent.length).toBe(4));
    const stuck = snapshot(1);
    await eventually(() => expect(stuck.sent.length).toBe(1));
    slow.makeRoom();
    await eventually(() => expect(slow.ended).toBe('ok'));
    cluster.clock.advance(30_000);
    await eventually(() => expect(stuck.ended).toContain('4 whoever reads the snapshot took'));
    expect(cluster.engine.backups.underWay).toBe(0);
  });
});
