// Who has another state than a majority, from what members have reported of one check. Pure: the
// same reports give the same verdict on every member, the one that it is about included.
import { type Index, index, type MemberId, memberId } from '@holdfast/base/ids';
import type { StateReportRequest } from '@holdfast/proto/internal';
import { type Configuration, hasQuorum, isJoint } from '@holdfast/raft/configuration';

export type StateReport = {
  readonly member: MemberId;
  readonly checkIndex: Index;
  readonly stateHash: bigint;
  readonly contentHash: bigint;
  readonly parts: readonly number[];
  /** An operator has said that this member may be overwritten, however much differs. */
  readonly overwrite: boolean;
  /** It does not trust its state, whatever it has found. */
  readonly doubted: boolean;
  /** The state came from another member and was not found equal to a majority since. */
  readonly unproven: boolean;
};

export function reportOf(request: StateReportRequest): StateReport {
  const { memberId: id, checkIndex, ...rest } = request;
  return { ...rest, member: memberId(id), checkIndex: index(checkIndex) };
}

export type OddMember = {
  readonly report: StateReport;
  /** One of those that a majority agrees on. */
  readonly sound: StateReport;
  readonly partsDiffering: number;
};

export type StateVerdict =
  /** Too few have reported. */
  | { readonly kind: 'open' }
  /**
   * A majority of the voters agrees, each by a state of its own that is not in doubt; or nobody
   * who is not in doubt differs. `odd` are all others that have reported.
   */
  | {
      readonly kind: 'decided';
      readonly sound: readonly MemberId[];
      readonly odd: readonly OddMember[];
    }
  /** Reports differ, and no majority agrees: nobody can tell who is right. */
  | { readonly kind: 'undecided'; readonly groups: readonly (readonly MemberId[])[] };

/** While voters change, nothing is decided: the next check finds the same. */
export function judgeStates(
  configuration: Configuration,
  reports: readonly StateReport[],
): StateVerdict {
  if (isJoint(configuration)) return { kind: 'open' };
  const groups = groupsOf(reports.filter(({ doubted }) => !doubted));
  // A state that was sent by another member is no second witness: what was spoiled there before it
  // was sent is here, too.
  const sound =
    groups.find((group) => hasMajority(configuration, group.filter(isProven))) ??
    unopposed(configuration, reports, groups);
  if (sound) return decided(sound, reports);
  if (groups.length < 2) return { kind: 'open' };
  return { kind: 'undecided', groups: groups.map((group) => group.map(({ member }) => member)) };
}

const isProven = ({ unproven }: StateReport): boolean => !unproven;

function hasMajority(configuration: Configuration, group: readonly StateReport[]): boolean {
  return hasQuorum(configuration, (id) => group.some(({ member }) => member === id));
}

/** Every voter has reported, and all that are not in doubt agree. */
function unopposed(
  configuration: Configuration,
  reports: readonly StateReport[],
  [group, ...others]: readonly (readonly StateReport[])[],
): readonly StateReport[] | undefined {
  if (!group || others.length > 0 || !hasMajority(configuration, group)) return undefined;
  const isThere = (id: MemberId): boolean => reports.some(({ member }) => member === id);
  return configuration.voters.every(isThere) ? group : undefined;
}

/**
 * While no majority can agree, since too many are gone: the members that a person has told to take
 * the state of `self`. None where anybody who is not in doubt differs from it.
 */
export function askedToBeOverwritten(
  reports: readonly StateReport[],
  self: MemberId,
): readonly OddMember[] {
  const [group, ...others] = groupsOf(reports.filter(({ doubted }) => !doubted));
  const own = group?.find(({ member }) => member === self);
  if (!own || others.length > 0) return [];
  return reports
    .filter(({ doubted, overwrite }) => doubted && overwrite)
    .map((report) => ({ report, sound: own, partsDiffering: differing(report, own) }));
}

function decided(group: readonly StateReport[], reports: readonly StateReport[]): StateVerdict {
  const [sample] = group as readonly [StateReport];
  const odd = reports
    .filter((report) => !group.includes(report))
    .map((report) => ({ report, sound: sample, partsDiffering: differing(report, sample) }));
  return { kind: 'decided', sound: group.map(({ member }) => member), odd };
}

function groupsOf(reports: readonly StateReport[]): readonly (readonly StateReport[])[] {
  const groups = new Map<string, StateReport[]>();
  for (const report of reports) {
    const key = `${report.stateHash} ${report.contentHash}`;
    const group = groups.get(key);
    if (group) group.push(report);
    else groups.set(key, [report]);
  }
  return [...groups.values()];
}

/** All of them, where the parts can not be compared. */
function differing(one: StateReport, other: StateReport): number {
  if (one.parts.length !== other.parts.length)
    return Math.max(one.parts.length, other.parts.length);
  return one.parts.filter((part, at) => part !== other.parts[at]).length;
}
