// One member alive: recovers, joins its cluster, and offers what callers need: propose,
// readBarrier, status, close. It owns the promises of its callers; the driver owns the core and its
// loops. No disk, socket or clock of its own; see ports.ts.
import { must } from '@holdfast/base/assert';
import { type Clock, sleep, type Timer } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { type Index, index, type MemberId, type Term, term } from '@holdfast/base/ids';
import { TaskGroup } from '@holdfast/base/task-group';
import type { Configuration } from '@holdfast/raft/configuration';
import type { Message } from '@holdfast/raft/message';
import type { Raft, RaftMarks, RaftStatus } from '@holdfast/raft/raft';
import { bootClock } from './boot-clock.ts';
import { ConfirmedReads } from './confirmed-reads.ts';
import { Driver } from './driver.ts';
import { Forwarding } from './forwarding.ts';
import { Freshness } from './freshness.ts';
import { handOver } from './hand-over.ts';
import { LeaderGate } from './leader-gate.ts';
import { LeaderQuestions } from './leader-questions.ts';
import { LogTime, lastLogTimeMs } from './log-time.ts';
import type { PeerEvent, PeerHandler } from './ports.ts';
import { Proposals, type Proposed } from './proposals.ts';
import { Proposer } from './proposer.ts';
import { ReadBarriers } from './read-barriers.ts';
import { Readiness } from './readiness.ts';
import { type Recovered, type RecoveryFindings, recover, waitingForRoom } from './recovery.ts';
import { RecoveryPhases } from './recovery-phases.ts';
import type { ReplicaOptions } from './replica-options.ts';
import type { ReplicaStatus } from './replica-status.ts';
import { RequestIds } from './request-ids.ts';
import { Upkeep } from './upkeep.ts';

const sweepMs = 200;

export class Replica {
  /** Of what this member holds. */
  readonly upkeep: Upkeep;
  readonly #options: ReplicaOptions;
  /** The core's own time: see boot-clock.ts. */
  readonly #clock: Clock;
  readonly #phases: RecoveryPhases;
  readonly #freshness: Freshness;
  readonly #barriers = new ReadBarriers();
  readonly #requestIds: RequestIds;
  readonly #logTime = new LogTime();
  readonly #tasks: TaskGroup;
  readonly #gate: LeaderGate;
  readonly #proposals: Proposals;
  readonly #forwarding: Forwarding;
  readonly #questions: LeaderQuestions;
  readonly #proposer: Proposer;
  readonly #reads: ConfirmedReads;
  readonly #readiness: Readiness;
  readonly #stopping = new AbortController();
  #driver: Driver | undefined;
  #findings: RecoveryFindings | undefined;
  #hasFailed = false;
  #starting: Promise<void> | undefined;
  #closing: Promise<void> | undefined;
  #sweepTimer: Timer | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { settings, transport, random } = options;
    this.#clock = bootClock(options.clock, random);
    this.#requestIds = new RequestIds(random);
    this.#freshness = new Freshness(this.#clock.monotonicMs());
    this.#phases = new RecoveryPhases(this.#clock);
    this.#tasks = new TaskGroup((error) => this.#fail(error));
    const { proposalsMax: countMax, proposalBytesMax: bytesMax } = settings;
    this.#proposals = new Proposals({ countMax, bytesMax });
    this.#gate = new LeaderGate({ ...options, clock: this.#clock });
    const { results } = options;
    const onWaiting = (): void => this.#driver?.loop.askTurn();
    this.#forwarding = new Forwarding({
      transport,
      proposals: this.#proposals,
      results,
      questions: () => this.#questions,
      onWaiting,
      onWritten: (peer) => this.#driver?.loop.enqueue({ type: 'tell-commit', peer }),
    });
    const core = (): Raft => this.#need.raft;
    const shared = { clock: this.#clock, settings, gate: this.#gate, core, askTurn: onWaiting };
    this.#questions = new LeaderQuestions({
      ...shared,
      forwarding: this.#forwarding,
      requestIds: this.#requestIds,
      answer: options.onQuestion,
    });
    this.#proposer = new Proposer({
      ...shared,
      proposals: this.#proposals,
      forwarding: this.#forwarding,
      requestIds: this.#requestIds,
      questions: this.#questions,
      refusal: (envelope) => this.#need.refusal(envelope),
      isGroupable: options.isGroupable ?? (() => false),
    });
    this.#reads = new ConfirmedReads({
      ...shared,
      barriers: this.#barriers,
      applied: () => this.#need.apply.applied.index,
    });
    this.upkeep = new Upkeep({
      driver: () => this.#driver,
      signal: () => this.#tasks.signal,
      fail: (error) => this.#fail(error),
      onProblem: (what, error) => options.onEvent?.({ type: 'problem', what, error }),
    });
    this.#readiness = new Readiness({
      phases: this.#phases,
      reads: this.#reads,
      gate: this.#gate,
      applied: () => this.#need.apply.applied.index,
      hasEnded: () => this.#stopping.signal.aborted || this.#hasFailed,
    });
  }

  /**
   * Recovers, joins the cluster, and starts to work; `isReady` comes with the first read barrier.
   */
  start(): Promise<void> {
    this.#starting ??= this.#start();
    return this.#starting;
  }

  /**
   * Puts an encoded entry envelope into the log, through the leader wherever that is. Resolves with
   * the applied result. The signal ends the wait, never the proposal.
   */
  propose(envelope: Uint8Array, signal?: AbortSignal): Promise<Proposed> {
    return this.#proposer.propose(envelope, signal);
  }

  /** See Proposer.proposeIn: the leader's own deeds. */
  proposeIn(inTerm: Term, envelope: Uint8Array): Promise<Proposed> {
    return this.#proposer.proposeIn(inTerm, envelope);
  }

  /** See ConfirmedReads.confirmLeadership. */
  confirmLeadership(signal?: AbortSignal): Promise<Term | undefined> {
    return this.isLeader ? this.#reads.confirmLeadership(signal) : Promise.resolve(undefined);
  }

  /** See LeaderQuestions.ask. */
  askLeader(question: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    return this.#questions.ask(question, signal);
  }

  /** Resolves when this member has applied everything that was acknowledged before the call. */
  readBarrier(signal?: AbortSignal): Promise<void> {
    return this.#reads.barrier(signal);
  }

  untilApplied(through: Index): Promise<void> {
    return this.#reads.untilApplied(through);
  }

  status(): ReplicaStatus {
    const driver = this.#driver;
    return {
      raft: driver?.raft.status(),
      applied: driver?.apply.applied,
      isInitialised: this.#readiness.isInitialised,
      isReady: this.#readiness.isReady,
      findings: this.#findings,
      phases: this.#phases.list(),
      ageMs: this.ageMs,
      ...this.#gate.contact(),
      snapshotIndex: driver?.snapshotter.newestIndex ?? index(0),
      snapshot: driver?.snapshotter.status,
      install: driver?.install,
      repair: driver?.repairs.progress,
      disk: driver?.disk.state ?? 'well',
      syncs: driver?.persist.counters.syncs ?? 0,
      entriesSynced: driver?.persist.counters.entries ?? 0,
      proposalsPending: this.#proposals.count,
    };
  }

  get ageMs(): number | undefined {
    return this.#freshness.ageMs(this.#clock.monotonicMs());
  }

  get term(): Term {
    return this.#driver?.raft.term ?? term(0);
  }

  /** The core alone, at little cost; undefined until it stands. */
  get raft(): RaftStatus | undefined {
    return this.#driver?.raft.status();
  }

  /** Where the core stands; undefined before it is there. */
  get marks(): RaftMarks | undefined {
    return this.#driver?.raft.marks();
  }

  get isLeader(): boolean {
    return this.#driver?.raft.role === 'leader';
  }

  /** Whether all that was known to be committed before the start is applied. */
  get isInitialised(): boolean {
    return this.#readiness.isInitialised;
  }

  /** Entries that are committed and not yet applied. */
  get applyLag(): number {
    return this.#driver ? this.#driver.raft.commit - this.#driver.apply.applied.index : 0;
  }

  transferLeadership(to: MemberId): void {
    this.#need.loop.enqueue({ type: 'transfer-leadership', to });
  }

  /**
   * Proposes other members; of use on the leader alone, and while no change is under way. What has
   * become of it stands in the status, as a configuration.
   */
  changeMembership(target: Pick<Configuration, 'voters' | 'learners'>): void {
    const requestId = this.#requestIds.next();
    this.#need.loop.enqueue({ type: 'change-membership', requestId, target });
  }

  /** Takes a snapshot now, whatever the policy says. */
  async takeSnapshot(): Promise<void> {
    await this.#need.snapshotter.take(this.#tasks.signal);
  }

  /**
   * Hands leadership on if it has it, lets what was taken in end, stops everything, and leaves the
   * disk synced. At any moment, also during the start; whoever asks a second time waits for the
   * same end.
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  // ---------------------------------------------------------------- what comes in

  #handler(driver: Driver): PeerHandler {
    return {
      onMessage: (message) => this.#onMessage(driver, message),
      onForward: (from, requests) => this.#proposer.takeForwards(from, requests),
      onForwarded: (_from, responses) => this.#forwarding.take(responses),
      onPeerEvent: (event) => this.#onPeerEvent(driver, event),
      onSnapshot: (incoming) => driver.receiveSnapshot(incoming),
    };
  }

  #onMessage(driver: Driver, message: Message): void {
    this.#gate.heard(message.from);
    driver.take(message);
  }

  #onPeerEvent(driver: Driver, event: PeerEvent): void {
    if (event.type === 'connected') {
      this.#gate.heard(event.peer);
      return;
    }
    if (event.refused) {
      this.#gate.refused(event.peer);
      this.#proposer.peerDied(event.peer);
    } else this.#proposer.peerLost(event.peer);
    driver.loop.enqueue({ type: 'peer-unreachable', peer: event.peer, refused: event.refused });
  }

  // ---------------------------------------------------------------- beginning and end

  async #start(): Promise<void> {
    const { log, stateMachine, transport, settings } = this.#options;
    const [phases, { signal }] = [this.#phases, this.#stopping];
    const waitForRoom = async (): Promise<void> => {
      if (await this.#options.reserve?.giveUp()) return;
      this.#options.onEvent?.({ type: 'problem', what: waitingForRoom, error: undefined });
      await sleep(this.#clock, settings.diskRetryMs, signal);
    };
    const recovered = await recover({ ...this.#options, phases, signal, waitForRoom });
    const range = { after: recovered.applied, last: recovered.log.last };
    this.#logTime.atLeast(await lastLogTimeMs(log, range, stateMachine.lastProposedAtMs));
    signal.throwIfAborted();
    this.#findings = recovered.findings;
    const driver = this.#newDriver(recovered);
    this.#driver = driver;
    this.#gate.begin(driver.raft);
    this.#readiness.begin(recovered);
    await transport.start(this.#handler(driver));
    signal.throwIfAborted();
    this.#tasks.run(() => driver.persist.run());
    this.#tasks.run((taskSignal) => driver.repairs.run(taskSignal));
    this.#tasks.run((taskSignal) => this.#readiness.run(recovered.commit, taskSignal));
    this.#scheduleSweep();
    driver.loop.askTurn();
  }

  async #close(): Promise<void> {
    const { transport, log, status, snapshots } = this.#options;
    // New calls are refused from here on, and a start that is under way ends at its next step.
    this.#gate.shut();
    this.#stopping.abort(new HoldfastError('shutting-down', 'this member is stopping'));
    // Whoever asked for the start is told how it ended.
    await this.#starting?.catch(() => undefined);
    const driver = this.#driver;
    if (driver && !this.#hasFailed) await this.#leave(driver);
    this.#refuseAll('shutting-down');
    driver?.loop.stop();
    this.#sweepTimer?.cancel();
    await transport.close();
    driver?.persist.close();
    driver?.noMoreSyncs();
    await driver?.apply.close();
    await this.#tasks.close();
    await log.close();
    await status.close();
    await snapshots.close();
    await this.#options.reserve?.close();
    await this.#options.recorder?.close();
  }

  /** The last deeds of a healthy member: a successor, the answers it owes, a snapshot. */
  async #leave({ raft, loop, apply, disk, snapshotter }: Driver): Promise<void> {
    await handOver({
      raft,
      loop,
      successor: () => disk.successor(),
      isPending: () => this.#proposals.count > 0,
      clock: this.#clock,
    });
    const behind = apply.applied.index - snapshotter.newestIndex;
    if (behind <= this.#options.settings.snapshotAtStopEntries) return;
    try {
      // Keeps the next start short (safety.md 8).
      await snapshotter.take(this.#tasks.signal);
    } catch (error) {
      // Without it the next start only has more to replay.
      this.#options.onEvent?.({ type: 'problem', what: 'the snapshot at the stop', error });
    }
  }

  /** Everybody who still waits for an answer of this member gets one. */
  #refuseAll(code: 'shutting-down' | 'unavailable'): void {
    const message = 'this member stops; what became of the write is not known: read it back';
    const error = new HoldfastError(code, message, { outcome: 'unknown' });
    this.#proposer.takeWaiting(); // From here on they are among the proposals.
    this.#proposals.rejectAll(error);
    this.#questions.rejectAll(error);
    this.#forwarding.flushResponses();
    this.#barriers.close();
  }

  #newDriver(recovered: Recovered): Driver {
    return new Driver(
      { ...this.#options, clock: this.#clock },
      {
        recovered,
        tasks: this.#tasks,
        gate: this.#gate,
        proposals: this.#proposals,
        proposer: this.#proposer,
        forwarding: this.#forwarding,
        barriers: this.#barriers,
        freshness: this.#freshness,
        requestIds: this.#requestIds,
        logTime: this.#logTime,
        onTrace: (event) => this.#options.onEvent?.(event),
        onProblem: (what, error) => this.#options.onEvent?.({ type: 'problem', what, error }),
        onFailure: (error) => this.#fail(error),
      },
    );
  }

  #scheduleSweep(): void {
    this.#sweepTimer = this.#clock.schedule(sweepMs, () => {
      this.#proposer.sweep();
      this.#driver?.disk.look();
      this.#scheduleSweep();
    });
  }

  /**
   * The disk failed or an invariant broke: nothing is promised any more, and the process is told.
   */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    if (isHoldfastError(error)) this.#driver?.abdicate();
    this.#driver?.loop.stop();
    this.#sweepTimer?.cancel();
    this.#gate.shut();
    this.#refuseAll('unavailable');
    this.#options.onFatal(error);
  }

  get #need(): Driver {
    return must(this.#driver, 'the replica was started');
  }
}
