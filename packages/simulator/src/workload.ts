// Clients: each does one call after another on some member, of a seeded kind on a seeded key, and
// reports what it was told. They are the only source of load, and know nothing of leaders.
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { type MemberId, revision } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { Engine, ReadOptions } from '@holdfast/engine/engine';
import {
  type Compare,
  CompareResult,
  type KeyValue,
  type RequestOp,
  type ResponseOp,
} from '@holdfast/proto/internal';
import type { ClientRecord, Effect, EffectAnswer } from './client-record.ts';
import type { ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import type { Register } from './history.ts';

export type WorkloadOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly members: ReadonlyMap<MemberId, ClusterMember>;
  readonly record: ClientRecord;
  readonly clients: number;
  readonly keys: number;
  /** Between two calls of one client, on average. */
  readonly gapMs: number;
  readonly onFailure: (error: unknown) => void;
};

export const keyspace = 1;
const callTimeoutMs = 3000;
/** A member that is down answers nothing: the connection is refused. */
const refusedPauseMs = 20;

type Target = { readonly member: ClusterMember; readonly engine: Engine };
type Told<T> = { readonly answer: T } | { readonly error: unknown };

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #random: Random;
  readonly #record: ClientRecord;
  readonly #abandon = new Map<ClusterMember, Set<() => void>>();
  #values = 0;
  #isEnded = false;
  #running = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#record = options.record;
  }

  start(): void {
    for (let client = 1; client <= this.#options.clients; client += 1) {
      this.#running += 1;
      this.#runClient(client)
        .catch(this.#options.onFailure)
        .finally(() => {
          this.#running -= 1;
        });
    }
  }

  /** No call begins after this; those in flight come to their end. */
  end(): void {
    this.#isEnded = true;
  }

  get isIdle(): boolean {
    return this.#running === 0;
  }

  /** The member's process died: whoever waits for it sees the connection end. */
  memberDown(member: ClusterMember): void {
    const waiting = [...(this.#abandon.get(member) ?? [])];
    this.#abandon.delete(member);
    for (const abandon of waiting) abandon();
  }

  /** One put through this very member; answers whether it was acknowledged. */
  async probe(member: ClusterMember): Promise<boolean> {
    const engine = member.engine;
    return engine !== undefined && (await this.#put({ member, engine }, 0));
  }

  async #runClient(client: number): Promise<void> {
    while (!this.#isEnded) {
      await this.#pause(2 * this.#options.gapMs * this.#random.fraction());
      const member = pick(this.#random, [...this.#options.members.values()]);
      const engine = member.engine;
      if (engine) await this.#operate({ member, engine }, client);
      else await this.#pause(refusedPauseMs);
    }
  }

  async #operate(target: Target, client: number): Promise<unknown> {
    const choice = this.#random.fraction();
    if (choice < 0.35) return this.#put(target, client);
    if (choice < 0.6) return this.#get(target, client);
    if (choice < 0.75) return this.#staleGet(target);
    if (choice < 0.82) return this.#delete(target, client);
    if (choice < 0.93) return this.#compareAndSet(target, client);
    if (choice < 0.95) return this.#compact(target);
    return this.#putPair(target, client);
  }

  async #put(target: Target, client: number): Promise<boolean> {
    const [key, value] = [this.#newKey(), this.#newValue()];
    const prevKv = this.#random.fraction() < 0.5;
    const effects: Effect[] = [{ key, action: { type: 'put', value } }];
    const request = { ...putRequest(key, value), prevKv };
    return await this.#write(target, { client, effects }, async (signal) => {
      const { header, body } = await target.engine.put(request, { actor: 'client', signal });
      const before = prevKv ? registerOf(body.prevKv) : untold;
      return { revision: header.revision, answers: [{ before, wrote: true }] };
    });
  }

  async #delete(target: Target, client: number): Promise<boolean> {
    const key = this.#newKey();
    const effects: Effect[] = [{ key, action: { type: 'delete' } }];
    const request = { keyspace, key: utf8(key), rangeEnd: new Uint8Array(0), prevKv: true };
    return await this.#write(target, { client, effects }, async (signal) => {
      const { header, body } = await target.engine.deleteRange(request, {
        actor: 'client',
        signal,
      });
      const before = registerOf(body.prevKvs[0]);
      return { revision: header.revision, answers: [{ before, wrote: body.deleted > 0 }] };
    });
  }

  /** Reads at the stale level first, as a client with a cache would, then swaps. */
  async #compareAndSet(target: Target, client: number): Promise<boolean> {
    const [key, value] = [this.#newKey(), this.#newValue()];
    const seen = await this.#wait(target, (signal) =>
      target.engine.range(rangeRequest(key), { ...staleRead, signal }),
    );
    if (!('answer' in seen)) return false;
    const expected = registerOf(seen.answer.body.kvs[0]);
    const effects: Effect[] = [{ key, action: { type: 'compare-and-set', expected, value } }];
    return await this.#write(target, { client, effects }, async (signal) => {
      const { header, body } = await target.engine.txn(
        {
          compare: [equals(key, expected)],
          success: [putOp(key, value)],
          failure: [rangeOp(key)],
        },
        { actor: 'client', signal },
      );
      const before = body.succeeded ? expected : rangedValue(body.responses[0]);
      return { revision: header.revision, answers: [{ before, wrote: body.succeeded }] };
    });
  }

  /** Two keys in one transaction: both or none, at one revision. */
  async #putPair(target: Target, client: number): Promise<boolean> {
    const [one, other] = ['k0', 'k1'];
    const [first, second] = [this.#newValue(), this.#newValue()];
    const effects: Effect[] = [
      { key: one, action: { type: 'put', value: first } },
      { key: other, action: { type: 'put', value: second } },
    ];
    const request = {
      compare: [],
      success: [putOp(one, first), putOp(other, second)],
      failure: [],
    };
    return await this.#write(target, { client, effects }, async (signal) => {
      const { header } = await target.engine.txn(request, { actor: 'client', signal });
      const answer = { before: untold, wrote: true };
      return { revision: header.revision, answers: [answer, answer] };
    });
  }

  /** Somebody wants memory back, whoever may still watch or read the past. */
  async #compact(target: Target): Promise<void> {
    const at = this.#record.order.highest - this.#random.integer(0, 60);
    if (at < 1) return;
    await this.#wait(target, (signal) =>
      target.engine.compact({ revision: at }, { actor: 'client', signal }),
    );
  }

  async #get(target: Target, client: number): Promise<void> {
    const key = this.#newKey();
    const call = this.#record.call(client, [{ key, action: { type: 'get' } }]);
    const options: ReadOptions = { actor: 'client', consistency: { level: 'linearizable' } };
    const told = await this.#wait(target, (signal) =>
      target.engine.range(rangeRequest(key), {
        ...options,
        signal,
      }),
    );
    if (!('answer' in told)) call.refused();
    else {
      const { header, body } = told.answer;
      call.answered([{ before: registerOf(body.kvs[0]), wrote: false }], header.revision);
    }
  }

  async #staleGet({ member, engine }: Target): Promise<void> {
    const isBounded = this.#random.fraction() < 0.5;
    const maxAgeMs = pick(this.#random, [150, 500, 5000]);
    const options: ReadOptions = isBounded
      ? { actor: 'client', consistency: { level: 'bounded', maxAgeMs } }
      : staleRead;
    const told = await this.#wait({ member, engine }, (signal) =>
      engine.range(rangeRequest(this.#newKey()), { ...options, signal }),
    );
    if (!('answer' in told)) return;
    const { ageMs, revision: at } = told.answer.header;
    this.#record.agedRead(ageMs, at);
    if (isBounded && (ageMs === undefined || ageMs > maxAgeMs)) {
      throw new HoldfastError('internal', `a read within ${maxAgeMs} ms is ${ageMs} ms old`);
    }
  }

  async #write(
    target: Target,
    { client, effects }: { readonly client: number; readonly effects: readonly Effect[] },
    work: (signal: AbortSignal) => Promise<{
      readonly revision: number;
      readonly answers: readonly EffectAnswer[];
    }>,
  ): Promise<boolean> {
    const call = this.#record.call(client, effects);
    const told = await this.#wait(target, work);
    if ('answer' in told) {
      call.answered(told.answer.answers, told.answer.revision);
      return true;
    }
    if (isHoldfastError(told.error) && told.error.outcome === 'not-applied') call.refused();
    else call.unknown();
    return false;
  }

  /** The answer or the error; an end of the member or of patience leaves the outcome unknown. */
  async #wait<T>({ member }: Target, work: (signal: AbortSignal) => Promise<T>): Promise<Told<T>> {
    const controller = new AbortController();
    const waiting = this.#abandon.get(member) ?? new Set();
    this.#abandon.set(member, waiting);
    return await new Promise<Told<T>>((resolve) => {
      const finish = (told: Told<T>): void => {
        timer.cancel();
        waiting.delete(onDown);
        if (this.#isExpected(told)) resolve(told);
      };
      const onDown = (): void => finish({ error: lostConnection });
      const timer = this.#options.queue.after(callTimeoutMs, () => {
        finish({ error: outOfPatience });
        controller.abort(outOfPatience);
      });
      waiting.add(onDown);
      work(controller.signal).then(
        (answer) => finish({ answer }),
        (error: unknown) => finish({ error }),
      );
    });
  }

  /** Clients are told operating errors alone; anything else is a bug of the member. */
  #isExpected(told: Told<unknown>): boolean {
    if ('answer' in told || isHoldfastError(told.error)) return true;
    this.#options.onFailure(told.error);
    return false;
  }

  #newKey(): string {
    return `k${this.#random.integer(0, this.#options.keys)}`;
  }

  #newValue(): string {
    this.#values += 1;
    return `v${this.#values}`;
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.queue.after(delayMs, resolve));
  }
}

const untold = { untold: true } as const;
const staleRead: ReadOptions = { actor: 'client', consistency: { level: 'stale' } };
const unknown = { outcome: 'unknown' } as const;
const lostConnection = new HoldfastError('unavailable', 'the connection ended', unknown);
const outOfPatience = new HoldfastError('deadline-exceeded', 'the client gave up', unknown);

const registerOf = (kv: KeyValue | undefined): Register => (kv ? toText(kv.value) : undefined);

const rangeRequest = (key: string) => ({
  keyspace,
  key: utf8(key),
  rangeEnd: new Uint8Array(0),
  limit: 0,
  revision: revision(0),
  keysOnly: false,
  countOnly: false,
});

const putRequest = (key: string, value: string) => ({
  keyspace,
  key: utf8(key),
  value: utf8(value),
  lease: 0n,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
});

const putOp = (key: string, value: string): RequestOp => ({
  request: { $case: 'put', value: putRequest(key, value) },
});

const rangeOp = (key: string): RequestOp => ({
  request: { $case: 'range', value: rangeRequest(key) },
});

const rangedValue = (response: ResponseOp | undefined): Register =>
  response?.response?.$case === 'range' ? registerOf(response.response.value.kvs[0]) : undefined;

/** Holds while the key has this value; undefined: while it is absent. */
const equals = (key: string, expected: Register): Compare => ({
  keyspace,
  key: utf8(key),
  rangeEnd: new Uint8Array(0),
  result: CompareResult.EQUAL,
  target:
    expected === undefined
      ? { $case: 'version', value: 0n }
      : { $case: 'value', value: utf8(expected) },
});
