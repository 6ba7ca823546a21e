// Shows everything that whole members do to the judges of the log, and writes the timeline. Owns
// those judges; the judges of client promises belong to the clients.
import { must, unreachable } from '@holdfast/base/assert';
import { messageOf } from '@holdfast/base/errors';
import { type Index, index } from '@holdfast/base/ids';
import type { IntegrityEvent } from '@holdfast/engine/integrity-status';
import { isEntryGroup } from '@holdfast/proto/entry-envelope';
import { formatConfiguration } from '@holdfast/raft/configuration';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { Message } from '@holdfast/raft/message';
import type { RaftMarks } from '@holdfast/raft/raft';
import type { HardState } from '@holdfast/raft/ready';
import type { StatusRecovery } from '@holdfast/replica/ports';
import type { ReplicaEvent } from '@holdfast/replica/replica-options';
import type { ClusterMember, ClusterMemberWatcher } from './cluster-member.ts';
import { DurablePromises } from './judges/durable-promises.ts';
import { FailedSync } from './judges/failed-sync.ts';
import { judgeInvariantChain } from './judges/invariant-chain.ts';
import type { TrackedPeer } from './judges/repair-count.ts';
import { judgeSavedPromise } from './judges/saved-promises.ts';
import { judgePurge, judgeSnapshot } from './judges/snapshot-order.ts';
import { judgeTwinCopies } from './judges/twin-copies.ts';
import { LogJudges } from './log-judges.ts';
import { nameOf } from './member-network.ts';
import type { MemoryFlips } from './memory-flips.ts';
import type { NewEvents } from './new-events.ts';
import { RepairTally } from './repair-tally.ts';
import type { Timeline } from './timeline.ts';

export type ClusterRefereeOptions = {
  readonly timeline: Timeline;
  readonly events: NewEvents;
  readonly flips: () => MemoryFlips;
  readonly onFailure: (error: unknown) => void;
};

export class ClusterReferee implements ClusterMemberWatcher {
  readonly #timeline: Timeline;
  readonly #events: NewEvents;
  readonly #onFailure: (error: unknown) => void;
  readonly #flips: () => MemoryFlips;
  readonly #judges = new LogJudges();
  readonly #promises = new DurablePromises();
  readonly #failedSync = new FailedSync();
  readonly #repairs = new RepairTally();
  readonly #counters = {
    applied: 0,
    groups: 0,
    restores: 0,
    problems: 0,
    receives: 0,
    resumedReceives: 0,
  };

  constructor({ timeline, events, flips, onFailure }: ClusterRefereeOptions) {
    this.#flips = flips;
    this.#timeline = timeline;
    this.#events = events;
    this.#onFailure = onFailure;
  }

  get counters(): Readonly<Record<string, number>> {
    const { electionCount: elections, commits, members } = this.#judges;
    const counted = { ...this.#counters, ...this.#repairs.counters };
    const { changeCount: memberChanges } = members;
    return { ...counted, elections, memberChanges, committed: commits.committed };
  }

  onWiped(member: ClusterMember): void {
    this.#promises.forget(member.id);
  }

  onEvent(member: ClusterMember, event: ReplicaEvent): void {
    const who = nameOf(member.id);
    this.#guard(() => {
      switch (event.type) {
        case 'role':
          this.#timeline.note(who, event.role, `term ${event.term}: ${event.why}`);
          this.#judges.observeRole(member.id, event);
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

  onIntegrity(member: ClusterMember, event: IntegrityEvent): void {
    this.#guard(() => this.#flips().onIntegrity(member, event));
  }

  onAccept(member: ClusterMember, previous: LogId, entries: readonly Entry[]): void {
    this.#guard(() => this.#judges.logs.observeAppend(member.id, previous, entries));
  }

  onRestore(member: ClusterMember): void {
    this.#counters.restores += 1;
    this.#flips().onRestore(member);
    this.#judges.observeBoot(member.id);
    this.#guard(() => {
      this.#judges.states.observeRestore(member.id, member.store?.appliedIndex ?? index(0));
      this.#observeState(member);
    });
  }

  onApply(member: ClusterMember, entries: readonly Entry[]): void {
    this.#counters.applied += entries.length;
    this.#counters.groups += entries.filter(isGroup).length;
    this.#guard(() => {
      this.#judges.states.observeApply(member.id, entries);
      if (member.store) this.#events.read(member.store);
      // What is applied was committed, and stands in the log by now.
      const last = must(entries.at(-1), 'a batch has an entry').index;
      const first = must(entries[0], 'a batch has an entry').index;
      this.#judges.commits.observeCommit(member.id, last, (at) => entries[at - first]?.term);
      this.#observeState(member);
    });
  }

  onFailure(member: ClusterMember, error: unknown): void {
    this.#timeline.note(nameOf(member.id), 'failure', messageOf(error));
    this.#onFailure(error);
  }

  onStep(member: ClusterMember): void {
    const raft = member.engine?.replica.marks;
    if (!raft) return;
    try {
      this.#judgeStep(member, raft);
    } catch (error) {
      this.#onFailure(error);
    }
  }

  onSent(member: ClusterMember, message: Message): void {
    this.#guard(() => {
      judgeSavedPromise(message, this.#promises.savedBy(member.id));
      this.#judges.observeSent(message, member.log);
    });
  }

  onLogSyncFailed(member: ClusterMember): void {
    this.#failedSync.failed(member.id, member.log.last.index);
  }

  onStatusFound(member: ClusterMember, { status, lost }: StatusRecovery): void {
    const mayBeLost = !member.hasSoundDisk && lost;
    if (!mayBeLost) this.#guard(() => this.#promises.judgeStatus(member.id, status?.state));
  }

  onStatusSaved(member: ClusterMember, { term, vote }: HardState): void {
    this.#promises.statusSaved(member.id, { term, vote });
    if (member.hasSoundDisk) this.#guard(() => judgeTwinCopies(member.id, member.statusFile));
  }

  onLogFound(member: ClusterMember): void {
    if (member.hasSoundDisk) this.#judgeLog(member);
  }

  onStarted(member: ClusterMember): void {
    const raft = member.engine?.replica.marks;
    if (raft && !raft.repairing && !raft.statusLost) this.#judgeLog(member);
  }

  onReceive(_member: ClusterMember, offset: number): void {
    this.#counters.receives += 1;
    if (offset > 0) this.#counters.resumedReceives += 1;
  }

  onDown(member: ClusterMember): void {
    this.#repairs.forget(member.id);
    this.#failedSync.forget(member.id);
    const raft = member.engine?.replica.marks;
    if (!raft || raft.purged.index > raft.applied) return;
    const { log } = member;
    const synced = log.termAt(raft.persisted);
    // A damaged log owes what it held before, unless a leader has replaced that.
    if (raft.repairing || raft.statusLost) this.#promises.logReplaced(member.id, log);
    else if (synced !== undefined) {
      this.#promises.logSynced(member.id, { index: raft.persisted, term: synced });
    }
  }

  onSnapshotTaken(member: ClusterMember, through: Index): void {
    const raft = member.engine?.replica.marks;
    if (!raft) return;
    const { applied, persisted } = raft;
    this.#guard(() => judgeSnapshot(member.id, { through, applied, persisted }));
  }

  onPurge(member: ClusterMember, through: Index, kept: readonly Index[]): void {
    this.#guard(() => judgePurge(member.id, through, kept));
  }

  #judgeStep(member: ClusterMember, raft: RaftMarks): void {
    // While an ordered install has not switched, the marks stand for two states.
    if (raft.purged.index > raft.applied) return;
    this.#judgeChain(member, raft);
    this.#failedSync.observe(member.id, raft.persisted);
    const way = this.#repairs.observe(member.id, raft);
    // It promises again by its own word, so what it had synced when it died is back.
    if (way === 'logs' || way === 'snapshot') this.#judgeLog(member);
    this.#judges.observeMember(raft, member.log);
    if (raft.role === 'leader') {
      this.#judges.observeLeader(raft, member.log, () => peersOf(member));
    }
  }

  #judgeChain(member: ClusterMember, raft: RaftMarks): void {
    judgeInvariantChain(member.id, {
      purged: raft.purged.index,
      applied: raft.applied,
      committed: raft.commit,
      persisted: raft.persisted,
      last: raft.last.index,
      lastLogTerm: raft.last.term,
      // A lost status says no term until those of the others were heard (safety.md 4).
      savedTerm: raft.statusLost ? raft.last.term : raft.term,
    });
  }

  #judgeLog(member: ClusterMember): void {
    this.#guard(() => this.#promises.judgeLog(member.id, member.log));
  }

  #observeState(member: ClusterMember): void {
    const { store } = member;
    if (store) this.#judges.states.observeStateHash(member.id, store.appliedIndex, store.stateHash);
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

const peersOf = ({ engine }: ClusterMember): readonly TrackedPeer[] =>
  engine?.replica.raft?.peers ?? [];

const isGroup = ({ kind, payload }: Entry): boolean => kind === 'command' && isEntryGroup(payload);
