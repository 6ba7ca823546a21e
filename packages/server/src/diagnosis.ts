// What is wrong with the cluster, in sentences (C-20, A-26): one for each thing that a person would
// want to be told, with what it means and what to do. Pure: it reads what members say of themselves
// and who did not answer, and asks nobody.
import { majority } from '@holdfast/raft/configuration';

import type { MemberReport } from './member-report.ts';
import { certificateFindings } from './tls/certificate-findings.ts';

/** A member of the configuration: its own word, or why there is none. */
export type AskedMember = {
  readonly id: string;
  readonly name: string;
  readonly isVoter: boolean;
  readonly report?: MemberReport | undefined;
  /** Why it did not answer. */
  readonly missing?: string | undefined;
};

export type FindingCase =
  | 'no-leader'
  | 'two-leaders'
  | 'commit-stalled'
  | 'member-missing'
  | 'disk-full'
  | 'state-in-doubt'
  | 'states-differ'
  | 'not-ready'
  | 'snapshot-failing'
  | 'backup-late'
  | 'client-failures'
  | 'frequent-evictions'
  | 'breaker-open'
  | 'certificate-expires'
  | 'certificate-refused';

type Severity = 'critical' | 'warning' | 'info';

export type Finding = {
  readonly case: FindingCase;
  readonly severity: Severity;
  /** The members that it is about, by name. */
  readonly members: readonly string[];
  /** One sentence, or two: what it is, what it means, what to do. */
  readonly says: string;
};

/** More connections ended in ten minutes than that, the idle ones apart, are frequent. */
const evictionsMax = 20;
/** More calls failed in a minute than that, of the codes that speak of waiting, are many. */
const failuresMax = 10;
/** A breaker that is not closed for longer than two of its periods is stuck. */
const stuckMs = 60_000;

const waitingCodes = ['deadline-exceeded', 'no-leader', 'no-quorum', 'unavailable'];

/** The gravest first; nothing: all that is looked at is well. */
export function diagnose(members: readonly AskedMember[]): readonly Finding[] {
  const findings = [
    ...leadership(members),
    ...stalledCommit(members),
    ...missingMembers(members),
    ...fullDisks(members),
    ...each(members, doubted),
    ...differingStates(members),
    ...each(members, notReady),
    ...each(members, failingSnapshot),
    ...lateBackup(members),
    ...each(members, failingCalls),
    ...each(members, evictions),
    ...members.flatMap((one) => (one.report ? breakers(one.report, members) : [])),
    ...members.flatMap(({ report }) => (report ? certificateFindings(report) : [])),
  ];
  return findings.sort((a, b) => gravity[a.severity] - gravity[b.severity]);
}

const gravity = { critical: 0, warning: 1, info: 2 } as const;

const each = (
  members: readonly AskedMember[],
  look: (report: MemberReport) => Finding | undefined,
): readonly Finding[] =>
  members.flatMap(({ report }) => {
    const finding = report && look(report);
    return finding ? [finding] : [];
  });

function leadership(members: readonly AskedMember[]): readonly Finding[] {
  const reports = members.flatMap(({ report }) => report ?? []);
  const leaders = reports.filter(({ role }) => role === 'leader');
  const newest = Math.max(0, ...leaders.map(({ term }) => term));
  const inOffice = leaders.filter(({ term }) => term === newest);
  if (inOffice.length > 1) return [twoLeaders(inOffice)];
  const isFollowed = inOffice.length === 1 || reports.some(({ leader }) => leader !== null);
  return isFollowed ? [] : [noLeader(members)];
}

/** Two of one term are a broken promise, not a passing state. */
const twoLeaders = (leaders: readonly MemberReport[]): Finding => ({
  case: 'two-leaders',
  severity: 'critical',
  members: leaders.map(({ name }) => name),
  says:
    `${list(leaders.map(({ name }) => name))} both say that they lead in term ` +
    `${leaders[0]?.term}: that must never be; stop all but one, keep the data directories, and ` +
    'report it',
});

function noLeader(members: readonly AskedMember[]): Finding {
  const voters = members.filter(({ isVoter }) => isVoter);
  const needed = majority(voters.length);
  const able = voters.filter(({ report }) => report && report.role !== 'repairing');
  const silent = voters.filter(({ report }) => report === undefined);
  const repairing = voters.filter(({ report }) => report?.role === 'repairing');
  const base = { case: 'no-leader', severity: 'critical' } as const;
  if (able.length >= needed) {
    const term = Math.max(...able.map(({ report }) => report?.term ?? 0));
    const says =
      `there is no leader: ${able.length} of ${voters.length} voters answer, which is enough, ` +
      `and an election is under way in term ${term}; if that lasts for more than a few seconds, ` +
      'look at the links between them';
    return { ...base, members: able.map(({ name }) => name), says };
  }
  const whom = [
    ...silent.map(({ name, missing }) => `${name} (${missing ?? 'no answer'})`),
    ...repairing.map(({ name }) => `${name} (it repairs its log, and does not vote until then)`),
  ];
  const says =
    `there is no leader, and there can be none: ${needed} of ${voters.length} voters are needed, ` +
    `and from here ${able.length} can vote; bring back ${list(whom)}`;
  return { ...base, members: [...silent, ...repairing].map(({ name }) => name), says };
}

function stalledCommit(members: readonly AskedMember[]): readonly Finding[] {
  const leader = members.find(({ report }) => report?.role === 'leader')?.report;
  if (leader && leader.stalledMs !== null) return [stalledOn(leader, leader.stalledMs, members)];
  const stalled = members.flatMap(({ report }) => (report?.stalledMs != null ? [report] : []));
  if (stalled.length === 0) return [];
  const [longest] = stalled.map(({ stalledMs }) => stalledMs ?? 0).sort((a, b) => b - a);
  return [
    {
      case: 'commit-stalled',
      severity: 'critical',
      members: stalled.map(({ name }) => name),
      says:
        `there is a leader, and ${list(stalled.map(({ name }) => name))} heard of no commit for ` +
        `${seconds(longest ?? 0)}: what is read there is old; look at the log connections to it ` +
        '(holdfast connections list)',
    },
  ];
}

/** Who lacks what the leader waits for. */
function stalledOn(
  leader: MemberReport,
  stalledMs: number,
  members: readonly AskedMember[],
): Finding {
  const behind = leader.peers.filter(({ match }) => (match ?? 0) <= leader.commitIndex);
  const whom = behind.map(({ id, name, match }) => {
    const missing = members.find((one) => one.id === id)?.missing;
    return `${name} (has ${match ?? 'nothing'}${missing ? `, ${missing}` : ''})`;
  });
  const own =
    leader.persistedIndex <= leader.commitIndex && leader.lastIndex > leader.commitIndex
      ? `; its own disk has synced up to ${leader.persistedIndex} only`
      : '';
  return {
    case: 'commit-stalled',
    severity: 'critical',
    members: behind.map(({ name }) => name),
    says:
      `nothing was committed for ${seconds(stalledMs)}: the leader ${leader.name} stands at ` +
      `${leader.commitIndex} of ${leader.lastIndex}, and waits for ${list(whom)}${own}; writes ` +
      'fail until a majority has synced; look at their disks and log connections',
  };
}

function missingMembers(members: readonly AskedMember[]): readonly Finding[] {
  const lossOf = losses(members);
  return members
    .filter(({ report }) => report === undefined)
    .map((member) => {
      const { severity, means } = lossOf(member);
      const says =
        `${member.name} does not answer: ${member.missing ?? 'no answer'}; ${means}` +
        '; look whether its machine and its process run';
      return { case: 'member-missing', severity, members: [member.name], says };
    });
}

function fullDisks(members: readonly AskedMember[]): readonly Finding[] {
  const lossOf = losses(members);
  return members
    .filter(({ report }) => report?.diskFull)
    .map((member) => {
      const { severity, means } = lossOf(member);
      const says =
        `the disk of ${member.name} is full: it answers reads and takes no writes; ${means}` +
        '; make room below its data directory, and it goes on within seconds';
      return { case: 'disk-full', severity, members: [member.name], says };
    });
}

/** What it means that one of them can not write down what it is sent: whether enough others can. */
function losses(members: readonly AskedMember[]) {
  const voters = members.filter(({ isVoter }) => isVoter);
  const needed = majority(voters.length);
  const unable = voters.filter(
    ({ report }) => !report || report.diskFull || report.role === 'repairing',
  );
  const canWrite = voters.length - unable.length >= needed;
  return ({ isVoter }: AskedMember): { readonly severity: Severity; readonly means: string } => {
    if (!isVoter) return { severity: 'warning', means: 'it is an observer: writes need it not' };
    if (canWrite) return { severity: 'warning', means: 'the cluster bears one failure less' };
    const means =
      `writes fail: ${needed} of ${voters.length} voters are needed for them, and ` +
      `${list(unable.map(({ name }) => name))} can not take part`;
    return { severity: 'critical', means };
  };
}

function doubted({ name, quarantine }: MemberReport): Finding | undefined {
  if (quarantine == null) return undefined;
  const says = `${name}: ${quarantine}; if it comes again, its memory or its machine is bad`;
  return { case: 'state-in-doubt', severity: 'critical', members: [name], says };
}

/** All say the same of it: told once. */
function differingStates(members: readonly AskedMember[]): readonly Finding[] {
  const told = members.flatMap(({ report }) => (report?.statesDiffer != null ? [report] : []));
  const says = told[0]?.statesDiffer;
  if (says == null) return [];
  const names = told.map(({ name }) => name);
  return [{ case: 'states-differ', severity: 'critical', members: names, says }];
}

function notReady(report: MemberReport): Finding | undefined {
  const { name, ready, notReadyReason, stalledMs, quarantine } = report;
  // What is stalled is told once, of the leader; what is in doubt, as such.
  if (ready || stalledMs !== null || quarantine != null) return undefined;
  const says = `${name} does not serve: ${notReadyReason ?? 'it does not say why'}`;
  return { case: 'not-ready', severity: 'warning', members: [name], says };
}

function failingSnapshot(report: MemberReport): Finding | undefined {
  const { name, snapshotFailures, snapshotFailure } = report;
  if (snapshotFailures === 0) return undefined;
  const times = snapshotFailures === 1 ? 'once' : `${snapshotFailures} times in a row`;
  return {
    case: 'snapshot-failing',
    severity: 'warning',
    members: [name],
    says:
      `${name} could not write a snapshot, ${times} by now: ${snapshotFailure ?? 'unknown'}; ` +
      'nothing is lost, but its log grows and its next start takes longer; look at its disk',
  };
}

/** Any one of those that make them could have made it: it is told once, of all. */
function lateBackup(members: readonly AskedMember[]): readonly Finding[] {
  const making = members.flatMap(({ report }) => (report?.backup ? [report] : []));
  const late = making.flatMap(({ backup }) => backup?.lateMs ?? []);
  if (late.length === 0) return [];
  const failures = making.flatMap(({ name, backup }) =>
    backup?.failure ? [`${name}: ${backup.failure}`] : [],
  );
  const why = failures.length > 0 ? list(failures) : 'none of them says why';
  const says =
    `a scheduled backup has been due for ${seconds(Math.min(...late))}, and none was made ` +
    `(${why}); the newest one holds nothing of what was written since`;
  const names = making.map(({ name }) => name);
  return [{ case: 'backup-late', severity: 'warning', members: names, says }];
}

function failingCalls({ name, failures, leader, role, term }: MemberReport): Finding | undefined {
  const waited = waitingCodes.flatMap((code) => {
    const count = failures[code] ?? 0;
    return count > 0 ? [{ code, count }] : [];
  });
  const total = waited.reduce((sum, { count }) => sum + count, 0);
  if (total <= failuresMax) return undefined;
  const by = list(waited.map(({ code, count }) => `${count} by ${code}`));
  const says =
    `${total} calls of clients failed at ${name} in the last minute: ${by}; it is ${role} of ` +
    `term ${term}, and ${leader === null ? 'knows no leader' : 'has a leader'}; what is said of ` +
    'the leader and of commits here tells why, else its machine is too busy';
  return { case: 'client-failures', severity: 'warning', members: [name], says };
}

function evictions({ name, evictions: counts }: MemberReport): Finding | undefined {
  const told = Object.entries(counts).filter(([reason]) => reason !== 'operator');
  const amiss = told.filter(([reason]) => reason !== 'idle');
  const total = amiss.reduce((sum, [, count]) => sum + count, 0);
  const idle = counts['idle'] ?? 0;
  if (total <= evictionsMax && idle <= evictionsMax * 5) return undefined;
  const by = list(told.map(([reason, count]) => `${count} ${reason}`));
  const advice =
    total > evictionsMax
      ? 'its network or the peers named under its links come and go'
      : 'raise connection-idle-ms, if the dials they cost are too many';
  const says = `${name} ended connections often in the last ten minutes (${by}): ${advice}`;
  return { case: 'frequent-evictions', severity: 'warning', members: [name], says };
}

function breakers(report: MemberReport, members: readonly AskedMember[]): readonly Finding[] {
  return report.links.flatMap(({ peer, state, breaker, breakerReason, breakerSinceMs }) => {
    if (breaker === 'closed') return [];
    const name = members.find(({ id }) => id === peer)?.name ?? peer;
    const sinceMs = breakerSinceMs ?? 0;
    const isOdd = state !== 'dead' && sinceMs > stuckMs;
    const severity = isOdd ? 'warning' : 'info';
    const advice = isOdd
      ? 'its pings are answered, so calls should pass: if it is well, holdfast connections reset'
      : 'it is taken back by itself when it answers';
    const says =
      `${report.name} lets no call through to ${name} for ${seconds(sinceMs)} (${breaker}): ` +
      `${breakerReason ?? 'no reason is known'}; ${advice}`;
    return [{ case: 'breaker-open', severity, members: [report.name, name], says }];
  });
}

const seconds = (ms: number): string => `${Math.floor(ms / 1000)} s`;

function list(items: readonly string[]): string {
  if (items.length < 2) return items[0] ?? 'nobody';
  return `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`;
}
