// One member alive: drives the core, orders accept, send, persist and apply, and joins proposals and
// reads to their answers. It owns no disk, socket or clock of its own; see ports.ts.
//
// Inputs are queued by whoever has them, and stepped together once a turn of the event loop, so that
// everything that arrived in one turn shares one Ready, one message a peer and one sync.
import { assert } from '@holdfast/base/assert';
import type { Clock, Timer } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import {
  type Index,
  index,
  type MemberId,
  type RequestId,
  requestId,
  type Term,
  term,
} from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { TaskGroup } from '@holdfast/base/task-group';
import { stampEntryEnvelope } from '@holdfast/proto/entry-envelope';
import type { Configuration } from '@holdfast/raft/configuration';
import { membersOf } from '@holdfast/raft/configuration';
import type { TraceEvent } from '@holdfast/raft/core';
import { type Entry, entryBytes } from '@holdfast/raft/entry';
import type { Input, Proposal } from '@holdfast/raft/input';
import type { Message, SnapshotMeta } from '@holdfast/raft/message';
import { Raft, type RaftStatus } from '@holdfast/raft/raft';
import type { Ready, RefusalReason } from '@holdfast/raft/ready';
import type { RaftSettings } from '@holdfast/raft/settings';
import { AppendSender } from './append-sender.ts';
import { ApplyLoop } from './apply-loop.ts';
import { Contacts } from './contacts.ts';
import { Forwarding, notLeader, type ResultCodec } from './forwarding.ts';
import { Freshness } from './freshness.ts';
import { type LeaderView, LeaderWait } from './leader-wait.ts';
import { lastLogTimeMs, latestTimeMs } from './log-time.ts';
import { PersistLoop } from './persist-loop.ts';
import type {
  ApplyResult,
  ForwardRequest,
  LogStore,
  PeerEvent,
  PeerHandler,
  PeerTransport,
  SnapshotStore,
  StateMachine,
  StatusStore,
} from './ports.ts';
import { lost, Proposals, type Proposed, type Waiter } from './proposals.ts';
import { ReadBarriers } from './read-barriers.ts';
import { type Recovered, recover } from './recovery.ts';
import { type Phase, RecoveryPhases } from './recovery-phases.ts';
import type { ReplicaSettings } from './settings.ts';
import { Snapshotter } from './snapshotter.ts';

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

type Running = {
  readonly raft: Raft;
  readonly apply: ApplyLoop;
  readonly persist: PersistLoop;
  readonly snapshotter: Snapshotter;
};

export class Replica {
  readonly #options: ReplicaOptions;
  readonly #phases: RecoveryPhases;
  readonly #contacts = new Contacts();
  readonly #freshness = new Freshness();
  readonly #proposals: Proposals;
  readonly #barriers = new ReadBarriers();
  readonly #leaderWait: LeaderWait;
  readonly #forwarding: Forwarding;
  readonly #appends: AppendSender;
  readonly #tasks: TaskGroup;
  #running: Running | undefined;
  #inputs: Input[] = [];
  #toPropose: Proposal[] = [];
  #isTurnAsked = false;
  #isDraining = false;
  #isReady = false;
  #isClosed = false;
  #hasFailed = false;
  #timer: Timer | undefined;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #nextRequest = 0n;
  #lastLogTimeMs = 0;
  #knownLeader: MemberId | undefined;
  #leaderLostMs: number;
  #sweepTimer: Timer | undefined;
  #persistWaiters: { readonly through: Index; readonly resolve: () => void }[] = [];

  constructor(options: ReplicaOptions) {
    this.#options = options;
    const { clock, settings } = options;
    this.#phases = new RecoveryPhases(clock);
    this.#leaderLostMs = clock.monotonicMs();
    this.#proposals = new Proposals({
      countMax: settings.proposalsMax,
      bytesMax: settings.proposalBytesMax,
    });
    this.#leaderWait = new LeaderWait({
      clock,
      view: () => this.#leaderView(),
      describe: options.describeMember,
    });
    this.#forwarding = new Forwarding({
      transport: options.transport,
      proposals: this.#proposals,
      results: options.results,
      onWaiting: () => this.#askTurn(),
    });
    this.#appends = new AppendSender({
      from: options.id,
      log: options.log,
      transport: options.transport,
      onFailure: (error) => this.#tell({ type: 'problem', what: 'reading the log', error }),
    });
    this.#tasks = new TaskGroup((error) => this.#fail(error));
  }

  /** Recovers, joins the cluster, and starts to work; `isReady` comes with the first read barrier. */
  async start(): Promise<void> {
    const recovered = await recover({ ...this.#options, phases: this.#phases });
    this.#lastLogTimeMs = await lastLogTimeMs(
      this.#options.log,
      { after: recovered.applied, last: recovered.log.last },
      this.#options.stateMachine.lastProposedAtMs,
    );
    this.#running = this.#build(recovered);
    this.#phases.begin('replay');
    await this.#options.transport.start(this.#handler());
    this.#tasks.run(() => this.#persist.run());
    this.#tasks.run((signal) => this.#becomeReady(signal));
    this.#scheduleSweep();
    this.#askTurn();
  }

  /**
   * Puts an encoded entry envelope into the log, through the leader wherever that is. Resolves with
   * the applied result. The signal ends the wait, never the proposal.
   */
  async propose(envelope: Uint8Array, signal?: AbortSignal): Promise<Proposed> {
    const untilMs = this.#nowMs + this.#options.settings.leaderWaitMs;
    for (;;) {
      await waitFor(this.#waitForLeader(untilMs), signal);
      try {
        return await waitFor(this.#submit(envelope), signal);
      } catch (error) {
        // `not-leader` alone says for certain that nothing was written: only then, try again.
        if (!isHoldfastError(error, 'not-leader')) throw error;
        if (this.#nowMs >= untilMs) throw this.#leaderWait.refusal();
        await waitFor(this.#pause(20), signal);
      }
    }
  }

  /** Resolves when this member has applied everything that was acknowledged before the call. */
  async readBarrier(signal?: AbortSignal): Promise<void> {
    const untilMs = this.#nowMs + this.#options.settings.leaderWaitMs;
    for (;;) {
      await waitFor(this.#waitForLeader(untilMs), signal);
      const joined = this.#barriers.join();
      this.#askTurn();
      const readIndex = await waitFor(joined, signal);
      if (readIndex !== undefined) {
        await waitFor(this.untilApplied(readIndex), signal);
        return;
      }
      this.#throwIfClosed();
      if (this.#nowMs >= untilMs) throw this.#leaderWait.refusal();
      await waitFor(this.#pause(50), signal);
    }
  }

  untilApplied(through: Index): Promise<void> {
    return this.#barriers.untilApplied(through, this.#need.apply.applied.index);
  }

  status(): ReplicaStatus {
    const running = this.#running;
    const view = this.#leaderView();
    const raft = running?.raft.status();
    const lastHeardMs = new Map<MemberId, number>();
    for (const id of raft ? membersOf(raft.configuration) : []) {
      const heardMs = this.#contacts.lastHeardMs(id);
      if (heardMs !== undefined) lastHeardMs.set(id, heardMs);
    }
    return {
      raft,
      isReady: this.#isReady,
      phases: this.#phases.list(),
      ageMs: this.#freshness.ageMs(this.#nowMs),
      quorumReachable: view.quorumReachable,
      missingVoters: view.missingVoters,
      lastHeardMs,
      snapshotIndex: running?.snapshotter.newestIndex ?? index(0),
      syncs: running?.persist.counters.syncs ?? 0,
      entriesSynced: running?.persist.counters.entries ?? 0,
      proposalsPending: this.#proposals.count,
    };
  }

  get ageMs(): number | undefined {
    return this.#freshness.ageMs(this.#nowMs);
  }

  get term(): Term {
    return this.#running?.raft.term ?? term(0);
  }

  get isLeader(): boolean {
    return this.#running?.raft.role === 'leader';
  }

  /** Entries that are committed and not yet applied. */
  get applyLag(): number {
    return this.#running ? this.#running.raft.commit - this.#running.apply.applied.index : 0;
  }

  transferLeadership(to: MemberId): void {
    this.#enqueue({ type: 'transfer-leadership', to });
  }

  /** Takes a snapshot now, whatever the policy says. */
  async takeSnapshot(): Promise<void> {
    await this.#need.snapshotter.take(this.#tasks.signal);
  }

  /** Hands leadership on if it has it, stops everything, and leaves the disk synced. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    await this.#handOver();
    await this.#snapshotAtStop();
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#sweepTimer?.cancel();
    const error = new HoldfastError('shutting-down', 'this member is stopping', {
      outcome: 'unknown',
    });
    this.#proposals.rejectAll(error);
    this.#leaderWait.close();
    this.#barriers.close();
    await this.#options.transport.close();
    this.#running?.persist.close();
    for (const waiter of this.#persistWaiters) waiter.resolve();
    await this.#tasks.close();
    await this.#running?.apply.pause();
    await this.#options.log.close();
    await this.#options.status.close();
    await this.#options.snapshots.close();
  }

  // ---------------------------------------------------------------- the turn

  /** Queues an input for this turn's end. */
  #enqueue(input: Input): void {
    this.#inputs.push(input);
    this.#askTurn();
  }

  #askTurn(): void {
    if (this.#isTurnAsked || this.#isDraining || this.#isClosed) return;
    this.#isTurnAsked = true;
    this.#options.nextTurn(() => {
      this.#isTurnAsked = false;
      this.#drain();
    });
  }

  /** Steps everything that waits and does what the core then wants, until it wants nothing more. */
  #drain(): void {
    if (!this.#running || this.#isDraining || this.#isClosed || this.#hasFailed) return;
    this.#isDraining = true;
    try {
      this.#stepWaiting();
      while (this.#handle(this.#running.raft.ready())) this.#stepWaiting();
      this.#noteLeader();
      this.#forwarding.flushResponses();
      this.#armTimer();
    } catch (error) {
      this.#fail(error); // A broken invariant ends the member, it must not go on half-way.
    } finally {
      this.#isDraining = false;
    }
    if (this.#inputs.length > 0 || this.#forwarding.isWaiting) this.#askTurn();
  }

  #stepWaiting(): void {
    const inputs = this.#inputs;
    this.#inputs = [];
    for (const input of inputs) this.#step(input);
    if (this.#toPropose.length > 0) {
      const proposals = this.#toPropose;
      this.#toPropose = [];
      this.#stampProposals(proposals);
      this.#step({ type: 'propose', proposals });
    }
    if (this.#barriers.hasArriving) {
      const id = this.#newRequestId();
      this.#barriers.ask(id);
      this.#step({ type: 'read-index', requestId: id });
    }
    this.#forwarding.flushRequests(this.#leaderElsewhere);
  }

  #step(input: Input): void {
    const nowMs = this.#nowMs;
    this.#options.onInput?.(nowMs, input);
    this.#need.raft.step(nowMs, input);
  }

  #armTimer(): void {
    const atMs = this.#need.raft.nextTickMs;
    if (atMs === this.#timerAtMs) return;
    this.#timer?.cancel();
    this.#timerAtMs = atMs;
    this.#timer = this.#options.clock.schedule(Math.max(0, atMs - this.#nowMs), () => {
      this.#timerAtMs = Number.POSITIVE_INFINITY;
      this.#enqueue({ type: 'tick' });
    });
  }

  // ---------------------------------------------------------------- a Ready, in its own order

  /** False when there was nothing to do. */
  #handle(ready: Ready): boolean {
    const { log } = this.#options;
    if (ready.append.length > 0) {
      this.#lastLogTimeMs = latestTimeMs(ready.append, this.#lastLogTimeMs);
      log.accept(ready.append);
    }
    for (const message of ready.messages) this.#options.transport.send(message);
    for (const order of ready.appends) this.#appends.send(order);
    for (const peer of ready.snapshots) this.#need.snapshotter.send(peer);
    if (ready.status) this.#persist.saveStatus(ready.status);
    if (ready.install) this.#persist.installSnapshot(ready.install);
    else if (ready.append.length > 0) this.#persist.syncLog();
    for (const { requestId: id, id: logId } of ready.appended) this.#proposals.place(id, logId);
    if (ready.committed) this.#need.apply.commit(ready.committed.hi);
    for (const refused of ready.refused) {
      this.#proposals.refuse(refused.requestId, this.#refusalError(refused.reason));
    }
    for (const read of ready.reads) this.#barriers.answered(read.requestId, read.readIndex);
    if (ready.fresh) {
      const { stampMs, index: freshIndex } = ready.fresh;
      this.#freshness.confirmed(stampMs, freshIndex, this.#need.apply.applied.index);
    }
    return this.#inputs.length > 0;
  }

  #refusalError(reason: RefusalReason): HoldfastError {
    switch (reason) {
      case 'not-leader':
        return notLeader();
      case 'transferring':
        return new HoldfastError('no-leader', 'leadership is being handed over; try again');
      case 'uncommitted-full':
        return new HoldfastError(
          'resource-exhausted',
          'the log holds as much uncommitted data as it may: the followers are slower than the writers',
        );
      case 'change-in-flight':
        return new HoldfastError('failed-precondition', 'another membership change is under way');
      case 'bad-change':
        return new HoldfastError('invalid-argument', 'a cluster needs at least one voter');
    }
  }

  // ---------------------------------------------------------------- proposals

  #submit(envelope: Uint8Array): Promise<Proposed> {
    const refusal = this.#proposals.refusal(envelope.length);
    if (refusal) return Promise.reject(refusal);
    return new Promise((resolve, reject) => {
      this.#enqueueProposal(envelope, { resolve, reject });
    });
  }

  #enqueueProposal(envelope: Uint8Array, waiter: Waiter): void {
    const id = this.#newRequestId();
    this.#proposals.add(id, { ...waiter, bytes: envelope.length, sinceMs: this.#nowMs });
    const { role, leader, term } = this.#need.raft;
    if (role === 'leader') this.#toPropose.push({ requestId: id, payload: envelope });
    else if (leader === undefined) this.#proposals.refuse(id, notLeader());
    else this.#forwarding.request({ requestId: id, term, body: envelope });
    this.#askTurn();
  }

  /** The leader's wall clock, made to never go back along the log: the only time that apply may use. */
  #stampProposals(proposals: readonly Proposal[]): void {
    this.#lastLogTimeMs = Math.max(this.#lastLogTimeMs, this.#options.clock.wallMs());
    for (const proposal of proposals) stampEntryEnvelope(proposal.payload, this.#lastLogTimeMs);
  }

  /** A follower's proposals, taken in by the leader: one hop, and only in the term that was meant. */
  #takeForwards(from: MemberId, requests: readonly ForwardRequest[]): void {
    const { role, term } = this.#need.raft;
    for (const request of requests) {
      const waiter = this.#forwarding.waiter(from, request.requestId);
      const refusal = this.#proposals.refusal(request.body.length);
      if (role !== 'leader' || request.term !== term) waiter.reject(notLeader());
      else if (refusal) waiter.reject(refusal);
      else this.#enqueueProposal(request.body, waiter);
    }
    this.#askTurn();
  }

  // ---------------------------------------------------------------- what comes in

  #handler(): PeerHandler {
    return {
      onMessage: (message) => this.#onMessage(message),
      onForward: (from, requests) => this.#takeForwards(from, requests),
      onForwarded: (_from, responses) => this.#forwarding.take(responses),
      onPeerEvent: (event) => this.#onPeerEvent(event),
      onSnapshot: (from, meta, stateHash, chunks) =>
        this.#receiveSnapshot({ from, meta, stateHash }, chunks),
    };
  }

  #onMessage(message: Message): void {
    this.#contacts.heard(message.from, this.#nowMs);
    this.#enqueue({ type: 'message', message });
  }

  #onPeerEvent(event: PeerEvent): void {
    if (event.type === 'connected') {
      this.#contacts.heard(event.peer, this.#nowMs);
      return;
    }
    if (event.refused) this.#contacts.refused(event.peer);
    this.#enqueue({ type: 'peer-unreachable', peer: event.peer, refused: event.refused });
  }

  /** Stores a streamed snapshot beside the old state, then lets the core decide (safety.md 6). */
  async #receiveSnapshot(
    what: { readonly from: MemberId; readonly meta: SnapshotMeta; readonly stateHash: bigint },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const writer = await this.#options.snapshots.create(what.meta, what.stateHash);
    try {
      for await (const chunk of chunks) await writer.write(chunk);
      await writer.commit();
    } catch (error) {
      await writer.abort();
      throw error;
    }
    await this.#need.snapshotter.received();
    const { leader, term } = this.#need.raft;
    if (leader !== what.from || this.#isClosed) return;
    this.#enqueue({
      type: 'message',
      message: {
        type: 'install-snapshot',
        from: what.from,
        to: this.#options.id,
        term,
        snapshot: what.meta,
      },
    });
  }

  /** The switch: durable mark, new log, new state, mark gone (safety.md 6, D-15). */
  async #install(meta: SnapshotMeta): Promise<void> {
    const { log, status, snapshots, stateMachine } = this.#options;
    const stored = this.#need.snapshotter.find(meta.last);
    assert(stored !== undefined, 'a snapshot is installed from the own store');
    await this.#need.apply.pause();
    const state = this.#need.raft.hardState;
    await status.save({ state, installing: true });
    await stateMachine.restore(meta.last, snapshots.read(stored));
    await log.reset(meta.last);
    await status.save({ state, installing: false });
    this.#lastLogTimeMs = Math.max(this.#lastLogTimeMs, stateMachine.lastProposedAtMs);
    this.#proposals.skip(meta.last.index);
    this.#enqueue({ type: 'snapshot-installed', last: meta.last });
    this.#need.apply.resumeAt(meta.last, meta.configuration);
    this.#afterApplied([], []);
    this.#drain();
  }

  // ---------------------------------------------------------------- the loops' reports

  #build(recovered: Recovered): Running {
    const options = this.#options;
    const raft = new Raft({
      id: options.id,
      settings: options.raftSettings,
      seed: options.random.integer(0, 2 ** 32),
      nowMs: this.#nowMs,
      state: recovered.state,
      statusLost: recovered.statusLost,
      log: recovered.log,
      configurations: recovered.configurations,
      commit: recovered.commit,
      applied: recovered.applied.index,
      trace: (event) => this.#tell(event),
    });
    const apply = new ApplyLoop({
      log: options.log,
      stateMachine: options.stateMachine,
      settings: options.settings,
      nextTurn: options.nextTurn,
      start: recovered.applied,
      configuration: recovered.appliedConfiguration,
      onApplied: (entries, results) => this.#afterApplied(entries, results),
      onFailure: (error) => this.#fail(error),
    });
    return {
      raft,
      apply,
      persist: this.#buildPersist(raft),
      snapshotter: this.#buildSnapshotter(recovered, apply),
    };
  }

  #buildPersist(raft: Raft): PersistLoop {
    const { log, status, clock, settings } = this.#options;
    return new PersistLoop({
      log,
      status,
      commitIndex: () => index(Math.min(raft.commit, log.marks.accepted.index)),
      onStatus: (statusSequence) => this.#persisted({ type: 'persisted', statusSequence }),
      onLog: (persisted) => {
        this.#persisted({ type: 'persisted', log: persisted });
        this.#releasePersistWaiters(persisted.index);
      },
      install: (meta) => this.#install(meta),
      onDiskFull: () => {
        this.#tell({ type: 'problem', what: 'the disk is full', error: undefined });
        this.#enqueue({ type: 'resign' });
        return new Promise((resolve) => clock.schedule(settings.diskRetryMs, resolve));
      },
    });
  }

  #buildSnapshotter(recovered: Recovered, apply: ApplyLoop): Snapshotter {
    const { clock, log, snapshots, stateMachine, transport, settings } = this.#options;
    return new Snapshotter({
      clock,
      log,
      snapshots,
      stateMachine,
      transport,
      settings,
      tasks: this.#tasks,
      applied: () => ({ id: apply.applied, configuration: apply.configuration }),
      persisted: (through) => this.#untilPersisted(through),
      onPurged: (last) => this.#enqueue({ type: 'log-purged', last }),
      onSent: (peer, sent) => this.#enqueue({ type: 'snapshot-reported', peer, sent }),
      onFailure: (what, error) => this.#tell({ type: 'problem', what, error }),
      stored: recovered.snapshots,
    });
  }

  /** The end of an IO: stepped at once, for acknowledgements wait for it. */
  #persisted(input: Input): void {
    this.#inputs.push(input);
    this.#drain();
  }

  #afterApplied(entries: readonly Entry[], results: readonly ApplyResult[]): void {
    const applied = this.#need.apply.applied.index;
    let bytes = 0;
    for (const [at, entry] of entries.entries()) {
      this.#proposals.applied(entry, results[at]);
      bytes += entryBytes(entry);
    }
    this.#freshness.applied(applied);
    this.#barriers.applied(applied);
    this.#enqueue({ type: 'applied', index: applied });
    this.#options.onApplied?.(entries);
    this.#need.snapshotter.applied(bytes);
  }

  #untilPersisted(through: Index): Promise<void> {
    if (this.#options.log.marks.persisted.index >= through) return Promise.resolve();
    return new Promise((resolve) => this.#persistWaiters.push({ through, resolve }));
  }

  #releasePersistWaiters(persisted: Index): void {
    const met = this.#persistWaiters.filter((one) => one.through <= persisted);
    if (met.length === 0) return;
    this.#persistWaiters = this.#persistWaiters.filter((one) => one.through > persisted);
    for (const one of met) one.resolve();
  }

  // ---------------------------------------------------------------- leaders, readiness, end

  #noteLeader(): void {
    const { leader } = this.#need.raft;
    if (leader === this.#knownLeader) return;
    this.#knownLeader = leader;
    if (leader === undefined) this.#leaderLostMs = this.#nowMs;
    if (leader !== undefined) this.#leaderWait.release();
  }

  async #waitForLeader(untilMs: number): Promise<void> {
    this.#throwIfClosed();
    if (this.#running?.raft.leader !== undefined) return;
    await this.#leaderWait.wait(Math.max(0, untilMs - this.#nowMs));
    this.#throwIfClosed();
  }

  #throwIfClosed(): void {
    if (!this.#isClosed && !this.#hasFailed) return;
    throw new HoldfastError('shutting-down', 'this member is stopping');
  }

  #leaderView(): LeaderView {
    const raft = this.#running?.raft;
    if (!raft) return { leader: undefined, quorumReachable: true, missingVoters: [] };
    const { configuration, leader } = raft;
    const { id, settings } = this.#options;
    const sinceMs = this.#nowMs - settings.reachableMs;
    // Followers of a live leader do not talk to each other: silence counts from the leader's loss on.
    const isRecent = leader !== undefined || this.#leaderLostMs >= sinceMs;
    return {
      leader,
      quorumReachable: isRecent || this.#contacts.reachQuorum(configuration, id, sinceMs),
      missingVoters: this.#contacts
        .missingVoters(configuration, id, sinceMs)
        .filter((peer) => !this.#isLinked(peer)),
    };
  }

  /** A follower of a live leader hears the others only through their links. */
  #isLinked(peer: MemberId): boolean {
    const { role, leader } = this.#need.raft;
    return role === 'follower' && leader !== undefined && this.#options.transport.isConnected(peer);
  }

  /** Serving means: a read barrier has passed, so the own state is at least as new as the start. */
  async #becomeReady(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await this.readBarrier(signal);
        break;
      } catch (error) {
        if (signal.aborted) return;
        const target = this.#need.raft.status();
        const done = target.commit === 0 ? 1 : this.#need.apply.applied.index / target.commit;
        this.#phases.progress('replay', done, messageOf(error));
        await this.#pause(50);
      }
    }
    this.#phases.end('replay', `applied ${this.#need.apply.applied.index}`);
    this.#phases.begin('serving');
    this.#phases.end('serving', 'the first read barrier has passed');
    this.#isReady = true;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#options.clock.schedule(delayMs, resolve));
  }

  /** Ends what waits in vain: forwards without an answer, and writes of a lost leadership. */
  #scheduleSweep(): void {
    this.#sweepTimer = this.#options.clock.schedule(200, () => {
      this.#sweep();
      if (!this.#isClosed) this.#scheduleSweep();
    });
  }

  #sweep(): void {
    const { leaderWaitMs, forwardTimeoutMs } = this.#options.settings;
    const isLeader = this.#need.raft.role === 'leader';
    if (!isLeader) this.#proposals.expirePlaced(this.#nowMs - leaderWaitMs);
    this.#proposals.expireUnplaced(this.#nowMs - forwardTimeoutMs, lost('unknown'));
  }

  /** A leader that stops says so first, so that nobody waits out an election timeout. */
  async #handOver(): Promise<void> {
    const running = this.#running;
    if (!running || this.#hasFailed || running.raft.role !== 'leader') return;
    const { peers } = running.raft.status();
    const best = [...peers].sort((a, b) => b.match - a.match)[0];
    if (!best) return;
    this.transferLeadership(best.id);
    const untilMs = this.#nowMs + 500;
    while (running.raft.role === 'leader' && this.#nowMs < untilMs) await this.#pause(10);
    this.#enqueue({ type: 'resign' });
    this.#drain();
  }

  /** Keeps the next start short (safety.md 8). */
  async #snapshotAtStop(): Promise<void> {
    const running = this.#running;
    if (!running || this.#hasFailed) return;
    const behind = running.apply.applied.index - running.snapshotter.newestIndex;
    if (behind > this.#options.settings.snapshotAtStopEntries) await this.takeSnapshot();
  }

  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#proposals.rejectAll(lost('unknown'));
    this.#barriers.close();
    this.#options.onFatal(error);
  }

  #tell(event: ReplicaEvent): void {
    this.#options.onEvent?.(event);
  }

  get #leaderElsewhere(): MemberId | undefined {
    const { role, leader } = this.#need.raft;
    return role === 'leader' ? undefined : leader;
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  get #need(): Running {
    assert(this.#running !== undefined, 'the replica was started');
    return this.#running;
  }

  get #persist(): PersistLoop {
    return this.#need.persist;
  }

  #newRequestId(): RequestId {
    this.#nextRequest += 1n;
    return requestId(this.#nextRequest);
  }
}
