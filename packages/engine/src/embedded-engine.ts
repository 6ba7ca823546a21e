// The engine that needs nothing else: a replica with its in-memory store, put together from ports.
// It answers reads at the asked level, turns writes into proposals, and sees to the leader's
// duties.
import { type Clock, pause } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { type MemberId, memberId, type Revision, revision } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { TaskGroup } from '@holdfast/base/task-group';
import type { CompactionSettings } from '@holdfast/mvcc/compaction-policy';
import { KvStore, type KvStoreOptions } from '@holdfast/mvcc/kv-store';
import type {
  BindMemberRequest,
  CommandResult,
  CompactRequest,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
} from '@holdfast/proto/internal';
import { type Configuration, membersOf } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import { defaultRaftSettings, type RaftSettings } from '@holdfast/raft/settings';
import type {
  CoreRecorder,
  LogStore,
  MemberIdentity,
  PeerTransport,
  SnapshotStore,
  StatusStore,
} from '@holdfast/replica/ports';
import { Replica, type ReplicaEvent } from '@holdfast/replica/replica';
import { defaultReplicaSettings, type ReplicaSettings } from '@holdfast/replica/settings';
import { knownVersion, leasesVersion, requireLeases } from './cluster-version.ts';
import {
  type CommandRequest,
  commandResults,
  encodeCommand,
  isOfLeases,
  responseOf,
} from './command-answer.ts';
import { engineStatus } from './embedded-status.ts';
import type {
  Answer,
  Engine,
  EngineStatus,
  ReadOptions,
  ResponseHeader,
  WatchRequest,
  WatchStream,
  WriteOptions,
} from './engine.ts';
import { LeaderWork } from './leader-work.ts';
import { type LeasePorts, LeasingEngine } from './leasing-engine.ts';
import type { LessorSettings } from './lessor.ts';
import { bindMember } from './member-binding.ts';
import { RevisionWaiters } from './revision-waiters.ts';
import { StoreWatch } from './store-watch.ts';
import { WatchTurns } from './watch-turns.ts';
import { quotaRefusal, requireApplied } from './write-admission.ts';

/** A member as the cluster was started with it. */
export type InitialMember = {
  readonly memberId: MemberId;
  readonly name: string;
  readonly peerAddress: string;
};

export type EmbeddedEngineOptions = {
  readonly identity: MemberIdentity;
  readonly name: string;
  readonly version: string;
  readonly peerAddresses: readonly string[];
  readonly clientAddresses: readonly string[];
  readonly initialMembers: readonly InitialMember[];
  readonly bootstrap: Configuration;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs the action after the events at hand (setImmediate). */
  readonly nextTurn: (action: () => void) => void;
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  readonly transport: PeerTransport;
  readonly raftSettings?: Partial<RaftSettings>;
  readonly replicaSettings?: Partial<ReplicaSettings>;
  readonly compactionSettings?: Partial<CompactionSettings>;
  readonly lessorSettings?: Partial<LessorSettings>;
  /** Bytes of uncompacted data above which puts are refused before they are proposed. */
  readonly quotaBytes?: number;
  readonly onFatal: (error: unknown) => void;
  /** Another data directory is bound: who may be whom must be judged again (safety.md 15). */
  readonly onMemberBound?: () => void;
  readonly onEvent?: (event: ReplicaEvent) => void;
  readonly onInput?: (nowMs: number, input: Input) => void;
  readonly recorder?: CoreRecorder | undefined;
  /** Goes around each load of a state. */
  readonly whileLoading?: KvStoreOptions['whileLoading'];
};

/** Records that one slice of reclaiming looks at: well below a millisecond. */
const reclaimRecords = 2000;

export class EmbeddedEngine extends LeasingEngine implements Engine {
  readonly store: KvStore;
  protected readonly leasePorts: LeasePorts;
  readonly #options: EmbeddedEngineOptions;
  readonly #replica: Replica;
  readonly #tasks: TaskGroup;
  readonly #revisionWaiters = new RevisionWaiters();
  readonly #leader: LeaderWork;
  readonly #watches = new Set<StoreWatch>();
  readonly #watchTurns: WatchTurns;
  #isReclaiming = false;
  #boundCount = 0;
  #hasFailed = false;
  #closing: Promise<void> | undefined;

  constructor(options: EmbeddedEngineOptions) {
    super();
    this.#options = options;
    const { whileLoading } = options;
    this.store = new KvStore({ yieldNow: () => this.#yieldNow(), whileLoading });
    this.#watchTurns = new WatchTurns(options.nextTurn);
    const onFatal = (error: unknown): void => this.#fail(error);
    this.#tasks = new TaskGroup(onFatal);
    this.#replica = new Replica({
      ...options,
      id: options.identity.memberId,
      stateMachine: this.store,
      results: commandResults,
      raftSettings: { ...defaultRaftSettings, ...options.raftSettings },
      settings: { ...defaultReplicaSettings, ...options.replicaSettings },
      describeMember: (id) => this.nameOf(id),
      onFatal,
      onApplied: (entries) => this.#afterApplied(entries),
      onQuestion: (body) => this.answerQuestion(body),
    });
    this.#leader = new LeaderWork({
      ...options,
      store: this.store,
      replica: this.#replica,
      configured: () => this.#configured(),
      yieldNow: () => this.#yieldNow(),
      onProblem: (what, error) => options.onEvent?.({ type: 'problem', what, error }),
    });
    this.leasePorts = this.#newLeasePorts();
  }

  /** Recovers and joins; resolves when this member takes part, which may be before it is ready. */
  async start(): Promise<void> {
    await this.#replica.start();
    this.#tasks.run((signal) => this.#bind(signal));
    this.#tasks.run((signal) => this.#leader.run(signal));
    this.#tasks.run((signal) => this.#leader.lessor.run(signal));
  }

  /** Ends watches and waiting reads, hands leadership over, stops; the same end for all who ask. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  get replica(): Replica {
    return this.#replica;
  }

  async range(request: RangeRequest, options: ReadOptions): Promise<Answer<RangeResponse>> {
    const ageMs = await this.#awaitConsistency(options);
    return this.#answer(this.store.range(request), this.store.revision, ageMs);
  }

  async put(request: PutRequest, options: WriteOptions): Promise<Answer<PutResponse>> {
    const result = await this.#execute({ $case: 'put', value: request }, options);
    return this.#answer(responseOf(result, 'put', options.session), result.revision, 0);
  }

  async deleteRange(
    request: DeleteRangeRequest,
    options: WriteOptions,
  ): Promise<Answer<DeleteRangeResponse>> {
    const result = await this.#execute({ $case: 'deleteRange', value: request }, options);
    return this.#answer(responseOf(result, 'deleteRange', options.session), result.revision, 0);
  }

  async txn(request: TxnRequest, options: WriteOptions): Promise<Answer<TxnResponse>> {
    const result = await this.#execute({ $case: 'txn', value: request }, options);
    return this.#answer(responseOf(result, 'txn', options.session), result.revision, 0);
  }

  async compact(request: CompactRequest, options: WriteOptions): Promise<Answer<undefined>> {
    const result = await this.#execute({ $case: 'compact', value: request }, options);
    responseOf(result, 'compact');
    return this.#answer(undefined, result.revision, 0);
  }

  async watch(
    request: WatchRequest,
    options: Omit<ReadOptions, 'consistency'>,
  ): Promise<WatchStream> {
    await this.#awaitRevision(options.minRevision, options.signal);
    const { clock } = this.#options;
    const { signal } = options;
    if (this.#closing) throw stopping();
    const onEnd = (ended: StoreWatch): void => void this.#watches.delete(ended);
    const turns = this.#watchTurns;
    const watch = new StoreWatch({ store: this.store, clock, turns, request, signal, onEnd });
    this.#watches.add(watch);
    return watch;
  }

  status(): EngineStatus {
    return engineStatus({
      options: this.#options,
      replica: this.#replica.status(),
      store: this.store,
    });
  }

  /** The name that people know a member by. */
  nameOf(id: MemberId): string {
    const bound = this.store.members().find((member) => member.memberId === id);
    const initial = this.#options.initialMembers.find((member) => member.memberId === id);
    return bound?.name ?? initial?.name ?? id.toString(16);
  }

  /** Whether the data directory `storeId` may speak for member `id` (safety.md 15). */
  acceptsStore(id: MemberId, storeId: bigint): boolean {
    const bound = this.store.members().find((member) => member.memberId === id);
    return bound === undefined || bound.storeId === storeId;
  }

  // ---------------------------------------------------------------- reads

  /** Waits as the level asks; answers the age that the answer must show. */
  async #awaitConsistency(options: ReadOptions): Promise<number | undefined> {
    const consistency = options.consistency ?? { level: 'linearizable' };
    await this.#awaitRevision(options.minRevision, options.signal);
    switch (consistency.level) {
      case 'linearizable':
        await this.#replica.readBarrier(options.signal);
        return 0;
      case 'bounded':
        return this.#requireAge(consistency.maxAgeMs);
      case 'stale':
        return this.#replica.ageMs;
    }
  }

  #requireAge(maxAgeMs: number): number {
    const { ageMs } = this.#replica;
    if (ageMs !== undefined && ageMs <= maxAgeMs) return ageMs;
    const known = ageMs === undefined ? 'not known yet' : `${Math.ceil(ageMs)} ms`;
    throw new HoldfastError(
      'stale-unknown',
      `this member's state may be older than the ${maxAgeMs} ms that were asked for; ` +
        `its age is ${known}`,
      { details: ageMs === undefined ? {} : { ageMs } },
    );
  }

  async #awaitRevision(wanted: Revision | undefined, signal?: AbortSignal): Promise<void> {
    if (wanted === undefined || this.store.revision >= wanted) return;
    await this.#revisionWaiters.until(wanted, signal);
  }

  // ---------------------------------------------------------------- writes

  async #execute(request: CommandRequest, options: WriteOptions): Promise<CommandResult> {
    const { bytes } = this.store;
    const { quotaBytes } = this.#options;
    requireApplied(this.#replica.applyLag);
    const full = quotaRefusal(request, { bytes, quotaBytes });
    if (full && !(await this.isAnswered(options))) throw full;
    if (options.session || isOfLeases(request)) await this.#awaitVersion(options.signal);
    const envelope = encodeCommand(request, options);
    const { result } = await this.#replica.propose(envelope, options.signal);
    return result as CommandResult;
  }

  /** Throws `failed-precondition` while a member does not understand leases and sessions. */
  async #awaitVersion(signal?: AbortSignal): Promise<void> {
    if (this.store.clusterVersion >= leasesVersion) return;
    // This member may merely be behind.
    await this.#replica.readBarrier(signal);
    requireLeases(this.store, this.#configured(), (id) => this.nameOf(id));
  }

  #answer<T>(body: T, at: number, ageMs: number | undefined): Answer<T> {
    const { clusterId, memberId: id } = this.#options.identity;
    const header: ResponseHeader = {
      clusterId,
      memberId: id,
      revision: revision(at),
      term: this.#replica.term,
      ageMs,
    };
    return { header, body };
  }

  async #close(): Promise<void> {
    const reason = stopping();
    for (const watch of this.#watches) watch.fail(reason);
    this.#revisionWaiters.close();
    await this.#tasks.close();
    await this.#replica.close();
  }

  /** Told to the process once, whichever part failed first. */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onFatal(error);
  }

  #afterApplied(entries: readonly Entry[]): void {
    if (this.store.memberCount !== this.#boundCount) {
      this.#boundCount = this.store.memberCount;
      this.#options.onMemberBound?.();
      // With the last member bound, the cluster may have its version at once.
      if (!this.#closing) this.#tasks.run(() => this.#leader.attendDuties());
    }
    this.#leader.noteApplied(entries);
    this.#revisionWaiters.reached(this.store.revision);
    this.#reclaim();
  }

  /** Gives compacted memory back in slices, each in a turn of its own. */
  #reclaim(): void {
    if (this.#isReclaiming || !this.store.reclaimPending) return;
    this.#isReclaiming = true;
    this.#options.nextTurn(() => {
      this.#isReclaiming = false;
      if (this.store.reclaim(reclaimRecords)) this.#reclaim();
    });
  }

  // ---------------------------------------------------------------- duties

  async #bind(signal: AbortSignal): Promise<void> {
    const { identity, name, peerAddresses, clientAddresses, clock } = this.#options;
    const request: BindMemberRequest = {
      memberId: identity.memberId,
      storeId: identity.storeId,
      name,
      peerAddresses: [...peerAddresses],
      clientAddresses: [...clientAddresses],
      version: knownVersion,
    };
    const options = { actor: `member:${name}` };
    await bindMember(
      {
        request,
        bound: () =>
          this.store.members().find((one) => memberId(one.memberId) === identity.memberId),
        bind: async (value) => {
          const result = await this.#execute(
            { $case: 'bindMember', value },
            { ...options, signal },
          );
          responseOf(result, 'bindMember');
        },
        pause: (until) => pause(clock, 200, until),
      },
      signal,
    );
  }

  #configured(): readonly MemberId[] {
    const { raft } = this.#replica.status();
    return raft ? membersOf(raft.configuration) : [];
  }

  // ---------------------------------------------------------------- the parts

  #newLeasePorts(): LeasePorts {
    return {
      store: this.store,
      random: this.#options.random,
      lessor: this.#leader.lessor,
      execute: (request, options) => this.#execute(request, options),
      awaitVersion: (signal) => this.#awaitVersion(signal),
      askLeader: (question, signal) => this.#replica.askLeader(question, signal),
      awaitRevision: (wanted, signal) => this.#awaitRevision(wanted, signal),
      awaitConsistency: (options) => this.#awaitConsistency(options),
      answer: (body, at, ageMs) => this.#answer(body, at, ageMs),
    };
  }

  #yieldNow(): Promise<void> {
    return new Promise((resolve) => this.#options.nextTurn(resolve));
  }
}

const stopping = (): HoldfastError =>
  new HoldfastError('shutting-down', 'this member is stopping; another one goes on');
