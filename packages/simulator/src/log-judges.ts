// The judges of the log that every world has, and the order in which they are told. A world shows
// what its members do; nothing here knows whether a member is whole or a core alone.
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import type { Configuration } from '@holdfast/raft/configuration';
import type { Message } from '@holdfast/raft/message';
import { CommitPermanence } from './judges/commit-permanence.ts';
import { CommitRule } from './judges/commit-rule.ts';
import { ElectionSafety } from './judges/election-safety.ts';
import { type HeldLog, KeptAcknowledgements } from './judges/kept-acknowledgements.ts';
import { LeaderCompleteness } from './judges/leader-completeness.ts';
import { LogMatching } from './judges/log-matching.ts';
import { MembershipChanges } from './judges/membership-changes.ts';
import { judgeRepairCount, type TrackedPeer } from './judges/repair-count.ts';
import { StateMachineSafety } from './judges/state-machine-safety.ts';
import { TermCommits } from './judges/term-commits.ts';
import { Votes } from './judges/votes.ts';

/** A member as it is between two steps. */
export type SeenMember = { readonly id: MemberId; readonly term: Term; readonly commit: Index };
export type SeenLeader = SeenMember & {
  readonly configuration: Configuration;
  readonly configurationIndex: number;
};

export type SeenRole = { readonly role: string; readonly term: Term; readonly why: string };

export class LogJudges {
  readonly logs = new LogMatching();
  readonly commits = new CommitPermanence();
  readonly states = new StateMachineSafety();
  readonly members = new MembershipChanges();
  readonly #elections = new ElectionSafety();
  readonly #votes = new Votes();
  readonly #termCommits = new TermCommits();
  readonly #completeness = new LeaderCompleteness(this.#termCommits);
  readonly #rule = new CommitRule();
  readonly #kept = new KeptAcknowledgements(this.#termCommits);
  /** Of each member in this boot. */
  readonly #commitOf = new Map<MemberId, Index>();

  get electionCount(): number {
    return this.#elections.electionCount;
  }

  observeBoot(member: MemberId): void {
    this.commits.observeBoot(member);
    this.#commitOf.delete(member);
  }

  /** After each step of a member. */
  observeMember({ id, term, commit }: SeenMember, log: HeldLog): void {
    const before = this.#commitOf.get(id);
    if (before === commit) return;
    this.#commitOf.set(id, commit);
    const commitTerm = log.termAt(commit);
    // What it knew when it started is older than the term that it may have now, or not yet.
    if (before === undefined || commitTerm === undefined) return;
    this.#termCommits.observe(term, { index: commit, term: commitTerm });
  }

  observeRole(member: MemberId, { role, term, why }: SeenRole): void {
    if (role === 'pre-candidate') this.members.observePreVote(member, term);
    // A candidate by its leader's word has asked nobody.
    if (role === 'candidate' && why === 'pre-vote won') this.members.observeCandidacy(member, term);
  }

  /** After each step of a member that leads; `peers` is asked for where it has committed. */
  observeLeader(leader: SeenLeader, log: HeldLog, peers: () => readonly TrackedPeer[]): void {
    const { id: member, term, commit, configuration } = leader;
    this.members.observeLeader(leader);
    if (this.#elections.observeLeader(term, member)) {
      this.#votes.observeLeader(member, term, configuration);
      this.#completeness.observeElection({ member, term, log });
    }
    if (!this.#rule.isNews(member, term, commit)) return;
    this.#rule.observeLeader(member, { term, commit, commitTerm: log.termAt(commit) });
    judgeRepairCount(member, peers());
  }

  /** What a member promises to others, as it leaves. */
  observeSent(message: Message, log: HeldLog): void {
    const { from, to, term } = message;
    if (message.type === 'vote-response' && message.granted) {
      this.#votes.observeVote({ voter: from, term, candidate: to });
      this.#kept.judgePromise(from, log, 'votes');
    } else if (message.type === 'vote-request') {
      this.#votes.observeVote({ voter: from, term, candidate: from });
      this.#kept.judgePromise(from, log, 'is a candidate');
    } else if (message.type === 'append-entries-response' && message.result === 'success') {
      const matchTerm = log.termAt(message.match);
      // It may have waited for a status save, and the log been changed meanwhile.
      if (matchTerm === undefined || matchTerm > term) return;
      this.#kept.judgePromise(from, log, 'says success');
      this.#kept.acknowledged(from, term, { index: message.match, term: matchTerm });
    }
  }
}
