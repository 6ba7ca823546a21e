// The door of the core: `step` takes one input at one time, `ready` says what is to be done. Pure
// and synchronous; the same options and the same (time, input) pairs give the same Readys, always.
import { assert, unreachable } from '@holdfast/base/assert';
import type { Index, MemberId, Term } from '@holdfast/base/ids';
import { formatId } from '@holdfast/base/ids';
import { type Configuration, formatConfiguration, isVoter } from './configuration.ts';
import { Core, type RaftOptions, type TraceEvent } from './core.ts';
import type { CoreCapture } from './core-capture.ts';
import { electionTimeout, ownVotePersisted, requestTerms, unheardVoters } from './election.ts';
import { formatLogId, type LogId } from './entry.ts';
import { forgetLeader } from './follow.ts';
import { acknowledge, snapshotInstalled } from './follower.ts';
import { stepMessage } from './incoming.ts';
import type { Input } from './input.ts';
import {
  advanceCommit,
  peerUnreachable,
  propose,
  replicate,
  resign,
  snapshotReported,
  startTransfer,
  tickLeader,
} from './leader.ts';
import type { LeaderState } from './leader-state.ts';
import { changeMembership } from './membership.ts';
import type { HardState, Ready } from './ready.ts';
import { repaired, takeRepairEntries, takeRepairSnapshot } from './repair.ts';
import type { Role } from './role.ts';
import { expireForwardedReads, requestRead } from './round.ts';

/** Where the core stands: cheap enough to be looked at between any two steps. */
export type RaftMarks = {
  readonly id: MemberId;
  readonly role: Role['name'];
  readonly term: Term;
  readonly leader: MemberId | undefined;
  readonly repairing: boolean;
  readonly statusLost: boolean;
  readonly commit: Index;
  readonly applied: Index;
  readonly persisted: Index;
  readonly last: LogId;
  readonly purged: LogId;
  readonly configuration: Configuration;
  /** Of the entry that holds it; 0 where none does: the one to begin with. */
  readonly configurationIndex: number;
};

export type RaftStatus = RaftMarks & {
  readonly vote: MemberId | undefined;
  readonly isVoter: boolean;
  /** With a lost status: the voters without whom it cannot be replaced. */
  readonly unheardVoters: readonly MemberId[];
  /** On a leader: whether it has committed an entry of its own term. */
  readonly hasCommittedInTerm: boolean;
  readonly peers: readonly {
    readonly id: MemberId;
    readonly match: Index;
    readonly next: Index;
    readonly state: 'probe' | 'replicate' | 'snapshot';
    readonly lastAckMs: number;
    readonly repairing: boolean;
  }[];
};

/** A later step than this after the time that was asked for means that the process itself slept. */
const sleptMs = 100;

export class Raft {
  readonly #core: Core;

  constructor(options: RaftOptions | Core) {
    this.#core = options instanceof Core ? options : new Core(options);
    if (options instanceof Core) return;
    // A member that is the only voter has nobody to wait for.
    const { configuration } = this.#core;
    if (configuration.voters.length === 1 && this.#core.mayCampaign) {
      this.#core.electionAtMs = options.nowMs;
    }
  }

  /** Goes on as the captured core would: the same inputs give the same Readys. */
  static resume(capture: CoreCapture, trace?: (event: TraceEvent) => void): Raft {
    return new Raft(Core.resume(capture, trace));
  }

  /** All of the core as plain data, to be taken between a Ready and the next input. */
  capture(): CoreCapture {
    return this.#core.capture();
  }

  /**
   * Lets `input` happen at `nowMs` of the member's monotonic clock. Never throws on a peer's
   * account.
   */
  step(nowMs: number, input: Input): void {
    this.#passTime(nowMs);
    const core = this.#core;
    switch (input.type) {
      case 'tick':
        tick(core);
        break;
      case 'message':
        stepMessage(core, input.message);
        break;
      case 'propose':
        propose(core, input.proposals);
        break;
      case 'read-index':
        requestRead(core, input.requestId);
        break;
      case 'change-membership':
        changeMembership(core, input);
        break;
      case 'transfer-leadership':
        startTransfer(core, input.to);
        break;
      case 'tell-commit':
        tellCommit(core, input.peer);
        break;
      case 'resign':
        resign(core, 'told to');
        break;
      case 'persisted':
        persisted(core, input);
        break;
      case 'applied':
        applied(core, input.index);
        break;
      case 'snapshot-installed':
        snapshotInstalled(core, input.last);
        break;
      case 'repair-entries':
        takeRepairEntries(core, input);
        break;
      case 'repaired':
        repaired(core, input.end);
        acknowledge(core, false);
        break;
      case 'repair-snapshot':
        takeRepairSnapshot(core, input.snapshot);
        break;
      case 'snapshot-reported':
        if (core.role.name === 'leader') snapshotReported(core, core.role.leader, input);
        break;
      case 'log-purged':
        logPurged(core, input.last);
        break;
      case 'peer-unreachable':
        unreachablePeer(core, input);
        break;
      default:
        unreachable(input);
    }
  }

  /** Everything to be done since the last Ready, handed out once. */
  ready(): Ready {
    const { role } = this.#core;
    if (role.name === 'leader') replicate(this.#core, role.leader);
    return this.#core.takeReady();
  }

  /** The monotonic time at which a `tick` is due. */
  get nextTickMs(): number {
    const core = this.#core;
    let dueMs = core.role.name === 'leader' ? nextDueMs(core, core.role.leader) : core.electionAtMs;
    const read = core.forwardedReads[0];
    if (read) dueMs = Math.min(dueMs, read.sentAtMs + core.settings.electionMinMs);
    if (core.heardTerms) dueMs = Math.min(dueMs, core.nextTermRequestMs);
    return dueMs;
  }

  get role(): Role['name'] {
    return this.#core.role.name;
  }

  get term(): Term {
    return this.#core.term;
  }

  /** Whether the status on disk says this term, or a later one. */
  hasSaved(term: Term): boolean {
    return this.#core.term >= term && this.#core.isStatusSynced;
  }

  get leader(): MemberId | undefined {
    return this.#core.leader;
  }

  get commit(): Index {
    return this.#core.commit;
  }

  get configuration(): Configuration {
    return this.#core.configuration;
  }

  get hardState(): HardState {
    return this.#core.hardState;
  }

  /** Whether that very entry stands in the log, or is the last before it. */
  holds(id: LogId): boolean {
    return this.#core.log.has(id);
  }

  marks(): RaftMarks {
    const core = this.#core;
    return {
      id: core.id,
      role: core.role.name,
      term: core.term,
      leader: core.leader,
      repairing: core.hardState.repairing !== undefined,
      statusLost: core.heardTerms !== undefined,
      commit: core.commit,
      applied: core.applied,
      persisted: core.log.persisted,
      last: core.log.last,
      purged: core.log.purged,
      configuration: core.configuration,
      configurationIndex: core.configurationIndex,
    };
  }

  status(): RaftStatus {
    const core = this.#core;
    const leader = core.role.name === 'leader' ? core.role.leader : undefined;
    return {
      ...this.marks(),
      vote: core.hardState.vote,
      isVoter: isVoter(core.configuration, core.id),
      unheardVoters: unheardVoters(core),
      hasCommittedInTerm: leader !== undefined && core.commit >= leader.firstIndex,
      peers: [...(leader?.progress ?? [])].map(([id, progress]) => ({
        id,
        match: progress.match,
        next: progress.next,
        state: progress.state.name,
        lastAckMs: progress.lastAckMs,
        repairing: progress.repairTarget !== undefined,
      })),
    };
  }

  /** One line for scripts, timelines and logs. */
  describe(): string {
    const { role, term, leader, commit, applied, persisted: synced, last } = this.status();
    const who = leader === undefined ? '-' : shortId(leader);
    return (
      `${role.padEnd(13)} term=${term} leader=${who} last=${formatLogId(last)} ` +
      `synced=${synced} commit=${commit} applied=${applied} ` +
      formatConfiguration(this.#core.configuration)
    );
  }

  /** How a leader sees its followers, a line each; empty for the others. */
  describeProgress(): readonly string[] {
    const { role } = this.#core;
    if (role.name !== 'leader') return [];
    return [...role.leader.progress].map(([id, one]) => `${shortId(id)}: ${one.describe()}`);
  }

  #passTime(nowMs: number): void {
    const core = this.#core;
    const lateMs = nowMs - this.nextTickMs;
    core.nowMs = Math.max(core.nowMs, nowMs);
    const isForgiven = core.nowMs - core.wokeAtMs < core.settings.electionMaxMs;
    if (lateMs < sleptMs || isForgiven) return;
    // What the peers said meanwhile still waits in the sockets: hear it before judging them.
    core.wokeAtMs = core.nowMs;
    if (core.role.name !== 'leader') core.electionAtMs = core.nowMs + core.retryDelayMs();
  }
}

function applied(core: Core, through: Index): void {
  assert(through <= core.commit, 'applied <= commit');
  core.applied = through;
}

function logPurged(core: Core, last: LogId): void {
  assert(last.index <= core.applied, 'purged <= applied');
  core.log.purge(last);
}

function tellCommit({ role, nowMs }: Core, peer: MemberId): void {
  if (role.name === 'leader') role.leader.progress.get(peer)?.tellCommit(nowMs);
}

function nextDueMs(core: Core, leader: LeaderState): number {
  let dueMs = Math.min(leader.nextHeartbeatMs, leader.nextDutiesMs, leader.widenAtMs);
  for (const one of leader.progress.values()) {
    // To whom nothing may leave, what is owed leaves when an answer has come.
    if (!one.maySend(core.settings)) continue;
    const isWaiting = one.next <= core.log.last.index && one.isSpare;
    // In the middle of a turn what is due has not left yet: that is now, and no sign of sleep.
    const sendMs = Math.max(core.nowMs, one.pacedUntilMs);
    dueMs = Math.min(dueMs, isWaiting ? sendMs : one.noticeDueMs);
  }
  return dueMs;
}

const shortId = (id: MemberId): string => (id < 1000n ? id.toString() : formatId(id));

function tick(core: Core): void {
  expireForwardedReads(core);
  if (core.heardTerms && core.nowMs >= core.nextTermRequestMs) requestTerms(core);
  if (core.role.name === 'leader') tickLeader(core, core.role.leader);
  else if (core.nowMs >= core.electionAtMs) electionTimeout(core);
}

function persisted(core: Core, input: Input & { readonly type: 'persisted' }): void {
  if (input.statusSequence !== undefined) {
    core.statusPersisted(input.statusSequence);
    ownVotePersisted(core, input.statusSequence);
  }
  if (input.log === undefined || !core.log.markPersisted(input.log)) return;
  if (core.role.name === 'leader') advanceCommit(core, core.role.leader);
  else acknowledge(core, false);
}

function unreachablePeer(core: Core, input: Input & { readonly type: 'peer-unreachable' }): void {
  if (core.role.name === 'leader') peerUnreachable(core.role.leader, input);
  else if (input.refused && input.peer === core.leader) forgetLeader(core, 'leader refused');
}
