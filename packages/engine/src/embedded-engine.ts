// The engine that needs nothing else: a replica with its in-memory store, put together from ports.
// It answers reads as asked, turns writes into proposals, and sees to the leader's duties.
import { HoldfastError } from '@holdfast/base/errors';
import { type MemberId, revision } from '@holdfast/base/ids';
import { TaskGroup } from '@holdfast/base/task-group';
import type { Subject } from '@holdfast/domain/subject';
import { KvStore } from '@holdfast/mvcc/kv-store';
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
import type { Entry } from '@holdfast/raft/entry';
import { defaultRaftSettings } from '@holdfast/raft/settings';
import type { Proposed } from '@holdfast/replica/proposals';
import { Replica } from '@holdfast/replica/replica';
import { defaultReplicaSettings } from '@holdfast/replica/settings';
import { AccessGuard } from './access-guard.ts';
import { Backups } from './backups.ts';
import {
  groupsVersion,
  integrityVersion,
  leasesVersion,
  membersVersion,
} from './cluster-version.ts';
import {
  type CommandRequest,
  commandResults,
  isOfKeys,
  isReadTxn,
  responseOf,
  resultOf,
} from './command-answer.ts';
import type { EmbeddedEngineOptions } from './embedded-engine-options.ts';
import { engineStatus } from './embedded-status.ts';
import type {
  Answer,
  Engine,
  EngineStatus,
  PulledWatches,
  ReadOptions,
  ResponseHeader,
  WatchRequest,
  WatchStream,
  WriteOptions,
} from './engine.ts';
import { EngineWatches } from './engine-watches.ts';
import { Freshness } from './freshness.ts';
import type { Integrity } from './integrity.ts';
import type { MembersQuestion } from './leader-question.ts';
import { LeaderWork } from './leader-work.ts';
import { type LeasePorts, LeasingEngine } from './leasing-engine.ts';
import { bindMember } from './member-binding.ts';
import { Membership } from './membership.ts';
import { Reclaiming } from './reclaiming.ts';
import { Soundness } from './soundness.ts';
import { addsData } from './write-admission.ts';
import { WritePath } from './write-path.ts';

export class EmbeddedEngine extends LeasingEngine implements Engine {
  readonly store: KvStore;
  /** Who belongs to the cluster, and how that changes. */
  readonly membership: Membership;
  readonly soundness: Soundness;
  readonly backups: Backups;
  protected readonly leasePorts: LeasePorts;
  readonly #options: EmbeddedEngineOptions;
  readonly #replica: Replica;
  readonly #tasks: TaskGroup;
  readonly #fresh: Freshness;
  readonly #writes: WritePath;
  readonly #leader: LeaderWork;
  readonly #access: AccessGuard;
  readonly #watches: EngineWatches;
  readonly #reclaiming: Reclaiming;
  #knownMembers: readonly BindMemberRequest[] = [];
  #hasFailed = false;
  #closing: Promise<void> | undefined;

  constructor(options: EmbeddedEngineOptions) {
    super();
    this.#options = options;
    this.store = new KvStore({
      yieldNow: () => this.#yieldNow(),
      whileLoading: options.whileLoading,
      checks: {
        onCheck: (digester) => this.integrity.onCheck(digester),
        onReport: (report) => this.integrity.onReport(report),
        onMembership: (entry) => this.integrity.onMembership(entry),
      },
    });
    this.#access = new AccessGuard(this.store, (signal) => this.#replica.readBarrier(signal));
    this.#reclaiming = new Reclaiming(this.store, options.nextTurn);
    this.#watches = new EngineWatches({
      ...options,
      ...{ store: this.store, access: this.#access },
      requireSound: () => this.integrity.requireSound(),
    });
    this.#tasks = new TaskGroup((error) => this.#fail(error));
    this.soundness = this.#newSoundness();
    this.#replica = new Replica({
      ...options,
      id: options.identity.memberId,
      stateMachine: this.store,
      results: commandResults,
      raftSettings: { ...defaultRaftSettings, ...options.raftSettings },
      settings: { ...defaultReplicaSettings, ...options.replicaSettings },
      describeMember: (id) => this.nameOf(id),
      isAdding: (envelope) =>
        addsData(envelope, (session, at) => this.store.sessions.hasAnswer(session, at)),
      isGroupable: (envelope) => this.store.clusterVersion >= groupsVersion && isOfKeys(envelope),
      doubt: this.integrity,
      isStateRead: () => this.backups.underWay > 0,
      onFatal: (error) => this.#fail(error),
      onApplied: (entries) => this.#afterApplied(entries),
      onQuestion: (body) => this.answerQuestion(body),
    });
    this.#writes = this.#newWritePath();
    this.#fresh = new Freshness({ replica: this.#replica, store: this.store });
    this.#leader = new LeaderWork({
      ...options,
      store: this.store,
      replica: this.#replica,
      configured: () => this.membership.configured(),
      settled: () => this.membership.settled(),
      isDoubted: () => this.integrity.isDoubted,
      yieldNow: () => this.#yieldNow(),
      onProblem: (what, error) => options.onEvent?.({ type: 'problem', what, error }),
    });
    this.leasePorts = this.#newLeasePorts();
    this.membership = this.#newMembership();
    this.backups = new Backups({
      ...options,
      store: this.store,
      awaitFresh: async (read) => await this.#fresh.await(read),
      applied: () => (this.integrity.isDoubted ? undefined : this.#replica.status().applied),
    });
  }

  /** Recovers and joins; resolves when this member takes part, which may be before it is ready. */
  async start(): Promise<void> {
    await this.#replica.start();
    this.soundness.start(this.#tasks);
    this.#tasks.run((signal) => this.#bind(signal));
    this.#tasks.run((signal) => this.#leader.run(signal));
    this.#tasks.run((signal) => this.#leader.lessor.run(signal));
  }

  /** Ends watches and waiting reads, hands leadership over, stops; the same end for all who ask. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** Whether the own state is that of the others. */
  get integrity(): Integrity {
    return this.soundness.integrity;
  }

  get replica(): Replica {
    return this.#replica;
  }

  async range(request: RangeRequest, options: ReadOptions): Promise<Answer<RangeResponse>> {
    let ageMs = await this.#fresh.await(options);
    if (options.room?.isFull) ageMs = await this.#fresh.awaitRoom(options.room, options, ageMs);
    this.integrity.requireSound();
    this.#access.requireRead(request, options.subject);
    const body = this.store.range(request, options);
    options.room?.heed(body);
    return this.#answer(body, this.store.revision, ageMs);
  }

  async put(request: PutRequest, options: WriteOptions): Promise<Answer<PutResponse>> {
    const command = { $case: 'put', value: request } as const;
    const proposed = await this.#write(command, options);
    const result = resultOf(proposed) ?? (await this.#writes.again(command, options, proposed));
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
    if (isReadTxn(request, options)) return await this.#readTxn(request, options);
    const command = { $case: 'txn', value: request } as const;
    const proposed = await this.#write(command, options);
    const result = resultOf(proposed) ?? (await this.#writes.again(command, options, proposed));
    return this.#answer(responseOf(result, 'txn', options.session), result.revision, 0);
  }

  async #readTxn(request: TxnRequest, options: WriteOptions): Promise<Answer<TxnResponse>> {
    const ageMs = await this.#awaitFresh(options);
    this.#access.requireTxn(request, options.subject);
    return this.#answer(this.store.readTxn(request), this.store.revision, ageMs);
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
    await this.#fresh.awaitRevision(options.minRevision, options.signal);
    await this.#access.admitRead(request, options);
    return this.#watches.stream(request, options);
  }

  pull(onFail: (reason: HoldfastError) => void, subject: Subject | undefined): PulledWatches {
    return this.#watches.pull(onFail, subject);
  }

  header(): ResponseHeader {
    return this.#header(this.store.revision, undefined);
  }

  leader(): MemberId | undefined {
    return this.#replica.marks?.leader;
  }

  status(): EngineStatus {
    return engineStatus({
      options: this.#options,
      replica: this.#replica.status(),
      store: this.store,
      integrity: this.integrity.status,
      scrub: this.soundness.scrubber?.status,
    });
  }

  /** The name that people know a member by. */
  nameOf(id: MemberId): string {
    const bound = this.store.members().find((member) => member.memberId === id);
    const initial = this.#options.initialMembers.find((member) => member.memberId === id);
    return bound?.name ?? initial?.name ?? id.toString(16);
  }

  // ---------------------------------------------------------------- writes

  /** As a client's: what is refused or asked for in vain there is told of the own state. */
  async #execute(request: CommandRequest, options: WriteOptions): Promise<CommandResult> {
    const proposed = await this.#write(request, options);
    return resultOf(proposed) ?? (await this.#writes.again(request, options, proposed));
  }

  #write(request: CommandRequest, options: WriteOptions): Promise<Proposed> {
    this.integrity.requireSound();
    return this.#writes.execute(request, options);
  }

  async #awaitFresh(options: ReadOptions): Promise<number | undefined> {
    const ageMs = await this.#fresh.await(options);
    this.integrity.requireSound();
    return ageMs;
  }

  #answer<T>(body: T, at: number, ageMs: number | undefined): Answer<T> {
    return { header: this.#header(at, ageMs), body };
  }

  #header(at: number, ageMs: number | undefined): ResponseHeader {
    const { clusterId, memberId: id } = this.#options.identity;
    return { clusterId, memberId: id, revision: revision(at), term: this.#replica.term, ageMs };
  }

  async #close(): Promise<void> {
    this.#watches.close(stopping());
    this.#fresh.close();
    await this.#tasks.close();
    await this.#replica.close();
    await this.integrity.close();
  }

  /** Told to the process once, whichever part failed first. */
  #fail(error: unknown): void {
    if (this.#hasFailed) return;
    this.#hasFailed = true;
    this.#options.onFatal(error);
  }

  #afterApplied(entries: readonly Entry[]): void {
    const members = this.store.members();
    const isChanged = entries.some(({ kind }) => kind === 'membership');
    if (members !== this.#knownMembers || isChanged) {
      this.#knownMembers = members;
      this.#options.onMembers?.();
      // With the last member bound, the cluster may have its version at once.
      if (!this.#closing) this.#tasks.run(() => this.#leader.attendDuties());
    }
    this.#leader.noteApplied(entries);
    this.#fresh.reached(this.store.revision);
    this.#watches.judge();
    this.#reclaiming.attend();
  }

  async #bind(signal: AbortSignal): Promise<void> {
    const own = { actor: `member:${this.#options.name}`, subject: 'own' } as const;
    const bind = async (value: BindMemberRequest, until: AbortSignal): Promise<void> => {
      const command = { $case: 'bindMember', value } as const;
      const proposed = await this.#writes.execute(command, { ...own, signal: until });
      responseOf(proposed.result as CommandResult, 'bindMember');
    };
    await bindMember({ ...this.#options, store: this.store, bind }, signal);
  }

  #newLeasePorts(): LeasePorts {
    return {
      store: this.store,
      access: this.#access,
      random: this.#options.random,
      clock: this.#options.clock,
      lessor: this.#leader.lessor,
      execute: (request, options) => this.#execute(request, options),
      awaitVersion: (signal) => this.#writes.awaitVersion(leasesVersion, signal),
      askLeader: (question, signal) => this.#replica.askLeader(question, signal),
      awaitRevision: (wanted, signal) => this.#fresh.awaitRevision(wanted, signal),
      awaitConsistency: (options) => this.#awaitFresh(options),
      answer: (body, at, ageMs) => this.#answer(body, at, ageMs),
    };
  }

  #newWritePath(): WritePath {
    return new WritePath({
      ...this.#options,
      store: this.store,
      replica: this.#replica,
      configured: () => this.membership.configured(),
      nameOf: (id) => this.nameOf(id),
      access: this.#access,
      awaitRevision: (wanted, signal) => this.#fresh.awaitRevision(wanted, signal),
      isAnswered: (write) => this.isAnswered(write),
    });
  }

  #newSoundness(): Soundness {
    const actor = `member:${this.#options.name}`;
    return new Soundness({
      options: this.#options,
      store: () => this.store,
      replica: () => this.#replica,
      tasks: this.#tasks,
      nameOf: (id) => this.nameOf(id),
      yieldNow: () => this.#yieldNow(),
      execute: async (request, signal) => {
        await this.#writes.awaitVersion(integrityVersion, signal);
        const options = { actor, subject: 'own', ...(signal && { signal }) } as const;
        const proposed = await this.#writes.execute(request, options);
        responseOf(proposed.result as CommandResult, request.$case);
      },
      propose: (term, request) => this.#leader.propose(term, request),
      onDoubted: (why) => {
        this.backups.stateDoubted();
        this.#watches.fail(why);
      },
    });
  }

  #newMembership(): Membership {
    const { clock, identity, initialMembers, raftSettings } = this.#options;
    return new Membership({
      clock,
      store: this.store,
      replica: this.#replica,
      self: identity.memberId,
      silenceMaxMs: raftSettings?.electionMaxMs ?? defaultRaftSettings.electionMaxMs,
      nameOf: (id) => this.nameOf(id),
      initialMembers,
      awaitVersion: (signal) => this.#writes.awaitVersion(membersVersion, signal),
      propose: (term, request) => this.#leader.propose(term, request),
    });
  }

  protected override answerMembers(question: MembersQuestion): Promise<Uint8Array> {
    return this.membership.answer(question);
  }

  #yieldNow(): Promise<void> {
    return new Promise((resolve) => this.#options.nextTurn(resolve));
  }
}

const stopping = (): HoldfastError =>
  new HoldfastError('shutting-down', 'this member is stopping; another one goes on');
