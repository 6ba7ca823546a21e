// Puts an EngineStatus together from what replica, store and options say. Pure; asks nobody.
import { index, type MemberId, memberId, term } from '@holdfast/base/ids';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import { isVoter, membersOf } from '@holdfast/raft/configuration';
import type { RaftStatus } from '@holdfast/raft/raft';
import type { MemberIdentity } from '@holdfast/replica/ports';
import type { ReplicaStatus } from '@holdfast/replica/replica-status';
import type { EngineStatus, PeerStatus } from './engine.ts';
import { type IntegrityStatus, quarantineText, type ScrubStatus } from './integrity-status.ts';

/** What a member was started with, as far as its status shows it. */
export type StatusOptions = {
  readonly identity: MemberIdentity;
  readonly name: string;
  readonly version: string;
  readonly clientAddresses: readonly string[];
  readonly quotaBytes?: number;
  readonly transport: { isConnected(peer: MemberId): boolean };
  readonly initialMembers: readonly {
    readonly memberId: MemberId;
    readonly name: string;
    readonly peerAddress: string;
  }[];
};

export type StatusParts = {
  readonly options: StatusOptions;
  readonly replica: ReplicaStatus;
  readonly store: KvStore;
  readonly integrity: IntegrityStatus;
  readonly scrub: ScrubStatus | undefined;
};

export function engineStatus(parts: StatusParts): EngineStatus {
  const { options, replica, store, integrity } = parts;
  const { raft } = replica;
  const { clusterId, memberId: id, storeId } = options.identity;
  return {
    clusterId,
    memberId: id,
    storeId,
    name: options.name,
    version: options.version,
    role: roleOf(raft),
    leader: raft?.leader,
    term: raft?.term ?? term(0),
    commitIndex: raft?.commit ?? index(0),
    appliedIndex: store.appliedIndex,
    lastIndex: raft?.last.index ?? index(0),
    persistedIndex: raft?.persisted ?? index(0),
    purgedIndex: raft?.purged.index ?? index(0),
    snapshotIndex: replica.snapshotIndex,
    revision: store.revision,
    compactRevision: store.compactRevision,
    keys: store.keys,
    bytes: store.bytes,
    stateHash: store.stateHash,
    ageMs: replica.ageMs,
    peers: raft ? membersOf(raft.configuration).map((peer) => peerStatus(parts, raft, peer)) : [],
    missingVoters: replica.missingVoters,
    recovery: replica.phases,
    findings: replica.findings,
    install: replica.install,
    repair: replica.repair,
    snapshotFailures: {
      count: replica.snapshot?.failures ?? 0,
      last: replica.snapshot?.lastFailure,
    },
    stalledMs: replica.stalledMs,
    disk: replica.disk,
    limits: limitsOf(parts),
    initialised: replica.isInitialised,
    integrity,
    scrub: parts.scrub,
    ready: isReady(parts),
    notReadyReason: notReadyReason(parts),
    counters: {
      log_syncs_total: replica.syncs,
      log_entries_total: replica.entriesSynced,
      proposals_pending: replica.proposalsPending,
      watchers: store.watcherCount,
      resident_bytes: store.residentBytes,
    },
  };
}

const isReady = ({ replica, integrity }: StatusParts): boolean =>
  replica.isReady &&
  replica.raft?.leader !== undefined &&
  replica.stalledMs === undefined &&
  integrity.quarantine === undefined;

function roleOf(raft: RaftStatus | undefined): EngineStatus['role'] {
  if (!raft) return 'starting';
  if (raft.repairing || raft.statusLost) return 'repairing';
  if (!raft.isVoter) return 'observer';
  return raft.role === 'pre-candidate' ? 'candidate' : raft.role;
}

function notReadyReason(parts: StatusParts): string | undefined {
  const { replica, options, store } = parts;
  const missing = replica.missingVoters.map((id) => describe(id, options, store)).join(', ');
  if (!replica.raft) return 'recovering from disk';
  if (replica.raft.leader === undefined) {
    const owed = owedBeforeVoting(parts, replica.raft);
    if (owed) return owed;
    return replica.quorumReachable
      ? (replica.leaderUnheard ?? 'no leader: an election is under way')
      : `no quorum: these voters are missing: ${missing}`;
  }
  const { quarantine } = parts.integrity;
  if (quarantine) return quarantineText(quarantine);
  if (!replica.isReady) return 'waiting for the first confirmed read since the start';
  return replica.stalledMs === undefined ? undefined : stalled(replica.stalledMs);
}

/** Reasons why writes may be refused, that are none to send nobody here. */
function limitsOf({ replica, store, options }: StatusParts): readonly string[] {
  const limits: string[] = [];
  if (replica.disk === 'low') {
    limits.push('its disk is full but for its reserve: what adds waits for a majority with room');
  }
  if (replica.disk === 'unable') limits.push('its disk is full or does not answer');
  const { quotaBytes } = options;
  if (quotaBytes !== undefined && store.bytes >= quotaBytes) {
    limits.push(`the store holds ${store.bytes} of its ${quotaBytes} bytes: puts are refused`);
  }
  for (const { keyspace, namespace, bytes, bytesMax } of store.quotas) {
    if (bytesMax === 0 || bytes < bytesMax) continue;
    const scope = namespace === '' ? `keyspace ${keyspace}` : `namespace ${namespace}`;
    limits.push(`${scope} holds ${bytes} of its ${bytesMax} bytes: what adds there is refused`);
  }
  return limits;
}

/** heartbeats alone do not make a member ready. */
const stalled = (ms: number): string =>
  `writes do not get through: there is a leader, and nothing was committed for ` +
  `${Math.floor(ms / 1000)} s, not even the leader's own sign of life; look at the disks of the ` +
  'leader and of a majority';

/** What keeps a damaged member from voting, and what a person can do where nobody else can. */
function owedBeforeVoting(parts: StatusParts, raft: RaftStatus): string | undefined {
  const { options, store, replica } = parts;
  if (raft.statusLost) {
    const names = raft.unheardVoters.map((id) => describe(id, options, store)).join(', ');
    return (
      `both copies of the status file are unreadable: this member votes again when it has heard ` +
      `the terms of ${names}; if one of these is gone for good, replace this member, too; if ` +
      `they have lost theirs as well, ${restore}`
    );
  }
  if (!raft.repairing) return undefined;
  if (membersOf(raft.configuration).length === 1) {
    return `a part of the log is damaged, and there is no other member to get it from: ${restore}`;
  }
  if (!replica.repair) {
    return 'repairing: only a leader of the other voters can tell what this log has lost';
  }
  const { from, through, waitsFor } = replica.repair;
  return `repairing entries ${from} to ${through}: waiting for ${waitsFor || 'a leader'}`;
}

const restore = 'put the data directory back from a backup, or begin a new cluster';

function peerStatus(parts: StatusParts, raft: RaftStatus, peer: MemberId): PeerStatus {
  const { options, replica, store } = parts;
  const isSelf = peer === options.identity.memberId;
  const bound = store.members().find((member) => member.memberId === peer);
  const initial = options.initialMembers.find((member) => member.memberId === peer);
  const progress = raft.peers.find((one) => one.id === peer);
  const match = isSelf ? raft.persisted : progress?.match;
  return {
    memberId: memberId(peer),
    name: bound?.name ?? initial?.name ?? peer.toString(16),
    peerAddresses: bound?.peerAddresses ?? (initial ? [initial.peerAddress] : []),
    clientAddresses: bound?.clientAddresses ?? (isSelf ? options.clientAddresses : []),
    role: peerRole(raft, peer, isSelf),
    reachable: isSelf || isReachable(parts, raft, peer),
    lastContactMs: isSelf ? 0 : replica.silenceMs.get(peer),
    // What it was found to have is not known before it has answered this leader once.
    lag: match === undefined || match === 0 ? undefined : Math.max(0, raft.last.index - match),
    match,
  };
}

/** Voters by what was heard of them, whoever leads; who only observes, by the link to it. */
function isReachable({ options, replica }: StatusParts, raft: RaftStatus, peer: MemberId): boolean {
  if (isVoter(raft.configuration, peer)) return !replica.missingVoters.includes(peer);
  return options.transport.isConnected(peer);
}

function peerRole(raft: RaftStatus, peer: MemberId, isSelf: boolean): PeerStatus['role'] {
  if (!isVoter(raft.configuration, peer)) return 'observer';
  if (raft.leader === peer) return 'leader';
  if (isSelf) return raft.role === 'pre-candidate' ? 'candidate' : raft.role;
  return raft.leader === undefined ? 'unknown' : 'follower';
}

const describe = (id: MemberId, options: StatusOptions, store: KvStore): string =>
  store.members().find((member) => member.memberId === id)?.name ??
  options.initialMembers.find((member) => member.memberId === id)?.name ??
  id.toString(16);
