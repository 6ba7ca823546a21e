// What is wrong with the cluster, in sentences (C-20, A-26): one for each thing that a person would
// want to be told, with what it means and what to do. Pure: it reads what members say of themselves
// and who did not answer, and asks nobody.
import type { MemberReport } from './member-report.ts';

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
  | 'not-ready'
  | 'snapshot-failing'
  | 'client-failures'
  | 'frequent-evictions'
  | 'breaker-open';

export type Finding = {
  readonly case: FindingCase;
  readonly severity: 'critical' | 'warning' | 'info';
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
    ...each(members, notReady),
    ...each(members, failingSnapshot),
    ...each(members, failingCalls),
    ...each(members, evictions),
    ...members.flatMap((one) => (one.report ? breakers(one.report, members) : [])),
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
  const needed = Math.floor(voters.length / 2) + 1;
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
  const { canWrite, says: majority } = writing(members);
  return members
    .filter(({ report }) => report === undefined)
    .map(({ name, isVoter, missing }) => ({
      case: 'member-missing',
      severity: isVoter && !canWrite ? 'critical' : 'warning',
      members: [name],
      says:
        `${name} does not answer: ${missing ?? 'no answer'}; ` +
        (isVoter ? majority : 'it is an observer: writes need it not') +
        `; look whether its machine and its process run`,
    }));
}

function fullDisks(members: readonly AskedMember[]): readonly Finding[] {
  const { canWrite, says: majority } = writing(members);
  return members
    .filter(({ report }) => report?.diskFull)
    .map(({ name, isVoter }) => ({
      case: 'disk-full',
      severity: isVoter && !canWrite ? 'critical' : 'warning',
      members: [name],
      says:
        `the disk of ${name} is full: it answers reads and takes no writes; ` +
        (isVoter ? majority : 'it is an observer: writes need it not') +
        '; make room below its data directory, and it goes on within seconds',
    }));
}

/** Whether so many voters can write down what they are sent as it takes, and what that means. */
function writing(members: readonly AskedMember[]) {
  const voters = members.filter(({ isVoter }) => isVoter);
  const needed = Math.floor(voters.length / 2) + 1;
  const unable = voters.filter(
    ({ report }) => !report || report.diskFull || report.role === 'repairing',
  );
  const able = voters.length - unable.length;
  const canWrite = able >= needed;
  const says = canWrite
    ? 'the cluster bears one failure less'
    : `writes fail: ${needed} of ${voters.length} voters are needed for them, and ` +
      `${list(unable.map(({ name }) => name))} can not take part`;
  return { canWrite, says };
}

function notReady({ name, ready, notReadyReason, stalledMs }: MemberReport): Finding | undefined {
  // What is stalled is told once, of the leader.
  if (ready || stalledMs !== null) return undefined;
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
