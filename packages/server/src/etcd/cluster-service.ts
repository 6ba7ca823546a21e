// etcd's Cluster service on how members come and go here. A machine of Holdfast joins by itself,
// under an id of its own: to add a member is to announce it, and what is asked of the announced id
// afterwards is done to the machine that came from its address (docs/etcd-compatibility.md).

import { utf8 } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { sha256 } from '@holdfast/base/sha256';
import type { AnnouncedMember } from '@holdfast/domain/announced-member';
import type { PeerStatus, ReadOptions } from '@holdfast/engine/engine';
import type { MemberChange } from '@holdfast/engine/member-plan';
import {
  type Member,
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
  type ResponseHeader,
} from '@holdfast/proto/etcd';

import { type GrpcCall, type GrpcMethods, unaryMethod } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import {
  changeAnnouncements,
  isAt,
  isAwaited,
  type KeptAnnouncement,
  memberOf,
  readAnnouncements,
} from './announcements.ts';
import type { OperatedEngine, Operator } from './etcd-operator.ts';
import { etcdStatus, etcdStatusOf } from './etcd-status.ts';
import { headerOfStatus } from './response-header.ts';

export function clusterService(operator: Operator): GrpcMethods {
  const cluster = new Cluster(operator);
  const of = (name: string) => ({ name: `Cluster/${name}`, statusOf: etcdStatusOf });
  const methods = [
    unaryMethod(of('MemberList'), [MemberListRequest, MemberListResponse], (request, call) =>
      cluster.list(request, call),
    ),
    unaryMethod(of('MemberAdd'), [MemberAddRequest, MemberAddResponse], (request, call) =>
      cluster.add(request, call),
    ),
    unaryMethod(of('MemberRemove'), [MemberRemoveRequest, MemberRemoveResponse], (request, call) =>
      cluster.remove(request, call),
    ),
    unaryMethod(of('MemberUpdate'), [MemberUpdateRequest, MemberUpdateResponse], (request, call) =>
      cluster.update(request, call),
    ),
    unaryMethod(
      of('MemberPromote'),
      [MemberPromoteRequest, MemberPromoteResponse],
      (request, call) => cluster.promote(request, call),
    ),
  ];
  return new Map(methods.map((method) => [`/etcdserverpb.${method.name}`, method]));
}

type Members = { readonly header: ResponseHeader; readonly members: Member[] };

/** What an id means: a member, or one that has not come. */
type Found =
  | { readonly kind: 'member'; readonly peer: PeerStatus }
  | { readonly kind: 'awaited'; readonly announced: KeptAnnouncement };

class Cluster {
  readonly #operator: Operator;

  constructor(operator: Operator) {
    this.#operator = operator;
  }

  async list({ linearizable }: MemberListRequest, call: GrpcCall): Promise<MemberListResponse> {
    const engine = this.#operator.engine();
    const consistency = { level: linearizable ? 'linearizable' : 'stale' } as const;
    return this.#members(engine, await readAnnouncements(engine, readOf(call, consistency)));
  }

  async add(request: MemberAddRequest, call: GrpcCall): Promise<MemberAddResponse> {
    const { isLearner } = request;
    const engine = this.#operator.engine();
    const peerAddresses = addressesOf(request.peerURLs);
    const { id, taken } = await this.#freeId(engine, peerAddresses, call);
    this.#tell(call, `announce a machine at ${peerAddresses.join(', ')}`);
    const announced: AnnouncedMember = { id, peerAddresses, isLearner, memberId: 0n };
    const change = { before: taken, after: announced };
    if (!(await changeAnnouncements(engine, change, call))) throw etcdStatus('memberUrlExists');
    const after = this.#members(engine, await readAnnouncements(engine, readOf(call)));
    return { ...after, member: this.#announcedView(announced) };
  }

  async remove({ ID }: MemberRemoveRequest, call: GrpcCall): Promise<MemberRemoveResponse> {
    const engine = this.#operator.engine();
    const all = await readAnnouncements(engine, readOf(call));
    const found = this.#find(engine, all, ID);
    const { peers } = engine.status();
    const gone = all.filter((one) =>
      found.kind === 'member'
        ? memberOf(one, peers)?.memberId === found.peer.memberId
        : one.id === ID,
    );
    if (found.kind === 'member') await this.#change(engine, { kind: 'remove', found }, call);
    await this.#forget(engine, gone, call);
    return this.#members(
      engine,
      all.filter((one) => !gone.includes(one)),
    );
  }

  async promote({ ID }: MemberPromoteRequest, call: GrpcCall): Promise<MemberPromoteResponse> {
    const engine = this.#operator.engine();
    const all = await readAnnouncements(engine, readOf(call));
    const found = this.#find(engine, all, ID);
    if (found.kind === 'awaited') {
      throw etcdStatus(found.announced.isLearner ? 'learnerNotReady' : 'notLearner');
    }
    if (found.peer.role !== 'observer') throw etcdStatus('notLearner');
    await this.#change(engine, { kind: 'promote', found }, call);
    return this.#members(engine, all);
  }

  async update(request: MemberUpdateRequest, call: GrpcCall): Promise<MemberUpdateResponse> {
    const engine = this.#operator.engine();
    const peerAddresses = addressesOf(request.peerURLs);
    const all = await readAnnouncements(engine, readOf(call));
    const found = this.#find(engine, all, request.ID);
    if (found.kind === 'member') {
      if (!isSame(found.peer.peerAddresses, peerAddresses)) throw movesItself(found.peer);
      return this.#members(engine, all);
    }
    const { modRevision: _, ...announced } = found.announced;
    const others = all.filter((one) => one !== found.announced);
    const before = [found.announced, ...this.#takenBy(engine, others, peerAddresses)];
    const change = { before, after: { ...announced, peerAddresses } };
    if (!(await changeAnnouncements(engine, change, call))) throw etcdStatus('memberUrlExists');
    return this.#members(engine, await readAnnouncements(engine, readOf(call)));
  }

  // ---------------------------------------------------------------- what is there

  /** Throws a GrpcStatus. */
  #find(engine: OperatedEngine, all: readonly KeptAnnouncement[], id: bigint): Found {
    const { peers } = engine.status();
    const announced = all.find((one) => one.id === id);
    if (announced && isAwaited(announced, peers)) return { kind: 'awaited', announced };
    const peer = announced
      ? memberOf(announced, peers)
      : peers.find(({ memberId }) => memberId === id);
    if (!peer) throw etcdStatus('memberNotFound');
    return { kind: 'member', peer };
  }

  /**
   * What is left at these addresses of machines that are no members any more. Throws a GrpcStatus.
   */
  #takenBy(
    engine: OperatedEngine,
    all: readonly KeptAnnouncement[],
    addresses: readonly string[],
  ): readonly KeptAnnouncement[] {
    const { peers } = engine.status();
    if (peers.some((peer) => isAt(peer, addresses))) throw etcdStatus('memberUrlExists');
    const taken = all.filter(({ peerAddresses }) =>
      peerAddresses.some((address) => addresses.includes(address)),
    );
    if (taken.some((one) => isAwaited(one, peers) || memberOf(one, peers))) {
      throw etcdStatus('memberUrlExists');
    }
    return taken;
  }

  async #freeId(engine: OperatedEngine, addresses: readonly string[], call: GrpcCall) {
    const all = await readAnnouncements(engine, readOf(call));
    const taken = this.#takenBy(engine, all, addresses);
    const { clusterId, peers } = engine.status();
    const used = new Set([...all.map(({ id }) => id), ...peers.map(({ memberId }) => memberId)]);
    for (let salt = this.#operator.clock.wallMs(); ; salt += 1) {
      const digest = sha256(utf8(`${clusterId} ${addresses.join()} ${salt}`));
      const id = BigInt(`0x${digest.slice(0, 16)}`);
      if (!used.has(id)) return { id, taken };
    }
  }

  #members(engine: OperatedEngine, all: readonly KeptAnnouncement[]): Members {
    const status = engine.status();
    const awaited = all.filter((one) => isAwaited(one, status.peers));
    const members = [
      ...status.peers.map((peer) => this.#memberView(peer)),
      ...awaited.map((one) => this.#announcedView(one)),
    ];
    members.sort((a, b) => (a.ID < b.ID ? -1 : 1));
    return { header: headerOfStatus(status), members };
  }

  #memberView({ memberId, name, peerAddresses, clientAddresses, role }: PeerStatus): Member {
    const { peer, client } = this.#operator.isTls;
    return {
      ID: memberId,
      name,
      peerURLs: peerAddresses.map((address) => urlOf(address, peer)),
      clientURLs: clientAddresses.map((address) => urlOf(address, client)),
      isLearner: role === 'observer',
    };
  }

  /** Without a name, which says to etcd's clients that it was not started. */
  #announcedView({ id, peerAddresses, isLearner }: AnnouncedMember): Member {
    const { peer } = this.#operator.isTls;
    const peerURLs = peerAddresses.map((address) => urlOf(address, peer));
    return { ID: id, name: '', peerURLs, clientURLs: [], isLearner };
  }

  // ---------------------------------------------------------------- what is done

  async #change(
    engine: OperatedEngine,
    { kind, found }: { readonly kind: 'remove' | 'promote'; readonly found: Found },
    call: GrpcCall,
  ): Promise<void> {
    if (found.kind !== 'member') return;
    const { memberId: id, name } = found.peer;
    const change: MemberChange = { kind, id };
    this.#tell(call, `${kind} ${name}`);
    try {
      await engine.membership.change([change], call);
    } catch (error) {
      throw memberStatusOf(error, kind);
    }
  }

  /** Nobody asks for them any more; what stays of them is in nobody's way. */
  async #forget(
    engine: OperatedEngine,
    gone: readonly KeptAnnouncement[],
    call: GrpcCall,
  ): Promise<void> {
    if (gone.length > 0) await changeAnnouncements(engine, { before: gone }, call);
  }

  #tell({ actor }: GrpcCall, change: string): void {
    this.#operator.log.info({ actor, change }, 'an operator changes the members');
  }
}

/** Of announcements: who may ask for them was judged before (method-needs.ts). */
const readOf = (
  { actor, signal }: GrpcCall,
  consistency: ReadOptions['consistency'] = { level: 'linearizable' },
): ReadOptions => ({ actor, subject: 'own', signal, consistency });

const urlOf = (address: string, isTls: boolean): string =>
  `${isTls ? 'https' : 'http'}://${address}`;

/** HOST:PORT of each. Throws a GrpcStatus. */
function addressesOf(urls: readonly string[]): readonly string[] {
  const addresses = urls.map((url) => /^https?:\/\/([^/?#@\s]+:\d{1,5})$/.exec(url)?.[1]);
  const good = addresses.filter((address) => address !== undefined);
  if (good.length === 0 || good.length !== urls.length) throw etcdStatus('memberBadUrls');
  return [...new Set(good)];
}

const isSame = (a: readonly string[], b: readonly string[]): boolean =>
  a.length === b.length && a.every((one) => b.includes(one));

/** In the words of etcd, where it has some for what our own plan refuses. */
function memberStatusOf(error: unknown, kind: 'remove' | 'promote'): unknown {
  if (isHoldfastError(error, 'not-found')) return etcdStatus('memberNotFound');
  const isRefused = isHoldfastError(error, 'failed-precondition');
  if (!isRefused || 'heldBackBy' in error.details) return error;
  return etcdStatus(kind === 'promote' ? 'learnerNotReady' : 'notEnoughStarted');
}

const movesItself = ({ name, peerAddresses }: PeerStatus): GrpcStatus =>
  new GrpcStatus(
    statusCodes.failedPrecondition,
    `${name} is at ${peerAddresses.join(', ')}, and says itself where it is: start it with ` +
      'another --listen-peer or --advertise-peer, and the others learn it; nothing is to be ' +
      'updated here',
  );
