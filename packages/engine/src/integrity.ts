// Compares the states of the members (safety.md 10). A check is an entry of the log: every member
// digests its state as it is right after it, beside its work, and reports the digest through the
// log, too. So all see the same reports in the same order, a member that lags or starts merely
// reports later or not at all, and nobody has to be asked: each member judges for itself, the odd
// one as well, also where it leads.
//
// The odd one is in quarantine: durably, until a sound leader has sent it another state and a
// later check has found that one equal. Its log is sound, and it goes on voting from it.
import { type Clock, pause } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import { type Index, index, type MemberId, type Term } from '@holdfast/base/ids';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { AppliedEntry, KvStore } from '@holdfast/mvcc/kv-store';
import { digestFormat, type StateDigester } from '@holdfast/mvcc/state-digest';
import type { StateReportRequest } from '@holdfast/proto/internal';
import { membersOf } from '@holdfast/raft/configuration';
import type { StateDoubt } from '@holdfast/replica/ports';
import type { Replica } from '@holdfast/replica/replica';
import type { Quarantine } from '@holdfast/storage/quarantine-file';
import { AppliedMembers } from './applied-members.ts';
import { integrityVersion } from './cluster-version.ts';
import type { CommandRequest } from './command-answer.ts';
import {
  type IntegrityEvent,
  type IntegritySettings,
  type IntegrityStatus,
  quarantineRefusal,
  type TrustStore,
  undecidedText,
} from './integrity-status.ts';
import { OwnReport } from './own-report.ts';
import { Setbacks } from './setbacks.ts';
import {
  askedToBeOverwritten,
  judgeStates,
  type OddMember,
  reportOf,
  type StateReport,
  type StateVerdict,
} from './state-verdict.ts';
import { TrustKeeper } from './trust-keeper.ts';

export type IntegrityOptions = {
  readonly clock: Clock;
  readonly self: MemberId;
  readonly settings: IntegritySettings;
  readonly store: () => KvStore;
  readonly replica: () => Replica;
  readonly quarantine: TrustStore;
  readonly nameOf: (id: MemberId) => string;
  readonly isConnected: (peer: MemberId) => boolean;
  readonly tasks: TaskGroup;
  /** Lets the event loop run between two slices of a digest. */
  readonly yieldNow: () => Promise<void>;
  /** Through the log, by way of whoever leads. */
  readonly execute: (request: CommandRequest, signal?: AbortSignal) => Promise<void>;
  /** Into the own log in that term. */
  readonly propose: (term: Term, request: CommandRequest) => Promise<void>;
  /** Nothing may be answered from the state any more. */
  readonly onDoubted: (why: HoldfastError) => void;
  readonly onEvent: (event: IntegrityEvent) => void;
  readonly onProblem: (what: string, error: unknown) => void;
};

const lookMs = 500;

export class Integrity implements StateDoubt {
  readonly #options: IntegrityOptions;
  #checkIndex: Index | undefined;
  #checkedAtMs = 0;
  #reports = new Map<MemberId, StateReport>();
  #verdict: StateVerdict = { kind: 'open' };
  readonly #keeper: TrustKeeper;
  readonly #own: OwnReport;
  /** What is compared up to here was another state. */
  #stateSince: Index = index(0);
  #isCheckWanted = false;
  /** Of this check, these were sent a state. */
  #reseeded = new Set<MemberId>();
  readonly #setbacks: Setbacks;
  readonly #members: AppliedMembers;
  /** What was found while the log was replayed has led to nothing yet. */
  #isReplayOwed = true;
  #told = new Set<string>();
  #checksDecided = 0;
  #reseeds = 0;

  constructor(options: IntegrityOptions) {
    this.#options = options;
    const keeper = new TrustKeeper(options);
    this.#keeper = keeper;
    this.#own = new OwnReport({
      ...options,
      keeper,
      isOwed: (at) => this.#checkIndex === at && !this.#reports.has(options.self),
    });
    this.#setbacks = new Setbacks(options.clock);
    this.#members = new AppliedMembers(() => options.replica().upkeep.applied);
    this.#checkedAtMs = options.clock.monotonicMs();
  }

  /** Before anything is read or served. */
  open(): Promise<void> {
    return this.#keeper.open();
  }

  close(): Promise<void> {
    return this.#keeper.close();
  }

  get #quarantine(): Quarantine | undefined {
    return this.#keeper.current;
  }

  get isDoubted(): boolean {
    return this.#quarantine !== undefined;
  }

  get status(): IntegrityStatus {
    return {
      checkIndex: this.#checkIndex,
      verdict: this.#verdict,
      reports: [...this.#reports.values()],
      quarantine: this.#quarantine,
      checksDecided: this.#checksDecided,
      reseeds: this.#reseeds,
    };
  }

  /** Throws `unavailable` while the state is in doubt. */
  requireSound(): void {
    this.#actOnReplayed();
    if (this.#quarantine) throw quarantineRefusal(this.#quarantine);
  }

  // ---------------------------------------------------------------- what the log says

  onCheck(digester: StateDigester): void {
    this.#checkIndex = digester.index;
    this.#checkedAtMs = this.#options.clock.monotonicMs();
    this.#reports = new Map();
    this.#reseeded = new Set();
    this.#verdict = { kind: 'open' };
    if (!this.#options.replica().isInitialised) digester.release();
    else this.#options.tasks.run((signal) => this.#own.digest(digester, signal));
  }

  onReport(request: StateReportRequest): void {
    const report = reportOf(request);
    if (report.checkIndex !== this.#checkIndex) return;
    this.#reports.set(report.member, report);
    const wasDecided = this.#verdict.kind === 'decided';
    const { configuration } = this.#members;
    if (!configuration) return;
    this.#verdict = judgeStates(configuration, [...this.#reports.values()]);
    if (this.#verdict.kind === 'decided' && !wasDecided) this.#checksDecided += 1;
    if (!this.#options.replica().isInitialised) return;
    this.#isReplayOwed = false;
    this.#act(this.#verdict);
  }

  onMembership(entry: AppliedEntry): void {
    this.#members.note(entry);
  }

  /** The state of another member has taken the place of the own one. */
  onReplaced(): void {
    const quarantine = this.#quarantine;
    const since = index(this.#options.store().appliedIndex);
    this.#stateSince = since;
    if (!quarantine) {
      void this.#keeper.set({ isUnproven: true });
      return;
    }
    // It is not trusted before a check. Whoever has sent it was found sound, or chosen by a person.
    const replaced = { ...quarantine, isReplaced: true, mayOverwrite: false };
    void this.#keeper.set({ quarantine: replaced, isUnproven: false });
    this.#options.onEvent({ type: 'state-replaced', index: since });
  }

  /** A crash may have come between the verdict of the newest check and the end of its save. */
  #actOnReplayed(): void {
    if (!this.#isReplayOwed || !this.#options.replica().isInitialised) return;
    this.#isReplayOwed = false;
    const own = this.#ownOdd(this.#verdict);
    if (!own || own.report.doubted || this.#quarantine) return;
    this.#tellOdd(own);
    this.#enterQuarantine(own);
  }

  // ---------------------------------------------------------------- what people ask

  /** Rejects with `failed-precondition` while a member is too old, and as any write does. */
  async check(signal?: AbortSignal): Promise<void> {
    await this.#options.execute(checkRequest, signal);
  }

  /**
   * This member may be overwritten, however much differs: that is kept beside the doubt, and every
   * report says so until it has come to pass.
   */
  async allowOverwrite(signal?: AbortSignal): Promise<void> {
    const { overwritable } = this.#keeper;
    if (!overwritable) {
      throw new HoldfastError(
        'failed-precondition',
        'this member is not in quarantine, or was sent another state already: nothing is to be ' +
          'overwritten; holdfast integrity check looks anew',
      );
    }
    if (this.#isAlone) return this.#endQuarantine();
    await waitFor(this.#setQuarantine({ ...overwritable, mayOverwrite: true }), signal);
    if (!this.#keeper.overwritable) return;
    const own = this.#reports.get(this.#options.self);
    // One that has not reported since its start is asked to, as all are.
    await this.#options.execute(own ? this.#own.requestOf(own) : checkRequest, signal);
  }

  /** Nobody else has a state: a person has decided to keep the only one. */
  get #isAlone(): boolean {
    const { configuration } = this.#members;
    return (
      configuration !== undefined &&
      membersOf(configuration).every((id) => id === this.#options.self)
    );
  }

  // ---------------------------------------------------------------- what the leader does

  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await pause(this.#options.clock, lookMs, signal);
      this.#actOnReplayed();
      const term = this.#termOfOffice;
      if (term === undefined || signal.aborted) continue;
      try {
        await this.#attend(term);
      } catch (error) {
        // A leader that is one no more has nothing to do; anything else comes again by itself.
        if (this.#termOfOffice === term) this.#options.onProblem('comparing states', error);
      }
    }
  }

  get #termOfOffice(): Term | undefined {
    const replica = this.#options.replica();
    const isAble = replica.isLeader && !this.isDoubted;
    const { clusterVersion } = this.#options.store();
    return isAble && clusterVersion >= integrityVersion ? replica.term : undefined;
  }

  async #attend(term: Term): Promise<void> {
    const odd = this.#reseedDue();
    if (odd) await this.#reseed(odd);
    if (!this.#isCheckDue()) return;
    this.#isCheckWanted = false;
    await this.#options.propose(term, checkRequest);
  }

  #isCheckDue(): boolean {
    const { intervalMs } = this.#options.settings;
    // A digest that takes longer than the interval comes to its end all the same.
    if (this.#own.isUnderWay) return false;
    const sinceMs = this.#options.clock.monotonicMs() - this.#checkedAtMs;
    return this.#isCheckWanted || (intervalMs > 0 && sinceMs >= intervalMs);
  }

  /** Never from one that is itself in doubt, or has not said what it has. */
  #reseedDue(): OddMember | undefined {
    const { self } = this.#options;
    const verdict = this.#verdict;
    const isDecided = verdict.kind === 'decided';
    if (isDecided && !verdict.sound.includes(self)) return undefined;
    return (isDecided ? verdict.odd : this.#asked).find(
      (odd) => this.#isWithinReach(odd.report.member) && !this.#isTooMuch(odd),
    );
  }

  /** Those who could say otherwise are gone, or have not. */
  get #asked(): readonly OddMember[] {
    const { self, isConnected } = this.#options;
    const isAwaited = (id: MemberId): boolean => !this.#reports.has(id) && isConnected(id);
    const { configuration } = this.#members;
    if (!configuration || membersOf(configuration).some(isAwaited)) return [];
    return askedToBeOverwritten([...this.#reports.values()], self);
  }

  #isWithinReach(member: MemberId): boolean {
    if (this.#reseeded.has(member) || !this.#setbacks.isDue(member)) return false;
    return this.#options.isConnected(member);
  }

  async #reseed({ report }: OddMember): Promise<void> {
    const { member, checkIndex } = report;
    const { store, replica } = this.#options;
    let isThere: boolean;
    try {
      isThere = await replica().upkeep.reseed(member, index(store().appliedIndex));
    } catch (error) {
      this.#setbacks.failed(member);
      this.#options.onProblem('sending another state', error);
      return;
    }
    // The next try is to find the other state where it was paused, and must not come too late.
    if (!isThere) return;
    this.#setbacks.succeeded(member);
    this.#reseeds += 1;
    if (this.#checkIndex === checkIndex) this.#reseeded.add(member);
    this.#isCheckWanted = true;
  }

  #isTooMuch({ partsDiffering, report }: OddMember): boolean {
    return partsDiffering > this.#options.settings.partsMax && !report.overwrite;
  }

  // ---------------------------------------------------------------- what a verdict leads to

  #act(verdict: StateVerdict): void {
    if (verdict.kind === 'undecided') this.#tellUndecided(verdict.groups);
    if (verdict.kind !== 'decided') return;
    const { self } = this.#options;
    for (const odd of verdict.odd) this.#tellOdd(odd);
    const own = this.#ownOdd(verdict);
    if (own && !own.report.doubted) this.#enterQuarantine(own);
    else if (verdict.sound.includes(self)) this.#foundSound();
  }

  #ownOdd(verdict: StateVerdict): OddMember | undefined {
    if (verdict.kind !== 'decided') return undefined;
    return verdict.odd.find(({ report }) => report.member === this.#options.self);
  }

  #enterQuarantine({ report, sound, partsDiffering }: OddMember): void {
    void this.#setQuarantine({
      checkIndex: report.checkIndex,
      own: { stateHash: report.stateHash, contentHash: report.contentHash },
      sound: { stateHash: sound.stateHash, contentHash: sound.contentHash },
      partsDiffering,
      sinceMs: this.#options.clock.wallMs(),
      isReplaced: false,
      mayOverwrite: false,
    });
  }

  #foundSound(): void {
    if (this.#keeper.isUnproven && this.checkIndex > this.#stateSince) {
      void this.#keeper.set({ isUnproven: false });
    }
    if (this.#quarantine?.isReplaced) void this.#endQuarantine();
  }

  /** The promise of the keeper itself: whoever does not wait for it leaves its failure there. */
  #endQuarantine(): Promise<void> {
    const { checkIndex } = this;
    const saving = this.#setQuarantine(undefined);
    this.#options.onEvent({ type: 'quarantine-ended', checkIndex });
    return saving;
  }

  get checkIndex(): Index {
    return this.#checkIndex ?? index(0);
  }

  #setQuarantine(quarantine: Quarantine | undefined): Promise<void> {
    const wasDoubted = this.isDoubted;
    const saving = this.#keeper.set({ quarantine });
    if (quarantine && !wasDoubted) this.#options.onDoubted(quarantineRefusal(quarantine));
    return saving;
  }

  #tellOdd(odd: OddMember): void {
    const { member, checkIndex, doubted } = odd.report;
    const isSelf = member === this.#options.self;
    // One that has said so itself was told of before.
    if (doubted || !this.#isNews(`${checkIndex} ${member}`)) return;
    const isTooMuch = this.#isTooMuch(odd);
    this.#options.onEvent({ type: 'state-odd', member, odd, isSelf, isTooMuch });
  }

  #tellUndecided(groups: readonly (readonly MemberId[])[]): void {
    const { checkIndex } = this;
    const text = undecidedText(groups, this.#options.nameOf);
    if (!this.#isNews(`${checkIndex} ${text}`)) return;
    this.#options.onEvent({ type: 'states-differ', checkIndex, text });
  }

  #isNews(what: string): boolean {
    if (this.#told.has(what)) return false;
    if (this.#told.size > 1000) this.#told = new Set();
    this.#told.add(what);
    return true;
  }
}

const checkRequest: CommandRequest = { $case: 'stateCheck', value: { format: digestFormat } };
