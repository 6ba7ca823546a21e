// Drives one member's core from the end of its recovery to its close: carries out each Ready in its
// own order, and reports the ends of all IO. Owns the core and the loops around it; the promises of
// callers (proposals, reads) belong to the replica and are only told here.
import { type HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { type Index, index } from '@holdfast/base/ids';
import { type Entry, entryBytes } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import type { Message, SnapshotMeta } from '@holdfast/raft/message';
import { Raft } from '@holdfast/raft/raft';
import type { Ready } from '@holdfast/raft/ready';
import { AppendSender } from './append-sender.ts';
import { ApplyLoop } from './apply-loop.ts';
import { CoreLoop } from './core-loop.ts';
import { DiskKeeper } from './disk-keeper.ts';
import { DoubtedState } from './doubted-state.ts';
import type { DriverOptions, DriverParts } from './driver-options.ts';
import { notLeader } from './forwarding.ts';
import { PersistLoop } from './persist-loop.ts';
import { PersistWaiters } from './persist-waiters.ts';
import type { ApplyResult, IncomingSnapshot } from './ports.ts';
import { refusalError } from './proposer.ts';
import { Repairs } from './repairs.ts';
import { type InstallProgress, SnapshotInstaller } from './snapshot-installer.ts';
import { Snapshotter } from './snapshotter.ts';

export class Driver {
  readonly raft: Raft;
  readonly loop: CoreLoop;
  readonly apply: ApplyLoop;
  readonly persist: PersistLoop;
  readonly snapshotter: Snapshotter;
  readonly repairs: Repairs;
  readonly disk: DiskKeeper;
  readonly doubt: DoubtedState;
  readonly #options: DriverOptions;
  readonly #parts: DriverParts;
  readonly #appends: AppendSender;
  readonly #installer: SnapshotInstaller;
  readonly #persistWaiters = new PersistWaiters();
  #isInstallWanted = false;

  constructor(options: DriverOptions, parts: DriverParts) {
    this.#options = options;
    this.#parts = parts;
    this.raft = this.#newRaft();
    options.recorder?.begin({ raft: this.raft, stateMachine: options.stateMachine });
    this.loop = this.#newLoop();
    this.doubt = new DoubtedState({
      ...options,
      raft: this.raft,
      loop: this.loop,
      tasks: parts.tasks,
      successor: () => this.disk.soundSuccessor(),
    });
    this.apply = this.#newApplyLoop();
    this.persist = this.#newPersistLoop();
    this.snapshotter = this.#newSnapshotter();
    this.disk = this.#newDiskKeeper();
    this.#installer = this.#newInstaller();
    this.repairs = this.#newRepairs();
    this.#appends = new AppendSender({
      from: options.id,
      log: options.log,
      transport: options.transport,
      leadsIn: (term) => this.raft.role === 'leader' && this.raft.term === term,
      onFailure: (error) => this.#readFailed(error),
    });
  }

  /** What is received or installed now, if anything is. */
  get install(): InstallProgress | undefined {
    return this.#installer.progress;
  }

  /** A peer streams a snapshot to this member. */
  receiveSnapshot(incoming: IncomingSnapshot): Promise<void> {
    const { snapshot } = incoming;
    const isOfPeer = this.raft.leader === undefined && snapshot.last.term > this.raft.term;
    // A leader was heard, and its term saved, before it sends one; of a mere peer that may be new.
    if (isOfPeer) this.loop.stepNow({ type: 'repair-snapshot', snapshot });
    return this.#installer.receive(incoming);
  }

  /** What a peer says is for the core, but for what members tell each other of damaged logs. */
  take(message: Message): void {
    this.disk.heard(message);
    if (!this.repairs.take(message)) this.loop.enqueue({ type: 'message', message });
  }

  /** Why this member, which leads, takes no write now; undefined: it does. */
  refusal(envelope: Uint8Array): HoldfastError | undefined {
    // It hands over, and whoever leads then answers from a sound state.
    return this.doubt.isDoubted ? notLeader() : this.disk.refusal(envelope);
  }

  /** What waits for a sync waits in vain from now on. */
  noMoreSyncs(): void {
    this.#persistWaiters.close();
  }

  /** A leader whose disk has failed names its successor, which needs no disk (safety.md 9). */
  abdicate(): void {
    const { id: from, transport } = this.#options;
    const { role, term } = this.raft;
    if (role !== 'leader') return;
    const to = this.disk.successor();
    if (to !== undefined) transport.send({ type: 'timeout-now', from, to, term });
  }

  // ---------------------------------------------------------------- a Ready, in its own order

  /** What waits for the core beside messages and ends of IO. */
  #gather(step: (input: Input) => void): void {
    const { proposer, barriers, forwarding, requestIds, logTime } = this.#parts;
    if (proposer.isWaiting) {
      const proposals = proposer.takeWaiting();
      logTime.stamp(proposals, this.#options.clock.wallMs());
      step({ type: 'propose', proposals });
    }
    if (barriers.hasArriving) {
      const requestId = requestIds.next();
      barriers.ask(requestId);
      step({ type: 'read-index', requestId });
    }
    const { role, leader } = this.raft;
    forwarding.flushRequests(role === 'leader' ? undefined : leader);
  }

  #carryOut(ready: Ready): void {
    this.#accept(ready);
    this.#send(ready);
    this.#persist(ready);
    const { proposals } = this.#parts;
    for (const { requestId, id } of ready.appended) proposals.place(requestId, id);
    if (ready.committed) this.apply.commit(ready.committed.hi);
    this.#answer(ready);
  }

  #accept({ append }: Ready): void {
    if (append.length === 0) return;
    this.#parts.logTime.note(append);
    this.#options.log.accept(append);
  }

  #send({ messages, appends, snapshots }: Ready): void {
    for (const message of messages) this.#options.transport.send(this.disk.told(message));
    for (const order of appends) this.#appends.send(order);
    for (const peer of snapshots) this.snapshotter.send(peer);
  }

  #persist({ status, install, append }: Ready): void {
    if (status) this.persist.saveStatus(status);
    if (install) this.#isInstallWanted = true;
    if (install) this.persist.installSnapshot(install);
    else if (append.length > 0) this.persist.syncLog();
  }

  #answer({ refused, reads, fresh }: Ready): void {
    const { proposals, barriers, freshness } = this.#parts;
    for (const { requestId, reason } of refused) proposals.refuse(requestId, refusalError(reason));
    for (const { requestId, readIndex } of reads) barriers.answered(requestId, readIndex);
    if (!fresh) return;
    const nowMs = this.#options.clock.monotonicMs();
    freshness.confirmed(fresh, { nowMs, applied: this.apply.applied.index });
  }

  #settled(): void {
    this.#parts.gate.noteTurn();
    this.#parts.forwarding.flushResponses();
    this.doubt.handOver();
  }

  // ---------------------------------------------------------------- the ends of IO

  #applied(entries: readonly Entry[], results: readonly ApplyResult[]): void {
    const { proposals, freshness, barriers } = this.#parts;
    const applied = this.apply.applied.index;
    // A report in the midst of them may have named this member: what stands before it counts, too.
    const { isDoubted } = this.doubt;
    let bytes = 0;
    for (const [at, entry] of entries.entries()) {
      proposals.applied(entry, results[at], isDoubted);
      bytes += entryBytes(entry);
    }
    freshness.applied(applied);
    barriers.applied(applied);
    this.#options.recorder?.applied(entries);
    this.loop.enqueue({ type: 'applied', index: applied });
    this.#options.onApplied?.(entries);
    this.snapshotter.applied(bytes);
  }

  #installed(meta: SnapshotMeta): void {
    const { proposals, logTime } = this.#parts;
    logTime.atLeast(this.#options.stateMachine.lastProposedAtMs);
    proposals.skip(meta.last.index);
    this.loop.enqueue({ type: 'snapshot-installed', last: meta.last });
    this.apply.resumeAt(meta.last, meta.configuration);
    this.#persistWaiters.persisted(meta.last.index);
    this.doubt.onReplaced();
    this.#applied([], []);
    this.loop.drain();
  }

  /** The state is another one, of an index that is applied or ahead; the log is what it was. */
  #replaced(meta: SnapshotMeta): void {
    const { proposals, logTime } = this.#parts;
    logTime.atLeast(this.#options.stateMachine.lastProposedAtMs);
    proposals.skip(meta.last.index);
    this.apply.resumeAt(meta.last, meta.configuration);
    this.doubt.onReplaced();
    this.#applied([], []);
  }

  /**
   * The core decides whether it still wants it. What a snapshot holds is committed, so a leader
   * that came to office meanwhile stands for it as well as the one who has sent it.
   */
  #received(meta: SnapshotMeta): boolean {
    const { id: to } = this.#options;
    const { leader, term } = this.raft;
    if (leader === to) return false;
    this.#isInstallWanted = false;
    if (leader === undefined) {
      this.loop.stepNow({ type: 'repair-snapshot', snapshot: meta });
      return this.#isInstallWanted;
    }
    const message = { type: 'install-snapshot', from: leader, to, term, snapshot: meta } as const;
    this.loop.stepNow({ type: 'message', message });
    return this.#isInstallWanted;
  }

  /** By the core's mark; the log's own runs ahead of it while a sync goes on in a new segment. */
  async #persistedTo(through: Index): Promise<void> {
    if (this.raft.marks().persisted < through) await this.#persistWaiters.until(through);
  }

  /** Rot in the own log is for the next start to find and mark; anything else, for the next try. */
  #readFailed(error: unknown): void {
    if (isHoldfastError(error, 'corrupt')) this.#parts.onFailure(error);
    else this.#parts.onProblem('reading the log', error);
  }

  // ---------------------------------------------------------------- the parts

  #newRaft(): Raft {
    const { id, raftSettings, random, clock } = this.#options;
    const { recovered, onTrace } = this.#parts;
    return new Raft({
      id,
      settings: raftSettings,
      seed: random.integer(0, 2 ** 32),
      nowMs: clock.monotonicMs(),
      state: recovered.state,
      statusLost: recovered.statusLost,
      log: recovered.log,
      configurations: recovered.configurations,
      commit: recovered.commit,
      applied: recovered.applied.index,
      trace: onTrace,
    });
  }

  #newLoop(): CoreLoop {
    const { clock, nextTurn, onInput, recorder } = this.#options;
    const { proposer, barriers, forwarding, onFailure } = this.#parts;
    return new CoreLoop({
      raft: this.raft,
      clock,
      nextTurn,
      onInput,
      recorder,
      gather: (step) => this.#gather(step),
      hasWaiting: () => proposer.isWaiting || barriers.hasArriving || forwarding.isWaiting,
      onReady: (ready) => this.#carryOut(ready),
      onSettled: () => this.#settled(),
      onFailure,
    });
  }

  #newApplyLoop(): ApplyLoop {
    const { recovered, onFailure } = this.#parts;
    return new ApplyLoop({
      ...this.#options,
      start: recovered.applied,
      configuration: recovered.appliedConfiguration,
      onApplied: (entries, results) => this.#applied(entries, results),
      onFailure,
    });
  }

  #newPersistLoop(): PersistLoop {
    const { log } = this.#options;
    return new PersistLoop({
      ...this.#options,
      commitIndex: () => index(Math.min(this.raft.commit, log.marks.accepted.index)),
      onStatus: (statusSequence) => this.loop.stepNow({ type: 'persisted', statusSequence }),
      onLog: (persisted) => {
        this.loop.stepNow({ type: 'persisted', log: persisted });
        this.#persistWaiters.persisted(persisted.index);
      },
      install: (meta) => this.#installer.install(meta),
      onDiskFull: () => this.#parts.onProblem('the disk is full', undefined),
    });
  }

  #newSnapshotter(): Snapshotter {
    const { tasks, recovered, onProblem } = this.#parts;
    return new Snapshotter({
      ...this.#options,
      tasks,
      applied: () => ({ id: this.apply.applied, configuration: this.apply.configuration }),
      persisted: (through) => this.#persistedTo(through),
      onPurged: (last) => this.loop.enqueue({ type: 'log-purged', last }),
      onSent: (peer, sent) => {
        this.repairs.sent(peer);
        this.loop.enqueue({ type: 'snapshot-reported', peer, sent });
      },
      onFailure: onProblem,
      stored: recovered.snapshots,
      isDoubted: () => this.doubt.isDoubted,
    });
  }

  #newDiskKeeper(): DiskKeeper {
    return new DiskKeeper({
      ...this.#options,
      isDoubted: () => this.doubt.isDoubted,
      barriers: this.#parts.barriers,
      raft: this.raft,
      persist: this.persist,
      snapshotBytes: () => this.snapshotter.status.bytes,
      step: (input) => this.loop.enqueue(input),
      onProblem: this.#parts.onProblem,
    });
  }

  #newRepairs(): Repairs {
    const { requestIds, tasks } = this.#parts;
    return new Repairs({
      ...this.#options,
      raft: this.raft,
      tasks,
      newRequestId: () => requestIds.next(),
      appliedIndex: () => this.apply.applied.index,
      snapshotter: this.snapshotter,
      step: (input) => this.loop.stepNow(input),
      persisted: (through) => this.#persistedTo(through),
      onReadFailed: (error) => this.#readFailed(error),
    });
  }

  #newInstaller(): SnapshotInstaller {
    return new SnapshotInstaller({
      ...this.#options,
      apply: this.apply,
      snapshotter: this.snapshotter,
      hardState: () => this.raft.hardState,
      signal: this.#parts.tasks.signal,
      isTermSaved: ({ last }) => this.raft.hasSaved(last.term),
      onReceived: (meta) => this.#received(meta),
      onInstalled: (meta) => this.#installed(meta),
      doubt: this.doubt,
      onReplaced: (meta) => this.#replaced(meta),
    });
  }
}
