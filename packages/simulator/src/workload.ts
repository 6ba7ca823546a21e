// Clients: each does one call after another on some member, of a seeded kind on a seeded key, and
// reports what it was told. They are the only source of load, and know nothing of leaders.
import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { pick, type Random } from '@holdfast/base/random';
import type { Consistency } from '@holdfast/engine/engine';
import type { ClientCalls, Target } from './client-calls.ts';
import { ClientGroup } from './client-group.ts';
import type { ClientRecord, Effect, EffectAnswer } from './client-record.ts';
import type { ClusterMember } from './cluster-member.ts';
import {
  equals,
  keyspace,
  putOp,
  putRequest,
  rangedValue,
  rangeOp,
  rangeRequest,
  registerOf,
} from './key-requests.ts';

export type WorkloadOptions = {
  readonly random: Random;
  readonly calls: ClientCalls;
  readonly record: ClientRecord;
  readonly clients: number;
  readonly keys: number;
  /** Between two calls of one client, on average. */
  readonly gapMs: number;
  readonly onFailure: (error: unknown) => void;
};

const actor = 'client';
/** A member that is down answers nothing: the connection is refused. */
const refusedPauseMs = 20;

export class Workload {
  readonly #options: WorkloadOptions;
  readonly #random: Random;
  readonly #record: ClientRecord;
  readonly #calls: ClientCalls;
  readonly #group: ClientGroup;
  #values = 0;

  constructor(options: WorkloadOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#record = options.record;
    this.#calls = options.calls;
    this.#group = new ClientGroup(options.onFailure);
  }

  start(): void {
    this.#group.start(this.#options.clients, (at) => this.#runClient(at + 1));
  }

  /** No call begins after this; those in flight come to their end. */
  end(): void {
    this.#group.end();
  }

  get isIdle(): boolean {
    return this.#group.isIdle;
  }

  /** One put through this very member; answers whether it was acknowledged. */
  async probe(member: ClusterMember): Promise<boolean> {
    const engine = member.engine;
    return engine !== undefined && (await this.#put({ member, engine }, 0));
  }

  async #runClient(client: number): Promise<void> {
    while (!this.#group.isEnded) {
      await this.#calls.pause(2 * this.#options.gapMs * this.#random.fraction());
      const target = this.#calls.someone(this.#random);
      if (target) await this.#operate(target, client);
      else await this.#calls.pause(refusedPauseMs);
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
      const { header, body } = await target.engine.put(request, this.#calls.as(actor, signal));
      const before = prevKv ? registerOf(body.prevKv) : untold;
      return { revision: header.revision, answers: [{ before, wrote: true }] };
    });
  }

  async #delete(target: Target, client: number): Promise<boolean> {
    const key = this.#newKey();
    const effects: Effect[] = [{ key, action: { type: 'delete' } }];
    const request = { keyspace, key: utf8(key), rangeEnd: new Uint8Array(0), prevKv: true };
    return await this.#write(target, { client, effects }, async (signal) => {
      const { header, body } = await target.engine.deleteRange(
        request,
        this.#calls.as(actor, signal),
      );
      const before = registerOf(body.prevKvs[0]);
      return { revision: header.revision, answers: [{ before, wrote: body.deleted > 0 }] };
    });
  }

  /** Reads at the stale level first, as a client with a cache would, then swaps. */
  async #compareAndSet(target: Target, client: number): Promise<boolean> {
    const [key, value] = [this.#newKey(), this.#newValue()];
    const seen = await this.#calls.wait(target, (signal) =>
      target.engine.range(rangeRequest(key), {
        ...this.#calls.as(actor, signal),
        consistency: { level: 'stale' },
      }),
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
        this.#calls.as(actor, signal),
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
      const { header } = await target.engine.txn(request, this.#calls.as(actor, signal));
      const answer = { before: untold, wrote: true };
      return { revision: header.revision, answers: [answer, answer] };
    });
  }

  /** Somebody wants memory back, whoever may still watch or read the past. */
  async #compact(target: Target): Promise<void> {
    const at = this.#record.order.highest - this.#random.integer(0, 60);
    if (at < 1) return;
    await this.#calls.wait(target, (signal) =>
      target.engine.compact({ revision: at }, this.#calls.as(actor, signal)),
    );
  }

  async #get(target: Target, client: number): Promise<void> {
    const key = this.#newKey();
    const call = this.#record.call(client, [{ key, action: { type: 'get' } }]);
    const told = await this.#calls.wait(target, (signal) =>
      target.engine.range(rangeRequest(key), {
        ...this.#calls.as(actor, signal),
        consistency: { level: 'linearizable' },
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
    const consistency: Consistency = isBounded
      ? { level: 'bounded', maxAgeMs }
      : { level: 'stale' };
    const told = await this.#calls.wait({ member, engine }, (signal) =>
      engine.range(rangeRequest(this.#newKey()), {
        ...this.#calls.as(actor, signal),
        consistency,
      }),
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
    const told = await this.#calls.wait(target, work);
    if ('answer' in told) {
      call.answered(told.answer.answers, told.answer.revision);
      return true;
    }
    if (told.error.outcome === 'not-applied') call.refused();
    else call.unknown();
    return false;
  }

  #newKey(): string {
    return `k${this.#random.integer(0, this.#options.keys)}`;
  }

  #newValue(): string {
    this.#values += 1;
    return `v${this.#values}`;
  }
}

const untold = { untold: true } as const;
