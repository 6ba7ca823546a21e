// How members come and go (thesis chapter 4): a leader makes one change at a time, voters change
// through a joint configuration, and whoever is out disturbs nobody. Owns what each leader had in
// effect, and who has left.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import type { Configuration } from '@holdfast/raft/configuration';
import { Violation } from './violation.ts';

export type SeenChange = {
  readonly id: MemberId;
  readonly term: Term;
  readonly commit: Index;
  readonly configuration: Configuration;
  /** Of the entry that says so; 0 where no entry does. */
  readonly configurationIndex: number;
};

export class MembershipChanges {
  readonly #known = new Map<MemberId, SeenChange>();
  readonly #ever = new Set<MemberId>();
  readonly #left = new Set<MemberId>();
  /** Those that have left and asked since then whether they would be elected. */
  readonly #asking = new Set<MemberId>();
  /** The last term that each asked for while it belonged: answers to that may come late. */
  readonly #askedFor = new Map<MemberId, number>();
  #settledIndex = -1;
  #changes = 0;

  /** Configurations that leaders have entered. */
  get changeCount(): number {
    return this.#changes;
  }

  /** After each step of a member that leads. */
  observeLeader(now: SeenChange): void {
    const before = this.#known.get(now.id);
    if (before?.term === now.term && before.configurationIndex !== now.configurationIndex) {
      this.#changes += 1;
      judgeOneAtATime(before, now);
      judgeJoint(before, now);
    }
    if (before === undefined || hasMoved(before, now)) this.#known.set(now.id, now);
    this.#settle(now);
  }

  /** A member asks whether it would be elected in the term after its own. */
  observePreVote(member: MemberId, own: Term): void {
    if (this.#left.has(member)) this.#asking.add(member);
    else this.#askedFor.set(member, own + 1);
  }

  /** It was told that it would. */
  observeCandidacy(member: MemberId, term: Term): void {
    if (!this.#asking.has(member) || term === this.#askedFor.get(member)) return;
    const detail = `${member} was removed, and was told that it would be elected in term ${term}`;
    throw new Violation('membership', detail);
  }

  #comes(id: MemberId): void {
    this.#ever.add(id);
    this.#left.delete(id);
    this.#asking.delete(id);
  }

  #settle({ configuration, configurationIndex: at, commit }: SeenChange): void {
    const { voters, votersOutgoing, learners } = configuration;
    for (const id of [...voters, ...votersOutgoing, ...learners]) this.#comes(id);
    if (at > commit || at <= this.#settledIndex || votersOutgoing.length > 0) return;
    this.#settledIndex = at;
    for (const id of this.#ever) {
      if (!voters.includes(id) && !learners.includes(id)) this.#left.add(id);
    }
  }
}

const hasMoved = (a: SeenChange, b: SeenChange): boolean =>
  a.term !== b.term || a.configurationIndex !== b.configurationIndex;

function judgeOneAtATime(before: SeenChange, now: SeenChange): void {
  if (before.configurationIndex <= now.commit) return;
  throw new Violation(
    'membership',
    `${now.id} changes the members at ${now.configurationIndex}, while the change at ` +
      `${before.configurationIndex} is not committed (${now.commit})`,
  );
}

function judgeJoint({ configuration: from }: SeenChange, { id, configuration: to }: SeenChange) {
  const wasJoint = from.votersOutgoing.length > 0;
  const expected = wasJoint || isSame(from.voters, to.voters) ? [] : from.voters;
  const isLeft = !wasJoint || isSame(from.voters, to.voters);
  if (isSame(to.votersOutgoing, expected) && isLeft) return;
  const say = ({ voters, votersOutgoing }: Configuration): string =>
    `(${voters.join(' ')})${votersOutgoing.length > 0 ? `+(${votersOutgoing.join(' ')})` : ''}`;
  throw new Violation('membership', `${id} goes from voters ${say(from)} to ${say(to)} at once`);
}

const isSame = (a: readonly MemberId[], b: readonly MemberId[]): boolean =>
  a.length === b.length && a.every((id) => b.includes(id));
