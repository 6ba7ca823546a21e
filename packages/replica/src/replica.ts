// One member alive: recovers, joins its cluster, and offers what callers need: propose,
// readBarrier, status, close. It owns the promises of its callers; the driver owns the core and its
// loops. No disk, socket or clock of its own; see ports.ts.
import { must } from '@holdfast/base/assert';
import { type Clock, sleep, type Timer } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { type Index, index, type MemberId, type Term, term } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { TaskGroup } from '@holdfast/base/task-group';
import type { Configuration } from '@holdfast/raft/configuration';
import type { TraceEvent } from '@holdfast/raft/core';
import type { Entry } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import type { Message } from '@holdfast/raft/message';
import type { RaftStatus } from '@holdfast/raft/raft';
import type { RaftSettings } from '@holdfast/raft/settings';
import { ConfirmedReads } from './confirmed-reads.ts';
import { Driver } from './driver.ts';
import { Forwarding, type ResultCodec } from './forwarding.ts';
import { Freshness } from './freshness.ts';
import { handOver } from './hand-over.ts';
import { LeaderGate } from './leader-gate.ts';
import { LogTime, lastLogTimeMs } from './log-time.ts';
import type {
  LogStore,
  PeerEvent,
  PeerHandler,
  PeerTransport,
  SnapshotStore,
  StateMachine,
  StatusStore,
} from './ports.ts';
import { lost, Proposals, type Proposed } from './proposals.ts';
import { Proposer } from './proposer.ts';
import { ReadBarriers } from './read-barriers.ts';
import { type Recovered, recover } from './recovery.ts';
import { type Phase, RecoveryPhases } from './recovery-phases.ts';
import { RequestIds } from './request-ids.ts';
import type { ReplicaSettings } from './settings.ts';

/** What a member tells its process: for logs, metrics and timelines. */
export type ReplicaEvent =
  | TraceEvent
  | { readonly type: 'problem'; readonly what: string; readonly error: unknown };

export type ReplicaOptions = {
  readonly id: MemberId;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs the action after the events at hand: setImmediate, or the simulator's queue. */
  readonly nextTurn: (action: () => void) => void;
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  readonly stateMachine: StateMachine;
  readonly transport: PeerTransport;
  readonly results: ResultCodec;
  readonly bootstrap: Configuration;
  readonly raftSettings: RaftSettings;
  readonly settings: ReplicaSettings;
  /** The name that people know a member by, for refusals. */
  readonly describeMember: (id: MemberId) => string;
  /** The disk failed, or an invariant broke: the member must end. Called once. */
  readonly onFatal: (error: unknown) => void;
  readonly onEvent?: (event: ReplicaEvent) => void;
  /** A recorder of everything that happens to the core, for replay. */
  readonly onInput?: (nowMs: number, input: Input) => void;
  /** After entries were applied: wakes watches and the like. */
  readonly onApplied?: (entries: readonly Entry[]) => void;
};

export type ReplicaStatus = {
  readonly raft: RaftStatus | undefined;
  readonly isReady: boolean;
  readonly phases: readonly Phase[];
  readonly ageMs: number | undefined;
  readonly quorumReachable: boolean;
  readonly missingVoters: readonly MemberId[];
  readonly lastHeardMs: ReadonlyMap<MemberId, number>;
  readonly snapshotIndex: Index;
  readonly syncs: number;
  readonly entriesSynced: number;
  readonly proposalsPending: number;
};

const sweepMs = 200;
const readyRetryMs = 50;

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #phases: RecoveryPhases;
  readonly #freshness = new Freshness();
  readonly #barriers = new ReadBarriers();
  readonly #requestIds = new RequestIds();
  readonly #logTime = new LogTime();
  readonly #tasks: TaskGroup;
  readonly #gate: LeaderGate;
  readonly #proposals: Proposals;
  readonly #forwarding: Forwarding;
  readonly #proposer: Proposer;
  readonly #reads: ConfirmedReads;
  #driver: Driver | undefined;
  #isReady = false;
  #isClosed = false;
  #hasFailed = false;
  #sweepTimer: Timer | undefined;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { clock, settings, transport, describeMember } = options;
    const { reachableMs } = settings;
    this.#phases = new RecoveryPhases(clock);
    this.#tasks = new TaskGroup((error) => this.#fail(error));
    this.#gate = new LeaderGate({
      self: options.id,
      clock,
      transport,
      reachableMs,
      describeMember,
    });
    this.#proposals = new Proposals({
      countMax: settings.proposalsMax,
      bytesMax: settings.proposalBytesMax,
    });
    const askTurn = (): void => this.#driver?.loop.askTurn();
    this.#forwarding = new Forwarding({
      transport,
      proposals: this.#proposals,
      results: options.results,
      onWaiting: askTurn,
    });
    this.#proposer = new Proposer({
      clock,
      settings,
      gate: this.#gate,
      proposals: this.#proposals,
      forwarding: this.#forwarding,
      requestIds: this.#requestIds,
      core: () => this.#need.raft,
      askTurn,
    });
    this.#reads = new ConfirmedReads({
      clock,
      settings,
      gate: this.#gate,
      barriers: this.#barriers,
      applied: () => this.#need.apply.applied.index,
      askTurn,
    });
  }

  /**
   * Recovers, joins the cluster, and starts to work; `isReady` comes with the first read barrier.
   */
  async start(): Promise<void> {
    const { log, stateMachine, transport } = this.#options;
    const recovered = await recover({ ...this.#options, phases: this.#phases });
    const range = { after: recovered.applied, last: recovered.log.last };
    this.#logTime.atLeast(await lastLogTimeMs(log, range, stateMachine.lastProposedAtMs));
    const driver = this.#newDriver(recovered);
    this.#driver = driver;
    this.#gate.begin(driver.raft);
    this.#phases.begin('replay');
    await transport.start(this.#handler(driver));
    this.#tasks.run(() => driver.persist.run());
    this.#tasks.run((signal) => this.#becomeReady(signal));
    this.#scheduleSweep();
    driver.loop.askTurn();
  }

  /**
   * Puts an encoded entry envelope into the log, through the leader wherever that is. Resolves with
   * the applied result. The signal ends the wait, never the proposal.
   */
  propose(envelope: Uint8Array, signal?: AbortSignal): Promise<Proposed> {
    return this.#proposer.propose(envelope, signal);
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
    const { quorumReachable, missingVoters } = this.#gate.view();
    return {
      raft: driver?.raft.status(),
      isReady: this.#isReady,
      phases: this.#phases.list(),
      ageMs: this.ageMs,
      quorumReachable,
      missingVoters,
      lastHeardMs: this.#gate.lastHeardMs(),
      snapshotIndex: driver?.snapshotter.newestIndex ?? index(0),
      syncs: driver?.persist.counters.syncs ?? 0,
      entriesSynced: driver?.persist.counters.entries ?? 0,
      proposalsPending: this.#proposals.count,
    };
  }

  get ageMs(): number | undefined {
    return this.#freshness.ageMs(this.#options.clock.monotonicMs());
  }

  get term(): Term {
    return this.#driver?.raft.term ?? term(0);
  }

  get isLeader(): boolean {
    return this.#driver?.raft.role === 'leader';
  }

  /** Entries that are committed and not yet applied. */
  get applyLag(): number {
    return this.#driver ? this.#driver.raft.commit - this.#driver.apply.applied.index : 0;
  }

  transferLeadership(to: MemberId): void {
    this.#need.loop.enqueue({ type: 'transfer-leadership', to });
  }

  /** Takes a snapshot now, whatever the policy says. */
  async takeSnapshot(): Promise<void> {
    await this.#need.snapshotter.take(this.#tasks.signal);
  }

  /** Hands leadership on if it has it, stops everything, and leaves the disk synced. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    const driver = this.#driver;
    const { clock, transport, log, status, snapshots } = this.#options;
    if (driver && !this.#hasFailed) {
      await handOver({ raft: driver.raft, loop: driver.loop, clock });
      await this.#snapshotAtStop(driver);
    }
    this.#isClosed = true;
    driver?.loop.stop();
    this.#sweepTimer?.cancel();
    const stopping = new HoldfastError('shutting-down', 'this member is stopping', {
      outcome: 'unknown',
    });
    this.#proposals.rejectAll(stopping);
    this.#gate.shut();
    this.#barriers.close();
    await transport.close();
    driver?.persist.close();
    driver?.releaseWaiters();
    await this.#tasks.close();
    await driver?.apply.pause();
    await log.close();
    await status.close();
    await snapshots.close();
  }

  // ---------------------------------------------------------------- what comes in

  #handler(driver: Driver): PeerHandler {
    return {
      onMessage: (message) => this.#onMessage(driver, message),
      onForward: (from, requests) => this.#proposer.takeForwards(from, requests),
      onForwarded: (_from, responses) => this.#forwarding.take(responses),
      onPeerEvent: (event) => this.#onPeerEvent(driver, event),
      onSnapshot: (from, meta, stateHash, chunks) =>
        driver.receiveSnapshot({ from, meta, stateHash, chunks }),
    };
  }

  #onMessage(driver: Driver, message: Message): void {
    this.#gate.heard(message.from);
    driver.loop.enqueue({ type: 'message', message });
  }

  #onPeerEvent(driver: Driver, event: PeerEvent): void {
    if (event.type === 'connected') {
      this.#gate.heard(event.peer);
      return;
    }
    if (event.refused) this.#gate.refused(event.peer);
    driver.loop.enqueue({ type: 'peer-unreachable', peer: event.peer, refused: event.refused });
  }

  // ---------------------------------------------------------------- readiness, end

  #newDriver(recovered: Recovered): Driver {
    return new Driver(this.#options, {
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
    });
  }

  /** Serving means: a read barrier has passed, so the own state is at least as new as the start. */
  async #becomeReady(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.readBarrier(signal);
        break;
      } catch (error) {
        if (signal.aborted) return;
        const { commit } = this.#need.raft;
        const done = commit === 0 ? 1 : this.#need.apply.applied.index / commit;
        this.#phases.progress('replay', done, messageOf(error));
        await sleep(this.#options.clock, readyRetryMs, signal);
      }
    }
    this.#phases.end('replay', `applied ${this.#need.apply.applied.index}`);
    this.#phases.begin('serving');
    this.#phases.end('serving', 'the first read barrier has passed');
    this.#isReady = true;
  }

  #scheduleSweep(): void {
    this.#sweepTimer = this.#options.clock.schedule(sweepMs, () => {
      this.#proposer.sweep();
      if (!this.#isClosed) this.#scheduleSweep();
    });
  }

  /** Keeps the next start short (safety.md 8). */
  async #snapshotAtStop({ apply, snapshotter }: Driver): Promise<void> {
    const behind = apply.applied.index - snapshotter.newestIndex;
    if (behind > this.#options.settings.snapshotAtStopEntries) await this.takeSnapshot();
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#driver?.loop.stop();
    this.#proposals.rejectAll(lost('unknown'));
    this.#gate.shut();
    this.#barriers.close();
    this.#options.onFatal(error);
  }

  get #need(): Driver {
    return must(this.#driver, 'the replica was started');
  }
}
