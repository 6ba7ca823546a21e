// For the tests of etcd's services for operators: a member in memory among others that are a list.
// What is done to them is judged as a leader judges it.
import { HoldfastError } from '@holdfast/base/errors';
import { index, type MemberId, memberId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { EngineStatus, PeerStatus } from '@holdfast/engine/engine';
import { type MemberChange, planChange } from '@holdfast/engine/member-plan';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { encode } from '@holdfast/proto/encode';

import { type Codec, type GrpcCall, type GrpcMethod, unframed } from '../grpc/method.ts';
import { GrpcStatus } from '../grpc/status.ts';
import type { MemberReport } from '../member-report.ts';
import type { OperatedEngine, Operator } from './etcd-operator.ts';

export const call: GrpcCall = {
  actor: 'tester',
  signal: new AbortController().signal,
  header: () => undefined,
};

const peerAt = (at: number): PeerStatus => ({
  memberId: memberId(BigInt(at)),
  name: `n${at}`,
  peerAddresses: [`10.0.0.${at}:4654`],
  clientAddresses: [`10.0.0.${at}:4653`],
  role: at === 1 ? 'leader' : 'follower',
  reachable: true,
  lastContactMs: 0,
  lag: 0,
  match: index(9),
});

/** Three voters, of which this is the first and leads. */
export class OperatedCluster {
  readonly clock = new ManualClock();
  readonly engine = new MemoryEngine({ clock: this.clock });
  readonly log: string[] = [];
  peers: PeerStatus[] = [1, 2, 3].map(peerAt);
  /** Over what the engine says of itself. */
  more: Partial<EngineStatus> = {};
  reports: MemberReport[] = [];
  quotaBytes: number | undefined;
  isTls = false;

  get operator(): Operator {
    const write = (_: unknown, text?: string): void => void this.log.push(text ?? '');
    return {
      clock: this.clock,
      engine: () => this.#operated,
      reports: async () => this.reports,
      quotaBytes: this.quotaBytes,
      isTls: { peer: this.isTls, client: this.isTls },
      log: { info: write, warn: write } as Operator['log'],
    };
  }

  /** As one that has joined does. */
  join(name: string, peerAddress: string): PeerStatus {
    const joined: PeerStatus = {
      ...peerAt(this.peers.length + 70),
      ...{ name, role: 'observer', peerAddresses: [peerAddress] },
    };
    this.peers.push(joined);
    return joined;
  }

  set(id: bigint, more: Partial<PeerStatus>): void {
    this.peers = this.peers.map((peer) => (peer.memberId === id ? { ...peer, ...more } : peer));
  }

  get #operated(): OperatedEngine {
    const { engine } = this;
    return {
      ...{ range: engine.range.bind(engine), txn: engine.txn.bind(engine) },
      ...{ store: engine.store, backups: engine.backups },
      status: () => ({ ...engine.status(), peers: this.peers, ...this.more }),
      membership: {
        change: async (changes: readonly MemberChange[]) => this.#change(changes),
        transfer: async (to: MemberId | undefined) => this.#transfer(to),
      },
    } as unknown as OperatedEngine;
  }

  #change(changes: readonly MemberChange[]): void {
    const { voters, learners } = planChange(
      {
        voters: this.#idsOf((role) => role !== 'observer'),
        learners: this.#idsOf((role) => role === 'observer'),
        members: this.peers.map((peer) => ({
          ...{ id: peer.memberId, name: peer.name, peerAddresses: peer.peerAddresses },
          ...{ isReachable: peer.reachable, lag: peer.lag },
        })),
        removed: new Set(),
      },
      changes,
    );
    this.peers = this.peers
      .filter(({ memberId: id }) => voters.includes(id) || learners.includes(id))
      .map((peer) => (voters.includes(peer.memberId) ? { ...peer, role: 'follower' } : peer));
  }

  #idsOf(isOne: (role: PeerStatus['role']) => boolean): MemberId[] {
    return this.peers.filter(({ role }) => isOne(role)).map(({ memberId: id }) => id);
  }

  #transfer(to: MemberId | undefined): MemberId {
    const target = this.peers.find((peer) => peer.memberId === to);
    if (!target?.reachable) throw new HoldfastError('failed-precondition', 'not reachable now');
    this.more = { ...this.more, leader: target.memberId };
    return target.memberId;
  }
}

/** Throws `CODE sentence`. */
export async function askMethod<Request, Response>(
  method: GrpcMethod | undefined,
  [request, response]: readonly [Codec<Request>, Codec<Response>],
  more: Partial<Request> = {},
): Promise<Response> {
  if (method?.kind !== 'unary') throw new Error('no such method');
  const value = { ...request.decode(new Uint8Array(0)), ...more };
  try {
    return response.decode(unframed(await method.handle(encode(request, value), call)));
  } catch (error) {
    const { code, message } = error instanceof GrpcStatus ? error : method.statusOf(error);
    throw new Error(`${code} ${message}`);
  }
}
