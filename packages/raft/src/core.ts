// The state that all roles share, and the few things that every handler does with it: send, change
// role, move the commit index. Handlers live one duty a file (election, follower, leader, round,
// membership); `raft.ts` is the door.
import { assert } from '@holdfast/base/assert';
import { type Index, index, type MemberId, type RequestId, type Term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import {
  type Configuration,
  decodeConfiguration,
  isVoter,
  type PlacedConfiguration,
} from './configuration.ts';
import {
  type CoreCapture,
  type HeardTerm,
  type HeldMessage,
  plainFields,
  type WaitingRead,
} from './core-capture.ts';
import type { Entry, LogId } from './entry.ts';
import { Log, type LogOptions } from './log.ts';
import type { Message, SnapshotMeta, WithoutSender } from './message.ts';
import type { AppendOrder, HardState, Ready, RefusalReason } from './ready.ts';
import { captureRole, type Role, resumeRole } from './role.ts';
import type { RaftSettings } from './settings.ts';

/** What a core starts from; everything in it was synced before (safety.md 1). */
export type RaftOptions = {
  readonly id: MemberId;
  readonly settings: RaftSettings;
  /** Decides every random timeout of this core. */
  readonly seed: number;
  readonly nowMs: number;
  readonly state: HardState;
  /** Term and vote are unknown: abstain until all other voters were heard (safety.md 4). */
  readonly statusLost: boolean;
  readonly log: LogOptions;
  /** Configurations in order of their index; at least one; the first may be a snapshot's. */
  readonly configurations: readonly PlacedConfiguration[];
  readonly commit: Index;
  readonly applied: Index;
  readonly trace?: (event: TraceEvent) => void;
};

/** What a simulator's timeline and a debug log show of the core. */
export type TraceEvent =
  | {
      readonly type: 'role';
      readonly role: Role['name'];
      readonly term: Term;
      readonly why: string;
    }
  | { readonly type: 'commit'; readonly commit: Index }
  /** A member's log ends at `last`, before what it had acknowledged to this leader. */
  | { readonly type: 'lost-log'; readonly peer: MemberId; readonly last: Index }
  | { readonly type: 'configuration'; readonly placed: PlacedConfiguration };

/** Held messages beyond this many are dropped: Raft repairs lost messages by itself. */
const heldMessagesMax = 4096;

export class Core {
  readonly id: MemberId;
  readonly settings: RaftSettings;
  random: SeededRandom;
  log: Log;
  nowMs: number;
  /** When this process was found to have slept: older silence is not the peers' fault. */
  wokeAtMs: number;
  hardState: HardState;
  role: Role = { name: 'follower' };
  leader: MemberId | undefined;
  /** When a live leader of this term was last heard. */
  heardLeaderMs: number = Number.NEGATIVE_INFINITY;
  /** When this member, unless it leads, tries (again) to become leader. */
  electionAtMs: number;
  commit: Index;
  applied: Index;
  /** What the other voters said since the status was lost; undefined = not lost. */
  heardTerms: Map<MemberId, HeardTerm> | undefined;
  nextTermRequestMs = 0;
  /** The highest index at which this log is known to equal that of the present term's leader. */
  verified: Index = index(0);
  ackedToLeader: Index = index(0);
  /** A received snapshot whose switch is not yet durable. */
  installing: LogId | undefined;
  /** Reads handed to the leader, in order of time. */
  forwardedReads: WaitingRead[] = [];
  #handed: Index;
  #configurations: PlacedConfiguration[];
  #statusSequence = 0;
  #statusPersisted = 0;
  #statusHanded = 0;
  #held: HeldMessage[] = [];
  readonly #trace: ((event: TraceEvent) => void) | undefined;

  // What the next Ready will hold.
  #messages: Message[] = [];
  #appends: AppendOrder[] = [];
  #snapshots: MemberId[] = [];
  #install: SnapshotMeta | undefined;
  #appended: { requestId: RequestId; id: LogId }[] = [];
  #refused: { requestId: RequestId; reason: RefusalReason; leader: MemberId | undefined }[] = [];
  #reads: { requestId: RequestId; readIndex: Index | undefined }[] = [];
  #fresh: { stampMs: number; index: Index } | undefined;

  constructor(options: RaftOptions) {
    this.id = options.id;
    this.settings = options.settings;
    this.random = new SeededRandom(options.seed);
    this.log = new Log(options.log);
    this.nowMs = options.nowMs;
    this.wokeAtMs = options.nowMs;
    this.hardState = options.state;
    this.heardTerms = options.statusLost ? new Map() : undefined;
    this.#configurations = [...options.configurations];
    this.commit = options.commit;
    this.applied = options.applied;
    this.#handed = options.applied;
    this.#trace = options.trace;
    const { startMinMs, startMaxMs } = options.settings;
    this.electionAtMs = options.nowMs + this.random.integer(startMinMs, startMaxMs);
    assert(this.#configurations.length > 0, 'a core knows a configuration');
    assert(options.applied <= options.commit, 'applied <= commit');
    assert(options.commit <= this.log.last.index, 'commit <= last');
    assert(
      this.heardTerms !== undefined || this.log.last.term <= this.term,
      'last log term <= term',
    );
    this.#forgetOldConfigurations();
  }

  static resume(capture: CoreCapture, trace?: (event: TraceEvent) => void): Core {
    const { id, settings, log, configurations, fields } = capture;
    const core = new Core({
      id,
      settings,
      seed: 0,
      nowMs: fields.nowMs,
      state: fields.hardState,
      statusLost: capture.heardTerms !== undefined,
      log,
      configurations,
      commit: fields.commit,
      applied: fields.applied,
      ...(trace ? { trace } : {}),
    });
    core.#takeOver(capture);
    return core;
  }

  /** Whatever the next Ready would hold must have been taken. */
  capture(): CoreCapture {
    assert(this.#isDrained, 'a core is captured between a Ready and the next input');
    return {
      id: this.id,
      settings: this.settings,
      random: this.random.state,
      log: this.log.capture(),
      role: captureRole(this.role),
      heardTerms: this.heardTerms && [...this.heardTerms],
      fields: plainFields(this),
      handed: this.#handed,
      configurations: [...this.#configurations],
      statusSequence: this.#statusSequence,
      statusPersisted: this.#statusPersisted,
      statusHanded: this.#statusHanded,
      held: [...this.#held],
    };
  }

  #takeOver(capture: CoreCapture): void {
    const { fields } = capture;
    Object.assign(this, fields, { forwardedReads: [...fields.forwardedReads] });
    this.random = new SeededRandom(capture.random);
    this.log = Log.resume(capture.log);
    this.role = resumeRole(capture.role);
    this.heardTerms = capture.heardTerms && new Map(capture.heardTerms);
    this.#handed = capture.handed;
    this.#statusSequence = capture.statusSequence;
    this.#statusPersisted = capture.statusPersisted;
    this.#statusHanded = capture.statusHanded;
    this.#held = [...capture.held];
  }

  get #isDrained(): boolean {
    const orders = this.#messages.length + this.#appends.length + this.#snapshots.length;
    const answers = this.#appended.length + this.#refused.length + this.#reads.length;
    const isHanded = this.#statusHanded === this.#statusSequence;
    return orders + answers === 0 && !this.#install && !this.#fresh && isHanded;
  }

  get term(): Term {
    return this.hardState.term;
  }

  get configuration(): Configuration {
    return (this.#configurations[this.#configurations.length - 1] as PlacedConfiguration)
      .configuration;
  }

  get configurationIndex(): number {
    return (this.#configurations[this.#configurations.length - 1] as PlacedConfiguration).index;
  }

  get configurations(): readonly PlacedConfiguration[] {
    return this.#configurations;
  }

  /** Whether this member may promise anything: votes, success, candidacy (safety.md 4, 5). */
  get mayPromise(): boolean {
    return this.hardState.repairing === undefined && this.heardTerms === undefined;
  }

  /**
   * A voter, also one whose removal is not committed yet: it may hold the only log that wins
   * (thesis 4.2.2). Its own vote then counts for nothing, for it is in no half of the newest
   * configuration.
   */
  get mayCampaign(): boolean {
    const isVoting = this.#configurations.some(({ configuration }) =>
      isVoter(configuration, this.id),
    );
    return isVoting && this.mayPromise && this.installing === undefined;
  }

  /** Whether a leader was heard so lately that this voter defends it (thesis 4.2.3). */
  get hearsLeader(): boolean {
    if (this.role.name === 'leader') return true;
    return (
      this.leader !== undefined && this.nowMs - this.heardLeaderMs < this.settings.electionMinMs
    );
  }

  electionDelayMs(): number {
    return this.random.integer(this.settings.electionMinMs, this.settings.electionMaxMs);
  }

  retryDelayMs(): number {
    return this.random.integer(this.settings.retryMinMs, this.settings.retryMaxMs);
  }

  /**
   * Sends once the present status is synced, so that no message promises what a crash could undo.
   * The message is the core's from here on, which writes its sender into it.
   */
  send(message: WithoutSender<Message>, term: Term = this.term): void {
    const whole = Object.assign(message, { from: this.id, term }) as Message;
    if (this.#statusPersisted === this.#statusSequence) this.#messages.push(whole);
    else if (this.#held.length < heldMessagesMax) {
      this.#held.push({ sequence: this.#statusSequence, message: whole });
    }
  }

  order(append: AppendOrder): void {
    assert(this.#statusPersisted === this.#statusSequence, 'a leader replicates in a synced term');
    this.#appends.push(append);
  }

  orderSnapshot(peer: MemberId): void {
    this.#snapshots.push(peer);
  }

  /** Changes the durable state; answers the sequence whose `persisted` makes it so. */
  saveState(change: Partial<HardState>): number {
    this.hardState = { ...this.hardState, ...change };
    this.#statusSequence += 1;
    return this.#statusSequence;
  }

  /** The status save `sequence` was synced: what it held back may leave. */
  statusPersisted(sequence: number): void {
    assert(sequence <= this.#statusSequence, 'only asked saves are reported');
    this.#statusPersisted = Math.max(this.#statusPersisted, sequence);
    const ready = this.#held.filter((held) => held.sequence <= this.#statusPersisted);
    if (ready.length === 0) return;
    this.#held = this.#held.slice(ready.length);
    this.#messages.push(...ready.map((held) => held.message));
  }

  get isStatusSynced(): boolean {
    return this.#statusPersisted === this.#statusSequence;
  }

  become(role: Role, why: string): void {
    this.role = role;
    this.#trace?.({ type: 'role', role: role.name, term: this.term, why });
  }

  appendToLog(entry: Entry): void {
    this.log.append(entry);
    if (entry.kind === 'membership') {
      this.placeConfiguration({
        index: entry.index,
        configuration: decodeConfiguration(entry.payload),
      });
    }
  }

  /**
   * Drops entries from `from` on, and with them the configurations that stood there (thesis 4.1).
   */
  truncateLog(from: Index): void {
    assert(from > this.commit, 'committed entries are never truncated');
    this.log.truncate(from);
    this.#configurations = this.#configurations.filter((placed) => placed.index < from);
    assert(this.#configurations.length > 0, 'a core knows a configuration');
  }

  placeConfiguration(placed: PlacedConfiguration): void {
    this.#configurations.push(placed);
    this.#trace?.({ type: 'configuration', placed });
  }

  commitTo(commit: Index): void {
    if (commit <= this.commit) return;
    assert(commit <= this.log.last.index, 'commit <= last');
    this.commit = commit;
    this.#forgetOldConfigurations();
    this.#trace?.({ type: 'commit', commit });
  }

  tellLostLog(peer: MemberId, last: Index): void {
    this.#trace?.({ type: 'lost-log', peer, last });
  }

  /** Puts a received snapshot in the place of the log; durable only when the replica says so. */
  installSnapshot(snapshot: SnapshotMeta): void {
    assert(snapshot.last.index > this.commit, 'a snapshot only moves forward');
    this.log.reset(snapshot.last);
    this.#configurations = [{ index: snapshot.last.index, configuration: snapshot.configuration }];
    this.commit = snapshot.last.index;
    this.#handed = snapshot.last.index;
    this.verified = snapshot.last.index;
    this.installing = snapshot.last;
    this.#install = snapshot;
  }

  answerAppended(requestId: RequestId, id: LogId): void {
    this.#appended.push({ requestId, id });
  }

  refuse(requestId: RequestId, reason: RefusalReason): void {
    this.#refused.push({ requestId, reason, leader: this.leader });
  }

  answerRead(requestId: RequestId, readIndex: Index | undefined): void {
    this.#reads.push({ requestId, readIndex });
  }

  noteFresh(stampMs: number, freshIndex: Index): void {
    if (this.#fresh && this.#fresh.stampMs > stampMs) return; // The fresher one of this Ready.
    this.#fresh = { stampMs, index: freshIndex };
  }

  takeReady(): Ready {
    const status =
      this.#statusHanded < this.#statusSequence
        ? { sequence: this.#statusSequence, state: this.hardState }
        : undefined;
    this.#statusHanded = this.#statusSequence;
    const ready: Ready = {
      append: this.log.takePending(),
      messages: this.#messages,
      appends: this.#appends,
      snapshots: this.#snapshots,
      status,
      install: this.#install,
      committed: this.#takeCommitted(),
      appended: this.#appended,
      refused: this.#refused,
      reads: this.#reads,
      fresh: this.#fresh,
    };
    this.#messages = [];
    this.#appends = [];
    this.#snapshots = [];
    this.#install = undefined;
    this.#appended = [];
    this.#refused = [];
    this.#reads = [];
    this.#fresh = undefined;
    return ready;
  }

  #takeCommitted(): { lo: Index; hi: Index } | undefined {
    if (this.#handed >= this.commit) return undefined;
    const lo = index(this.#handed + 1);
    this.#handed = this.commit;
    return { lo, hi: index(this.commit + 1) };
  }

  /**
   * Only the newest committed configuration, and the uncommitted ones after it, can still matter.
   */
  #forgetOldConfigurations(): void {
    while ((this.#configurations[1]?.index ?? Number.POSITIVE_INFINITY) <= this.commit) {
      this.#configurations.shift();
    }
  }
}
