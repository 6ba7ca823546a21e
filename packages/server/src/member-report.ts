// What a member says of itself when another one asks: plain JSON, so that members of two versions
// understand each other as far as they can. Whoever reads one believes nothing but its shape.
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { EngineStatus } from '@holdfast/engine/engine';
import { quarantineText, undecidedText } from '@holdfast/engine/integrity-status';
import type { PeerMeshStatus } from '@holdfast/transport/peer-mesh';
import { type Static, Type } from 'typebox';
import { Check } from 'typebox/schema';
import type { BackupReport } from './backup-schedule.ts';
import { roundedOrNull } from './nullable.ts';
import type { Certificates } from './tls/certificates.ts';

const maybe = <T extends Parameters<typeof Type.Union>[0][number]>(type: T) =>
  Type.Union([type, Type.Null()]);

const peerSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  role: Type.String(),
  reachable: Type.Boolean(),
  lastContactMs: maybe(Type.Number()),
  match: maybe(Type.Number({ description: 'known on the leader: the last entry that it has' })),
});

const linkSchema = Type.Object({
  peer: Type.String({ description: 'its id' }),
  state: Type.String({ description: 'healthy, degraded or dead' }),
  reason: maybe(Type.String()),
  breaker: Type.String({ description: 'closed, open or half-open' }),
  breakerReason: maybe(Type.String()),
  breakerSinceMs: maybe(Type.Number({ description: 'how long it has not been closed' })),
});

const certificateSchema = Type.Object({
  port: Type.String({ description: 'peer or client' }),
  kind: Type.String({ description: 'own, or authority: whom it trusts' }),
  certificate: Type.String(),
  validTo: Type.String(),
  expiresInMs: Type.Number({ description: 'below zero: it has expired' }),
});

export const memberReportSchema = Type.Object({
  id: Type.String(),
  name: Type.String(),
  version: Type.String(),
  role: Type.String(),
  term: Type.Number(),
  leader: maybe(Type.String()),
  ready: Type.Boolean(),
  leaving: Type.Optional(Type.Boolean({ description: 'it is stopping, in order' })),
  notReadyReason: maybe(Type.String()),
  commitIndex: Type.Number(),
  appliedIndex: Type.Number(),
  lastIndex: Type.Number(),
  persistedIndex: Type.Number(),
  stalledMs: maybe(Type.Number({ description: 'since when nothing was committed, if it should' })),
  diskFull: Type.Optional(
    Type.Boolean({ description: 'it takes no writes until there is room on its disk' }),
  ),
  quarantine: Type.Optional(
    maybe(Type.String({ description: 'why its state is in doubt, and answers nothing' })),
  ),
  statesDiffer: Type.Optional(
    maybe(Type.String({ description: 'whose states differ, where no majority agrees' })),
  ),
  rotFound: Type.Optional(Type.Number({ description: 'files found rotten since its start' })),
  snapshotFailures: Type.Number({ description: 'tries that failed since one went well' }),
  snapshotFailure: maybe(Type.String()),
  backup: Type.Optional(
    Type.Object(
      {
        lateMs: maybe(Type.Number({ description: 'since it was due, if that is long ago' })),
        failure: maybe(Type.String({ description: 'why the last try failed here' })),
      },
      { description: 'of scheduled backups, if this member makes any' },
    ),
  ),
  peers: Type.Array(peerSchema),
  links: Type.Array(linkSchema),
  evictions: Type.Record(Type.String(), Type.Number(), {
    description: 'connections ended in the last ten minutes, by reason',
  }),
  failures: Type.Record(Type.String(), Type.Number(), {
    description: 'calls of clients that failed in the last minute, by code',
  }),
  certificates: Type.Optional(Type.Array(certificateSchema)),
  certificateProblems: Type.Optional(
    Type.Array(Type.String(), { description: 'why what its files hold is not used' }),
  ),
});

export type CertificateReport = Static<typeof certificateSchema>;
export type MemberReport = Static<typeof memberReportSchema>;

export type ReportParts = {
  readonly status: EngineStatus;
  /** Undefined while there are no connections. */
  readonly mesh: PeerMeshStatus | undefined;
  /** Failed calls of the last minute, by code. */
  readonly failures: ReadonlyMap<string, number>;
  readonly certificates: Pick<Certificates, 'views' | 'problems'>;
  /** Undefined: it makes no scheduled ones. */
  readonly backup?: BackupReport | undefined;
  readonly nowMs: number;
  readonly isLeaving: boolean;
};

export function memberReport(parts: ReportParts): MemberReport {
  const { status, mesh, failures, certificates, backup, nowMs, isLeaving } = parts;
  return {
    id: formatId(status.memberId),
    name: status.name,
    version: status.version,
    role: status.role,
    term: status.term,
    leader: idOrNull(status.leader),
    ready: status.ready && !isLeaving,
    leaving: isLeaving,
    notReadyReason: status.notReadyReason ?? null,
    commitIndex: status.commitIndex,
    appliedIndex: status.appliedIndex,
    lastIndex: status.lastIndex,
    persistedIndex: status.persistedIndex,
    stalledMs: roundedOrNull(status.stalledMs),
    diskFull: status.disk !== 'well',
    quarantine: quarantineOf(status),
    statesDiffer: differenceOf(status),
    rotFound: status.scrub?.found ?? 0,
    snapshotFailures: status.snapshotFailures.count,
    snapshotFailure: status.snapshotFailures.last ?? null,
    ...(backup ? { backup } : {}),
    peers: status.peers
      .filter(({ memberId }) => memberId !== status.memberId)
      .map((peer) => ({
        id: formatId(peer.memberId),
        name: peer.name,
        role: peer.role,
        reachable: peer.reachable,
        lastContactMs: roundedOrNull(peer.lastContactMs),
        match: peer.match ?? null,
      })),
    links: (mesh?.peers ?? []).map((link) => linkReport(link, nowMs)),
    evictions: Object.fromEntries(mesh?.tally.recentEvictions ?? []),
    failures: Object.fromEntries(failures),
    certificates: [...certificates.views],
    certificateProblems: [...certificates.problems],
  };
}

const quarantineOf = ({ integrity }: EngineStatus): string | null =>
  integrity?.quarantine ? quarantineText(integrity.quarantine) : null;

function differenceOf({ integrity, peers }: EngineStatus): string | null {
  if (integrity?.verdict.kind !== 'undecided') return null;
  const nameOf = (id: MemberId): string =>
    peers.find(({ memberId }) => memberId === id)?.name ?? formatId(id);
  return undecidedText(integrity.verdict.groups, nameOf);
}

function linkReport(
  { peer, health, breaker, slowBreaker }: PeerMeshStatus['peers'][number],
  nowMs: number,
): MemberReport['links'][number] {
  const { state } = health;
  const shut = breaker.name === 'closed' ? slowBreaker : breaker;
  const isShut = shut.name !== 'closed';
  return {
    peer: formatId(peer),
    state: state.name,
    reason: state.name === 'healthy' ? null : state.reason,
    breaker: shut.name,
    breakerReason: isShut ? shut.reason : null,
    breakerSinceMs: isShut ? Math.round(nowMs - shut.sinceMs) : null,
  };
}

/** Throws `corrupt` for what is no report. */
export function readMemberReport(text: string): MemberReport {
  const value: unknown = parsed(text);
  if (Check(memberReportSchema, value)) return value;
  throw new HoldfastError('corrupt', 'it answers with something else than a report');
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined; // Which is no report.
  }
}

const idOrNull = (id: MemberId | undefined): string | null =>
  id === undefined ? null : formatId(id);
