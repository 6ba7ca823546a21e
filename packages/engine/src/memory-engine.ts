// The memory twin of the embedded engine: the real store under a log that is nowhere, one member
// that is its own quorum. For the tests of doors and services. It keeps the Engine contract,
// including waits, watches and refusals; it never persists.
import type { Clock } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import {
  type ClusterId,
  clusterId,
  index,
  type MemberId,
  memberId,
  next,
  type Revision,
  revision,
  storeId,
  term,
} from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { Random } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { Subject } from '@holdfast/domain/subject';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { ownAuthRevision, stampEntryEnvelope } from '@holdfast/proto/entry-envelope';
import {
  type BindMemberRequest,
  type CommandResult,
  type CompactRequest,
  type DeleteRangeRequest,
  type DeleteRangeResponse,
  MemberStanding,
  type PutRequest,
  type PutResponse,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
} from '@holdfast/proto/internal';
import { AccessGuard } from './access-guard.ts';
import { Backups } from './backups.ts';
import { knownVersion } from './cluster-version.ts';
import {
  type CommandCase,
  type CommandRequest,
  encodeCommand,
  isAllowedByOthers,
  isReadTxn,
  responseOf,
} from './command-answer.ts';
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
import { type LeasePorts, LeasingEngine } from './leasing-engine.ts';
import { defaultLessorSettings, Lessor } from './lessor.ts';
import { RevisionWaiters } from './revision-waiters.ts';

export type MemoryEngineOptions = {
  /** Times progress items; default: a clock that stands still. */
  readonly clock?: Clock;
  readonly clusterId?: ClusterId;
  readonly memberId?: MemberId;
  /** Chooses the ids of leases and sessions; default: the same ones each time. */
  readonly random?: Random;
};

export class MemoryEngine extends LeasingEngine implements Engine {
  /** Thrown by every write (and every linearizable read) while set: a lost quorum, a full disk. */
  refusal: HoldfastError | undefined;
  /** What leader() says: whether it knows one. */
  hasLeader = true;
  /** What `header.ageMs` says of reads that are not linearizable. */
  ageMs: number | undefined = 0;

  readonly backups: Backups;
  protected readonly leasePorts: LeasePorts;
  readonly #clock: Clock;
  readonly #clusterId: ClusterId;
  readonly #memberId: MemberId;
  readonly #store = new KvStore({ yieldNow: () => Promise.resolve() });
  readonly #waiters = new RevisionWaiters();
  readonly #access = new AccessGuard(this.#store, () => Promise.resolve());
  readonly #watches: EngineWatches;
  readonly #lessor: Lessor;

  constructor(options: MemoryEngineOptions = {}) {
    super();
    this.#clock = options.clock ?? new ManualClock();
    this.#watches = new EngineWatches({
      clock: this.#clock,
      store: this.#store,
      access: this.#access,
      nextTurn: queueMicrotask,
    });
    this.#clusterId = options.clusterId ?? clusterId(0xc1n);
    this.#memberId = options.memberId ?? memberId(0x1n);
    this.backups = this.#newBackups();
    this.#lessor = this.#newLessor();
    this.leasePorts = this.#newLeasePorts(options.random ?? new SeededRandom(1));
    this.#bind();
  }

  async range(request: RangeRequest, options: ReadOptions): Promise<Answer<RangeResponse>> {
    const { room } = options;
    await this.#beforeRead(options);
    if (room?.isFull) await room.wait(options.signal);
    this.#access.requireRead(request, options.subject);
    const linearizable = (options.consistency?.level ?? 'linearizable') === 'linearizable';
    const body = this.#store.range(request, options);
    room?.heed(body);
    return this.#answer(body, this.#store.revision, linearizable ? 0 : this.ageMs);
  }

  async put(request: PutRequest, options: WriteOptions): Promise<Answer<PutResponse>> {
    return await this.#write('put', { $case: 'put', value: request }, options);
  }

  async deleteRange(
    request: DeleteRangeRequest,
    options: WriteOptions,
  ): Promise<Answer<DeleteRangeResponse>> {
    return await this.#write('deleteRange', { $case: 'deleteRange', value: request }, options);
  }

  async txn(request: TxnRequest, options: WriteOptions): Promise<Answer<TxnResponse>> {
    if (!isReadTxn(request, options)) {
      return await this.#write('txn', { $case: 'txn', value: request }, options);
    }
    await this.#beforeRead(options);
    this.#access.requireTxn(request, options.subject);
    return this.#answer(this.#store.readTxn(request), this.#store.revision, 0);
  }

  async compact(request: CompactRequest, options: WriteOptions): Promise<Answer<undefined>> {
    const command = { $case: 'compact', value: request } as const;
    const { header } = await this.#write('compact', command, options);
    return { header, body: undefined };
  }

  async watch(
    request: WatchRequest,
    options: Omit<ReadOptions, 'consistency'>,
  ): Promise<WatchStream> {
    const { signal } = options;
    signal?.throwIfAborted();
    await this.#reach(options.minRevision, signal);
    return this.#watches.stream(request, options);
  }

  pull(onFail: (reason: HoldfastError) => void, subject: Subject | undefined): PulledWatches {
    return this.#watches.pull(onFail, subject);
  }

  /** As when the member stops, or its state is in doubt. */
  failWatches(reason: HoldfastError): void {
    this.#watches.fail(reason);
  }

  header(): ResponseHeader {
    return this.#answer(undefined, this.#store.revision, undefined).header;
  }

  leader(): MemberId | undefined {
    return this.hasLeader ? this.#memberId : undefined;
  }

  status(): EngineStatus {
    const at = this.#store.appliedIndex;
    return {
      clusterId: this.#clusterId,
      memberId: this.#memberId,
      storeId: storeId(1n),
      name: 'memory',
      version: '0.1.0',
      role: 'leader',
      leader: this.#memberId,
      term: term(1),
      commitIndex: at,
      appliedIndex: at,
      lastIndex: at,
      persistedIndex: at,
      purgedIndex: index(0),
      snapshotIndex: index(0),
      revision: this.#store.revision,
      compactRevision: this.#store.compactRevision,
      keys: this.#store.keys,
      bytes: this.#store.bytes,
      stateHash: this.#store.stateHash,
      ageMs: this.ageMs,
      peers: [],
      missingVoters: [],
      recovery: [],
      findings: undefined,
      install: undefined,
      repair: undefined,
      initialised: true,
      ready: this.refusal === undefined,
      notReadyReason: this.refusal?.message,
      snapshotFailures: { count: 0, last: undefined },
      stalledMs: undefined,
      disk: 'well',
      limits: [],
      integrity: undefined,
      scrub: undefined,
      counters: {},
    };
  }

  /** What it holds, as operators look at it. */
  get store(): KvStore {
    return this.#store;
  }

  /** Open watches: zero when every reader has gone. */
  get watcherCount(): number {
    return this.#store.watcherCount;
  }

  async #beforeRead(options: ReadOptions): Promise<void> {
    options.signal?.throwIfAborted();
    const consistency = options.consistency ?? { level: 'linearizable' };
    if (consistency.level === 'linearizable' && this.refusal) throw this.refusal;
    if (consistency.level === 'bounded') this.#requireFresh(consistency.maxAgeMs);
    await this.#reach(options.minRevision, options.signal);
    await this.#attendLeases();
  }

  #requireFresh(maxAgeMs: number): void {
    if (this.ageMs !== undefined && this.ageMs <= maxAgeMs) return;
    const age = this.ageMs === undefined ? 'unknown' : `${this.ageMs} ms`;
    throw new HoldfastError('stale-unknown', `the state's age is ${age}, asked: ${maxAgeMs} ms`);
  }

  async #write<Case extends CommandCase>(
    kind: Case,
    command: CommandRequest,
    options: WriteOptions,
  ) {
    const result = await this.#execute(command, options);
    return this.#answer(responseOf(result, kind, options.session), revision(result.revision), 0);
  }

  async #execute(command: CommandRequest, options: WriteOptions): Promise<CommandResult> {
    options.signal?.throwIfAborted();
    if (this.refusal) throw this.refusal;
    for (;;) {
      const permit = this.#access.permit(command, options);
      const authRevision = typeof permit === 'bigint' ? permit : await permit;
      const payload = encodeCommand(command, options, authRevision);
      await Promise.resolve(); // A proposal never answers in the caller's own turn.
      await this.#attendLeases();
      const result = this.#apply(command, payload);
      if (!isAllowedByOthers(result)) return result;
    }
  }

  #apply(command: CommandRequest, payload: Uint8Array): CommandResult {
    const at = next(this.#store.appliedIndex);
    stampEntryEnvelope(payload, Math.max(this.#clock.wallMs(), this.#store.lastProposedAtMs));
    const [result] = this.#store.apply([{ index: at, term: term(1), kind: 'command', payload }]);
    this.#waiters.reached(this.#store.revision);
    this.#watches.judge();
    if (command.$case === 'leaseGrant') this.#lessor.granted(command.value.id);
    return result as CommandResult;
  }

  /** No timer runs here: whoever comes by finds ended what has run out meanwhile. */
  async #attendLeases(): Promise<void> {
    if (this.#store.leases.size > 0) await this.#lessor.attend();
  }

  /** A cluster whose members all know everything. */
  #bind(): void {
    const member: BindMemberRequest = {
      memberId: this.#memberId,
      storeId: 1n,
      name: 'memory',
      peerAddresses: [],
      clientAddresses: [],
      version: knownVersion,
      standing: MemberStanding.JOINED,
    };
    const own = { actor: 'member:memory' };
    const bind: CommandRequest = { $case: 'bindMember', value: member };
    this.#apply(bind, encodeCommand(bind, own, ownAuthRevision));
    const raise: CommandRequest = {
      $case: 'clusterVersion',
      value: { version: knownVersion, memberIds: [] },
    };
    this.#apply(raise, encodeCommand(raise, own, ownAuthRevision));
  }

  /** As fast as they are read. */
  #newBackups(): Backups {
    return new Backups({
      clock: this.#clock,
      store: this.#store,
      identity: {
        clusterId: this.#clusterId,
        memberId: this.#memberId,
        storeId: storeId(1n),
        bootEpoch: 1,
      },
      version: '0.1.0',
      backupSettings: { bytesPerSecond: Number.MAX_SAFE_INTEGER },
      awaitFresh: (options) => this.#beforeRead(options),
      applied: () => ({ index: this.#store.appliedIndex, term: term(1) }),
    });
  }

  #newLessor(): Lessor {
    const leader = term(1);
    return new Lessor({
      clock: this.#clock,
      leases: () => this.#store.leases,
      leadership: {
        term: () => leader,
        confirm: () => (this.refusal ? Promise.reject(this.refusal) : Promise.resolve(leader)),
        propose: async (_term, request) => {
          const result = this.#apply(
            request,
            encodeCommand(request, { actor: 'leader' }, ownAuthRevision),
          );
          responseOf(result, request.$case);
        },
      },
      settings: defaultLessorSettings,
      yieldNow: () => Promise.resolve(),
      onProblem: () => undefined,
    });
  }

  #newLeasePorts(random: Random): LeasePorts {
    return {
      store: this.#store,
      access: this.#access,
      random,
      clock: this.#clock,
      lessor: this.#lessor,
      execute: (request, options) => this.#execute(request, options),
      awaitVersion: () => Promise.resolve(),
      askLeader: async (question) => {
        await this.#attendLeases();
        return this.answerQuestion(question);
      },
      awaitRevision: (wanted, signal) => this.#reach(wanted, signal),
      awaitConsistency: async (options) => {
        await this.#beforeRead(options);
        return (options.consistency?.level ?? 'linearizable') === 'linearizable' ? 0 : this.ageMs;
      },
      answer: (body, at, ageMs) => this.#answer(body, revision(at), ageMs),
    };
  }

  #answer<T>(body: T, at: Revision, ageMs: number | undefined): Answer<T> {
    const header: ResponseHeader = {
      clusterId: this.#clusterId,
      memberId: this.#memberId,
      revision: at,
      term: term(1),
      ageMs,
    };
    return { header, body };
  }

  async #reach(wanted: Revision | undefined, signal: AbortSignal | undefined): Promise<void> {
    if (wanted === undefined || this.#store.revision >= wanted) return;
    await waitFor(this.#waiters.until(wanted), signal);
  }
}
