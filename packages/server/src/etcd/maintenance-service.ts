// etcd's Maintenance service: what its tools ask a single member about itself, and what operators
// have it do. What etcd does by hand and this store does by itself is answered at once.

import { waitFor } from '@holdfast/base/deadline';
import { isHoldfastError } from '@holdfast/base/errors';
import {
  AlarmRequest,
  AlarmResponse,
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
  StatusRequest,
  StatusResponse,
} from '@holdfast/proto/etcd';

import { type GrpcCall, type GrpcMethod, type GrpcMethods, unaryMethod } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { readAnnouncements } from './announcements.ts';
import { alarmText, answerAlarm, ownAlarms } from './etcd-alarms.ts';
import type { OperatedEngine, Operator } from './etcd-operator.ts';
import { etcdStatus, etcdStatusOf } from './etcd-status.ts';
import { etcdClusterVersion, etcdVersion } from './etcd-version.ts';
import { revisionOf } from './kv-range.ts';
import { headerOfStatus } from './response-header.ts';
import { snapshotMethod } from './snapshot-stream.ts';

/** Records that one slice of reclaiming looks at: well below a millisecond. */
const reclaimRecords = 2000;

export function maintenanceService(operator: Operator): GrpcMethods {
  const maintenance = new Maintenance(operator);
  const of = (name: string) => ({ name: `Maintenance/${name}`, statusOf: etcdStatusOf });
  const methods: readonly GrpcMethod[] = [
    unaryMethod(of('Status'), [StatusRequest, StatusResponse], async () => maintenance.status()),
    unaryMethod(of('Alarm'), [AlarmRequest, AlarmResponse], (request) =>
      answerAlarm(operator, request),
    ),
    unaryMethod(of('Defragment'), [DefragmentRequest, DefragmentResponse], (_request, call) =>
      maintenance.defragment(call),
    ),
    unaryMethod(of('Hash'), [HashRequest, HashResponse], async () => maintenance.hash()),
    unaryMethod(of('HashKV'), [HashKVRequest, HashKVResponse], (request, call) =>
      maintenance.hashKv(request, call),
    ),
    unaryMethod(of('MoveLeader'), [MoveLeaderRequest, MoveLeaderResponse], (request, call) =>
      maintenance.moveLeader(request, call),
    ),
    unaryMethod(of('Downgrade'), [DowngradeRequest, DowngradeResponse], async ({ action }) =>
      refuseDowngrade(action),
    ),
    snapshotMethod(operator),
  ];
  return new Map(methods.map((method) => [`/etcdserverpb.${method.name}`, method]));
}

class Maintenance {
  readonly #operator: Operator;
  /** Hashes take turns: each looks at all that is kept. */
  #lastHash: Promise<unknown> = Promise.resolve();

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  status(): StatusResponse {
    const { quotaBytes = 0 } = this.#operator;
    const engine = this.#operator.engine();
    const status = engine.status();
    const alarms = ownAlarms(this.#operator, status).map(alarmText);
    const noLeader = status.leader === undefined ? [etcdStatus('noLeader').message] : [];
    return {
      header: headerOfStatus(status),
      version: etcdVersion,
      dbSize: engine.store.residentBytes,
      dbSizeInUse: status.bytes,
      dbSizeQuota: quotaBytes,
      leader: status.leader ?? 0n,
      raftIndex: status.commitIndex,
      raftTerm: status.term,
      raftAppliedIndex: status.appliedIndex,
      errors: [...noLeader, ...alarms, ...status.limits],
      isLearner: status.role === 'observer',
      storageVersion: etcdClusterVersion,
      downgradeInfo: { enabled: false, targetVersion: '' },
    };
  }

  /** What compactions have set free is given back by itself; whoever asks waits for it. */
  async defragment({ signal }: GrpcCall): Promise<DefragmentResponse> {
    const engine = this.#operator.engine();
    const { store } = engine;
    while (store.reclaimPending) {
      signal.throwIfAborted();
      store.reclaim(reclaimRecords);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { header: headerOfStatus(engine.status()) };
  }

  /** Of all that this member has applied: equal where that is as much. */
  hash(): HashResponse {
    const status = this.#operator.engine().status();
    const { stateHash } = status;
    const hash = Number(BigInt.asUintN(32, stateHash ^ (stateHash >> 32n)));
    return { header: headerOfStatus(status), hash };
  }

  async hashKv({ revision: asked }: HashKVRequest, call: GrpcCall): Promise<HashKVResponse> {
    const engine = this.#operator.engine();
    const { signal } = call;
    const wanted = revisionOf(asked);
    await caughtUp(engine, wanted, call);
    const turn = this.#lastHash.then(() => {
      signal.throwIfAborted();
      return engine.store.hashRevision(wanted);
    });
    this.#lastHash = turn.catch(() => undefined); // Told to whoever has asked.
    const { hash, revision, compactRevision } = await waitFor(turn, signal);
    return {
      header: headerOfStatus(engine.status()),
      hash,
      compactRevision,
      hashRevision: revision,
    };
  }

  async moveLeader({ targetID }: MoveLeaderRequest, call: GrpcCall): Promise<MoveLeaderResponse> {
    const engine = this.#operator.engine();
    const { leader, memberId, peers } = engine.status();
    if (leader !== memberId) throw etcdStatus('notLeader');
    const target = peers.find((one) => one.memberId === targetID);
    if (!target || target.role === 'observer') throw etcdStatus('badTransferee');
    const { actor } = call;
    this.#operator.log.info({ actor, to: target.name }, 'an operator hands leadership on');
    try {
      await engine.membership.transfer(target.memberId, call);
    } catch (error) {
      const isUnfit = isHoldfastError(error, 'failed-precondition');
      throw isUnfit && !('heldBackBy' in error.details) ? etcdStatus('badTransferee') : error;
    }
    return { header: headerOfStatus(engine.status()) };
  }
}

/** Who wrote through this member may be answered, by the leader, before it has applied that. */
async function caughtUp(engine: OperatedEngine, wanted: number, call: GrpcCall) {
  if (wanted <= engine.status().revision) return;
  await readAnnouncements(engine, call); // A linearizable read of next to nothing.
}

function refuseDowngrade(action: DowngradeRequest['action']): never {
  if (action === DowngradeRequest_DowngradeAction.CANCEL) throw etcdStatus('noDowngrade');
  throw new GrpcStatus(
    statusCodes.unimplemented,
    'a cluster of Holdfast is not downgraded: its members agree on the newest version that all ' +
      'of them know, and what was written in it is for these alone; go back by a backup',
  );
}
