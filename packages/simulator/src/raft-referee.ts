// Shows every step of a core-only world to the judges, and writes its timeline. Owns the judges.
import { unreachable } from '@holdfast/base/assert';
import type { Index, MemberId, RequestId } from '@holdfast/base/ids';
import { formatConfiguration } from '@holdfast/raft/configuration';
import type { TraceEvent } from '@holdfast/raft/core';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { Message } from '@holdfast/raft/message';
import type { RaftMarks } from '@holdfast/raft/raft';
import type { EventQueue } from './event-queue.ts';
import { CommitDurability, type HoldsDurably } from './judges/commit-durability.ts';
import { CommitFreshness } from './judges/commit-freshness.ts';
import { judgeInvariantChain } from './judges/invariant-chain.ts';
import type { HeldLog } from './judges/kept-acknowledgements.ts';
import { judgeRepairCount } from './judges/repair-count.ts';
import { judgeSavedPromise } from './judges/saved-promises.ts';
import { Violation } from './judges/violation.ts';
import { LogJudges } from './log-judges.ts';
import type { ModelSnapshot } from './model-storage.ts';
import type { RaftMember, RaftMemberWatcher } from './raft-member.ts';
import type { Timeline } from './timeline.ts';

export type RaftRefereeOptions = {
  readonly queue: EventQueue;
  readonly timeline: Timeline;
  readonly holdsDurably: HoldsDurably;
  /** A named place where the world may let a member die. */
  readonly onStatusSaved: (member: RaftMember) => void;
};

export class RaftReferee implements RaftMemberWatcher {
  readonly #queue: EventQueue;
  readonly #timeline: Timeline;
  readonly #holdsDurably: HoldsDurably;
  readonly onStatusSaved: (member: RaftMember) => void;
  readonly #judges = new LogJudges();
  readonly #durability = new CommitDurability();
  readonly #freshness = new CommitFreshness();
  /** What had been committed when each open read was called. */
  readonly #reads = new Map<RequestId, Index>();
  readonly #counters = { reads: 0, fresh: 0, applied: 0, restores: 0 };

  constructor({ queue, timeline, holdsDurably, onStatusSaved }: RaftRefereeOptions) {
    this.onStatusSaved = onStatusSaved;
    this.#queue = queue;
    this.#timeline = timeline;
    this.#holdsDurably = holdsDurably;
  }

  get counters(): Readonly<Record<string, number>> {
    const { electionCount: elections, commits } = this.#judges;
    return { ...this.#counters, elections, committed: commits.committed };
  }

  readCalled(id: RequestId): void {
    this.#reads.set(id, this.#judges.commits.committed);
  }

  onStep(member: RaftMember): void {
    const { raft } = member;
    if (!raft) return;
    const marks = raft.marks();
    this.#judges.observeMember(marks, logOf(member));
    if (marks.role === 'leader') {
      const { peers } = raft.status();
      this.#judges.observeLeader(marks, logOf(member), () => peers);
      judgeRepairCount(member.id, peers);
    }
    if (member.isInstalling) return;
    this.#observeCommit(member, marks);
    this.#judgeChain(member, marks);
  }

  onTrace(member: RaftMember, event: TraceEvent): void {
    const who = `n${member.id}`;
    switch (event.type) {
      case 'role':
        this.#judges.observeRole(member.id, event);
        return this.#timeline.note(who, event.role, `term ${event.term}: ${event.why}`);
      case 'commit':
        return this.#timeline.note(who, 'commit', String(event.commit));
      case 'configuration': {
        const { index, configuration } = event.placed;
        return this.#timeline.note(
          who,
          'members',
          `${index} ${formatConfiguration(configuration)}`,
        );
      }
      case 'lost-log':
        return this.#timeline.note(who, 'lost log', `n${event.peer} ends at ${event.last}`);
      default:
        unreachable(event);
    }
  }

  onAccept(member: RaftMember, previous: LogId, entries: readonly Entry[]): void {
    this.#judges.logs.observeAppend(member.id, previous, entries);
  }

  onSend(member: RaftMember, message: Message): void {
    judgeSavedPromise(message, member.storage.savedStatus);
    this.#judges.observeSent(message, logOf(member));
  }

  onRestore(member: RaftMember, snapshot: ModelSnapshot): void {
    const { last, stateHash } = snapshot;
    this.#counters.restores += 1;
    this.#judges.states.observeRestore(member.id, last.index);
    this.#judges.states.observeStateHash(member.id, last.index, BigInt(stateHash));
    this.#judges.observeBoot(member.id);
    this.#timeline.note(`n${member.id}`, 'restore', `${last.index}@${last.term}`);
  }

  onApply(member: RaftMember, entries: readonly Entry[], stateHash: number): void {
    this.#counters.applied += entries.length;
    this.#judges.states.observeApply(member.id, entries);
    this.#judges.states.observeStateHash(member.id, member.applied, BigInt(stateHash));
  }

  /** Rule 13 of safety.md: a read shows what was committed before it was called. */
  onRead(member: RaftMember, id: RequestId, readIndex: Index | undefined): void {
    const floor = this.#reads.get(id) ?? 0;
    this.#reads.delete(id);
    if (readIndex === undefined) return;
    this.#counters.reads += 1;
    if (readIndex >= floor) return;
    throw new Violation('read-index', `n${member.id} reads at ${readIndex} behind ${floor}`);
  }

  onFresh(member: RaftMember, stampMs: number, at: Index): void {
    if (!member.clock) return;
    this.#counters.fresh += 1;
    const { nowMs } = this.#queue;
    const confirmed = { nowMs, stampMs: member.clock.simulatedMsAt(stampMs), commit: at };
    this.#freshness.judge(member.id, confirmed);
  }

  onFailure(member: RaftMember, error: unknown): never {
    this.#timeline.note(`n${member.id}`, 'failure', String(error));
    throw error;
  }

  #observeCommit(member: RaftMember, marks: RaftMarks): void {
    const { commit, role, configuration } = marks;
    this.#judges.commits.observeCommit(member.id, commit, (at) => member.storage.termAt(at));
    this.#freshness.observeCommit(this.#queue.nowMs, this.#judges.commits.committed);
    const term = member.storage.termAt(commit);
    if (role !== 'leader' || term === undefined) return;
    this.#durability.observeCommit({ index: commit, term }, configuration, this.#holdsDurably);
  }

  #judgeChain(member: RaftMember, marks: RaftMarks): void {
    judgeInvariantChain(member.id as MemberId, {
      purged: marks.purged.index,
      applied: marks.applied,
      committed: marks.commit,
      persisted: marks.persisted,
      last: marks.last.index,
      lastLogTerm: marks.last.term,
      savedTerm: marks.term,
    });
  }
}

const logOf = ({ storage }: RaftMember): HeldLog => ({
  purged: storage.purged.index,
  termAt: (at) => storage.termAt(at),
});
