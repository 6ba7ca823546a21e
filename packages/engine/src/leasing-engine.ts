// The half of an Engine that is about leases, sessions, quotas and access, over the few things in
// which engines differ. What is in the log goes there as a command; what only the leader's memory
// knows is asked of it.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { type Revision, revision } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { AccessRules } from '@holdfast/domain/access-rules';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { CommandResult, SetQuotaRequest } from '@holdfast/proto/internal';
import type { AccessGuard } from './access-guard.ts';
import { type CommandCase, type CommandRequest, responseOf } from './command-answer.ts';
import type {
  Answer,
  LeaderOptions,
  LeasedKey,
  LeaseTime,
  QuotaUse,
  ReadOptions,
  WriteOptions,
} from './engine.ts';
import {
  decodeLeaseAnswer,
  decodeQuestion,
  encodeLeaseAnswer,
  encodeQuestion,
  type LeaseQuestion,
  type MembersQuestion,
} from './leader-question.ts';
import type { Lessor } from './lessor.ts';
import { askPatiently } from './patient-ask.ts';

export type LeasePorts = {
  readonly store: KvStore;
  readonly access: AccessGuard;
  readonly random: Random;
  readonly clock: Clock;
  readonly lessor: Lessor;
  /** Through the log. */
  execute(request: CommandRequest, options: WriteOptions): Promise<CommandResult>;
  /** Throws `failed-precondition` while a member knows neither leases nor sessions. */
  awaitVersion(signal?: AbortSignal): Promise<void>;
  /** Of the leader; rejects as its handler does. */
  readonly askLeader: (question: Uint8Array, signal?: AbortSignal) => Promise<Uint8Array>;
  /** Until this member has applied it. */
  awaitRevision(wanted: Revision, signal?: AbortSignal): Promise<void>;
  /** Waits as the read asks; answers the age. */
  awaitConsistency(options: ReadOptions): Promise<number | undefined>;
  answer<T>(body: T, at: number, ageMs: number | undefined): Answer<T>;
};

export abstract class LeasingEngine {
  protected abstract readonly leasePorts: LeasePorts;

  get accessRules(): AccessRules {
    return this.leasePorts.access.rules;
  }

  async leaseGrant(
    request: { readonly ttlMs: number; readonly id?: bigint | undefined },
    options: WriteOptions,
  ): Promise<Answer<{ readonly id: bigint; readonly ttlMs: number }>> {
    const id = request.id ?? positive(this.leasePorts.random);
    requireRange(id, 63);
    const ttlMs = wholeMs(request.ttlMs);
    return await this.#write('leaseGrant', { id, ttlMs }, options);
  }

  async leaseRevoke(id: bigint, options: WriteOptions): Promise<Answer<{ deleted: number }>> {
    requireRange(id, 63);
    return await this.#write('leaseRevoke', { id, judgedAt: 0 }, options);
  }

  async leaseKeepAlive(id: bigint, options: LeaderOptions): Promise<Answer<LeaseTime>> {
    await this.leasePorts.access.admitLease(id, options);
    return await this.#ask({ kind: 'keep-alive', id }, options);
  }

  async leaseTimeToLive(
    id: bigint,
    options: LeaderOptions & { readonly keys?: boolean | undefined },
  ): Promise<Answer<LeaseTime & { readonly keys: readonly LeasedKey[] | undefined }>> {
    const { access, store } = this.leasePorts;
    await access.admitUser(options);
    const { header, body } = await this.#ask({ kind: 'time-to-live', id }, options);
    if (!options.keys) return { header, body: { ...body, keys: undefined } };
    await this.leasePorts.awaitRevision(header.revision, options.signal);
    access.requireKeysOf([id], options.subject);
    return { header, body: { ...body, keys: store.leases.keysOf(id) } };
  }

  async leases(
    request: { readonly limit: number },
    options: ReadOptions,
  ): Promise<Answer<{ readonly ids: readonly bigint[]; readonly count: number }>> {
    const ageMs = await this.leasePorts.awaitConsistency(options);
    const { leases, revision: at } = this.leasePorts.store;
    this.leasePorts.access.requireKeysOf(leases.ids(), options.subject);
    const ids: bigint[] = [];
    for (const id of leases.ids()) {
      if (ids.length >= request.limit) break;
      ids.push(id);
    }
    return this.leasePorts.answer({ ids, count: leases.size }, at, ageMs);
  }

  async sessionRegister(
    request: { readonly ttlMs: number; readonly id?: bigint | undefined },
    options: WriteOptions,
  ): Promise<Answer<{ readonly id: bigint; readonly ttlMs: number }>> {
    const id = request.id ?? positive(this.leasePorts.random);
    requireRange(id, 64);
    const ttlMs = wholeMs(request.ttlMs);
    return await this.#write('sessionRegister', { id, ttlMs }, options);
  }

  async sessionKeepAlive(id: bigint, options: WriteOptions): Promise<Answer<undefined>> {
    requireRange(id, 64);
    const { header } = await this.#write('sessionKeepAlive', { id }, options);
    return { header, body: undefined };
  }

  async sessionClose(id: bigint, options: WriteOptions): Promise<Answer<undefined>> {
    requireRange(id, 64);
    const { header } = await this.#write('sessionClose', { id }, options);
    return { header, body: undefined };
  }

  async setQuota(request: SetQuotaRequest, options: WriteOptions): Promise<Answer<undefined>> {
    const { header } = await this.#write('setQuota', request, options);
    return { header, body: undefined };
  }

  async quotas(options: ReadOptions): Promise<Answer<readonly QuotaUse[]>> {
    const ageMs = await this.leasePorts.awaitConsistency(options);
    this.leasePorts.access.requireUser(options.subject);
    const { quotas, revision: at } = this.leasePorts.store;
    return this.leasePorts.answer(quotas, at, ageMs);
  }

  /** Whether a write was applied before: then it has that answer, whatever is refused by now. */
  protected async isAnswered(options: WriteOptions): Promise<boolean> {
    const { session } = options;
    if (!session) return false;
    await this.leasePorts.awaitConsistency(options); // Linearizable.
    return this.leasePorts.store.sessions.hasAnswer(session.id, session.sequence);
  }

  /** On the leader: what a member asks it. */
  protected async answerQuestion(body: Uint8Array): Promise<Uint8Array> {
    const question = decodeQuestion(body);
    if (question.kind === 'change-members' || question.kind === 'transfer') {
      return await this.answerMembers(question);
    }
    const { kind, id } = question;
    const { lessor, store } = this.leasePorts;
    const time = kind === 'keep-alive' ? await lessor.keepAlive(id) : await lessor.timeToLive(id);
    return encodeLeaseAnswer({ ...time, revision: store.revision });
  }

  /** An engine of one member has nobody to add or to hand over to. */
  protected answerMembers(_question: MembersQuestion): Promise<Uint8Array> {
    const text = 'this engine has one member, and no other';
    return Promise.reject(new HoldfastError('unimplemented', text));
  }

  async #write<Case extends CommandCase>(
    kind: Case,
    value: Extract<CommandRequest, { readonly $case: Case }>['value'],
    options: WriteOptions,
  ) {
    const request = { $case: kind, value } as CommandRequest;
    const result = await this.leasePorts.execute(request, options);
    const response = responseOf(result, kind, options.session);
    return this.leasePorts.answer(response, result.revision, 0);
  }

  async #ask(question: LeaseQuestion, options: LeaderOptions): Promise<Answer<LeaseTime>> {
    const { id } = question;
    requireRange(id, 63);
    // A leader of an older version would take the question for a malformed write.
    await this.leasePorts.awaitVersion(options.signal);
    const { askLeader, clock } = this.leasePorts;
    const body = encodeQuestion(question);
    const bytes = await askPatiently(clock, (signal) => askLeader(body, signal), options.signal);
    const { ttlMs, remainingMs, revision: at } = decodeLeaseAnswer(bytes);
    return this.leasePorts.answer({ id, ttlMs, remainingMs }, revision(at), 0);
  }
}

/** 63 bits: etcd's lease ids are signed, and above zero. */
function positive(random: Random): bigint {
  return BigInt.asUintN(63, random.identity()) || 1n;
}

function requireRange(id: bigint, bits: number): void {
  if (id > 0n && id < 1n << BigInt(bits)) return;
  throw new HoldfastError(
    'invalid-argument',
    `an id is above zero and has ${bits} bits, not ${id}`,
  );
}

function wholeMs(ttlMs: number): number {
  if (Number.isSafeInteger(ttlMs) && ttlMs > 0) return ttlMs;
  throw new HoldfastError(
    'invalid-argument',
    `a time to live is a whole number of milliseconds above zero, not ${ttlMs}`,
  );
}
