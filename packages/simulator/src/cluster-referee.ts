// Shows everything that whole members do to the judges of the log, and writes the timeline. Owns
// those judges; the judges of client promises belong to the clients.
import { must, unreachable } from '@holdfast/base/assert';
import { messageOf } from '@holdfast/base/errors';
import { index, type Term } from '@holdfast/base/ids';
import { formatConfiguration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { ReplicaEvent } from '@holdfast/replica/replica';
import type { ClusterMember, ClusterMemberWatcher } from './cluster-member.ts';
import { nameOf } from './cluster-member.ts';
import { CommitPermanence } from './judges/commit-permanence.ts';
import { ElectionSafety } from './judges/election-safety.ts';
import { judgeInvariantChain } from './judges/invariant-chain.ts';
import { LeaderCompleteness } from './judges/leader-completeness.ts';
import { LogMatching } from './judges/log-matching.ts';
import { StateMachineSafety } from './judges/state-machine-safety.ts';
import type { Timeline } from './timeline.ts';

export class ClusterReferee implements ClusterMemberWatcher {
  readonly #timeline: Timeline;
  readonly #onFailure: (error: unknown) => void;
  readonly #elections = new ElectionSafety();
  readonly #logs = new LogMatching();
  readonly #commits = new CommitPermanence();
  readonly #completeness = new LeaderCompleteness(this.#commits);
  readonly #states = new StateMachineSafety();
  readonly #counters = { applied: 0, restores: 0, problems: 0 };

  constructor(timeline: Timeline, onFailure: (error: unknown) => void) {
    this.#timeline = timeline;
    this.#onFailure = onFailure;
  }

  get counters(): Readonly<Record<string, number>> {
    const { electionCount: elections } = this.#elections;
    return { ...this.#counters, elections, committed: this.#commits.committed };
  }

  onEvent(member: ClusterMember, event: ReplicaEvent): void {
    const who = nameOf(member.id);
    this.#guard(() => {
      switch (event.type) {
        case 'role':
          this.#timeline.note(who, event.role, `term ${event.term}: ${event.why}`);
          if (event.role === 'leader') this.#observeLeader(member, event.term);
          break;
        case 'commit':
          this.#timeline.note(who, 'commit', String(event.commit));
          break;
        case 'configuration':
          this.#timeline.note(who, 'members', formatConfiguration(event.placed.configuration));
          break;
        case 'lost-log':
          this.#timeline.note(who, 'lost log', `${nameOf(event.peer)} ends at ${event.last}`);
          break;
        case 'problem':
          this.#counters.problems += 1;
          this.#timeline.note(who, 'problem', `${event.what}: ${messageOf(event.error)}`);
          break;
        default:
          unreachable(event);
      }
    });
  }

  onAccept(member: ClusterMember, previous: LogId, entries: readonly Entry[]): void {
    this.#guard(() => this.#logs.observeAppend(member.id, previous, entries));
  }

  onRestore(member: ClusterMember): void {
    this.#counters.restores += 1;
    this.#commits.observeBoot(member.id);
    this.#guard(() => {
      this.#states.observeRestore(member.id, member.store?.appliedIndex ?? index(0));
      this.#observeState(member);
    });
  }

  onApply(member: ClusterMember, entries: readonly Entry[]): void {
    this.#counters.applied += entries.length;
    this.#guard(() => {
      this.#states.observeApply(member.id, entries);
      // What is applied was committed, and stands in the log by now.
      const last = must(entries.at(-1), 'a batch has an entry').index;
      const first = must(entries[0], 'a batch has an entry').index;
      this.#commits.observeCommit(member.id, last, (at) => entries[at - first]?.term);
      this.#observeState(member);
      this.judgeChain(member);
    });
  }

  onFailure(member: ClusterMember, error: unknown): void {
    this.#timeline.note(nameOf(member.id), 'failure', messageOf(error));
    this.#onFailure(error);
  }

  judgeChain(member: ClusterMember): void {
    const status = member.engine?.replica.status();
    const raft = status?.raft;
    if (!status || !raft) return;
    // Between an installed snapshot's order and its switch the marks stand for two states.
    if (raft.purged.index > raft.applied) return;
    judgeInvariantChain(member.id, {
      purged: raft.purged.index,
      snapshot: status.snapshotIndex,
      applied: raft.applied,
      committed: raft.commit,
      persisted: raft.persisted,
      last: raft.last.index,
      lastLogTerm: raft.last.term,
      savedTerm: raft.term,
    });
  }

  #observeLeader(member: ClusterMember, term: Term): void {
    this.#elections.observeLeader(term, member.id);
    this.#completeness.observeElection({
      member: member.id,
      term,
      purged: member.log.purged,
      termAt: (at) => member.log.termAt(at),
    });
  }

  #observeState(member: ClusterMember): void {
    const { store } = member;
    if (store) this.#states.observeStateHash(member.id, store.appliedIndex, store.stateHash);
  }

  /** A judge speaks in the middle of a member's work: the world hears it, the member goes on. */
  #guard(look: () => void): void {
    try {
      look();
    } catch (error) {
      this.#onFailure(error);
    }
  }
}
