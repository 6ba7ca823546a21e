// What a change of members would come to, judged by the leader before anything is proposed: pure,
// and the one place of every rule. What is refused says which member, and what to do (field U-8).
import { HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId, type StoreId } from '@holdfast/base/ids';
import { majority } from '@holdfast/raft/configuration';
import type { MembershipTarget } from '@holdfast/raft/membership';

/** A machine that is to be added: first as an observer, which votes once it is promoted. */
export type Newcomer = {
  readonly memberId: MemberId;
  readonly storeId: StoreId;
  readonly name: string;
  readonly peerAddress: string;
  /** The newest kind of entry that it understands. */
  readonly version: number;
};

export type MemberChange =
  | { readonly kind: 'add'; readonly newcomer: Newcomer }
  | { readonly kind: 'remove' | 'promote' | 'demote'; readonly id: MemberId };

/** Of somebody in the configuration, as the leader knows it. */
export type PlannedMember = {
  readonly id: MemberId;
  readonly name: string;
  readonly peerAddresses: readonly string[];
  /** Heard of within an election timeout; the leader itself always is. */
  readonly isReachable: boolean;
  /** Entries that it lacks; undefined: not known. */
  readonly lag: number | undefined;
};

export type MembershipView = {
  readonly voters: readonly MemberId[];
  readonly learners: readonly MemberId[];
  /** All of the configuration. */
  readonly members: readonly PlannedMember[];
  /** Ids that were removed, and never come back. */
  readonly removed: ReadonlySet<MemberId>;
};

/** An observer that lacks more entries would stall what is committed with its vote. */
export const promotionLagMax = 500;

/**
 * The members as they will be. Throws `invalid-argument`, `not-found`, `already-exists`, and
 * `failed-precondition` for what would cost the cluster its majority.
 */
export function planChange(
  view: MembershipView,
  changes: readonly MemberChange[],
): MembershipTarget {
  requireSomething(changes);
  const voters = new Set(view.voters);
  const learners = new Set(view.learners);
  for (const change of changes) {
    if (change.kind === 'add') {
      requireNew(view, change.newcomer);
      if (!voters.has(change.newcomer.memberId)) learners.add(change.newcomer.memberId);
      continue;
    }
    if (change.kind === 'remove' && view.removed.has(change.id)) continue; // Asked again.
    const member = memberOf(view, change.id);
    if (change.kind === 'promote') {
      if (voters.has(member.id)) continue; // Asked again: it is done.
      requireAbreast(member);
      voters.add(member.id);
      learners.delete(member.id);
    } else {
      voters.delete(member.id);
      learners.delete(member.id);
      if (change.kind === 'demote') learners.add(member.id);
    }
  }
  requireMajority(view, [...voters]);
  return { voters: [...voters], learners: [...learners] };
}

function requireSomething(changes: readonly MemberChange[]): void {
  if (changes.length === 0) throw refused('invalid-argument', 'no change of members was asked for');
  const ids = changes.map((change) =>
    change.kind === 'add' ? change.newcomer.memberId : change.id,
  );
  if (new Set(ids).size === ids.length) return;
  throw refused('invalid-argument', 'a member stands twice in one change: say what it shall be');
}

function memberOf(view: MembershipView, id: MemberId): PlannedMember {
  const found = view.members.find((member) => member.id === id);
  if (found) return found;
  const known = view.members.map(({ name }) => name).join(', ');
  const why = view.removed.has(id) ? 'was removed before' : 'is no member of this cluster';
  throw refused('not-found', `member ${formatId(id)} ${why}; its members are ${known}`);
}

function requireNew(view: MembershipView, newcomer: Newcomer): void {
  const { memberId: id, name, peerAddress } = newcomer;
  if (view.removed.has(id)) {
    throw refused(
      'removed',
      `member ${name} (${formatId(id)}) was removed from the cluster: start it with an empty ` +
        'data directory, and it joins under another id',
    );
  }
  for (const other of view.members) {
    if (other.id === id) continue; // Asked again.
    if (other.name === name) {
      throw refused(
        'already-exists',
        `there is a member named ${name} (${formatId(other.id)}): choose another --name, or ` +
          'remove that one first if its machine is gone',
      );
    }
    if (other.peerAddresses.includes(peerAddress)) {
      throw refused(
        'already-exists',
        `${other.name} is at ${peerAddress}: each member has a peer address of its own; remove ` +
          `${other.name} first if this machine takes its place`,
      );
    }
  }
}

function requireAbreast({ name, isReachable, lag }: PlannedMember): void {
  if (!isReachable) {
    throw refused(
      'failed-precondition',
      `${name} is not reachable now, and would count as a voter that is missing: promote it when ` +
        'it is back',
    );
  }
  if (lag !== undefined && lag <= promotionLagMax) return;
  const behind = lag === undefined ? 'nobody knows yet how far it is' : `it lacks ${lag} entries`;
  throw refused(
    'failed-precondition',
    `${name} has not caught up (${behind}): as a voter it would hold up every write; promote it ` +
      `when it lacks at most ${promotionLagMax}`,
  );
}

/** With the members that answer now, the new configuration must be able to decide. */
function requireMajority(view: MembershipView, voters: readonly MemberId[]): void {
  if (voters.length === 0) {
    throw refused('failed-precondition', 'that would leave the cluster without a voter');
  }
  const isUnchanged =
    voters.length === view.voters.length && voters.every((id) => view.voters.includes(id));
  if (isUnchanged) return;
  const missing = voters
    .map((id) => view.members.find((member) => member.id === id))
    .filter((member) => member !== undefined && !member.isReachable);
  const needed = majority(voters.length);
  const left = voters.length - missing.length;
  if (left >= needed) return;
  const names = missing.map((member) => member?.name).join(', ');
  const [does, them] = missing.length === 1 ? ['does', 'it'] : ['do', 'them'];
  throw refused(
    'failed-precondition',
    `that would cost the cluster its majority: of ${voters.length} voters ${needed} have to ` +
      `answer, and ${names} ${does} not; bring ${them} back, or remove ${them} first`,
  );
}

const refused = (
  code: 'invalid-argument' | 'not-found' | 'already-exists' | 'failed-precondition' | 'removed',
  message: string,
): HoldfastError => new HoldfastError(code, message);
