// Clients with leases: each is granted one, hangs keys on it, keeps it alive through any member for
// a while, and then revokes it or lets it run out. Reports to the judges of leases.
import { utf8 } from '@holdfast/base/bytes';
import type { Random } from '@holdfast/base/random';
import type { ClientCalls } from './client-calls.ts';
import { ClientGroup } from './client-group.ts';
import type { ClientRecord } from './client-record.ts';
import type { EventQueue } from './event-queue.ts';
import { keyspace, putRequest } from './key-requests.ts';

export type LeaseClientsOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly calls: ClientCalls;
  readonly record: ClientRecord;
  readonly count: number;
  readonly onFailure: (error: unknown) => void;
};

/** Nothing but the end of a lease deletes a key that begins so. */
export const leasedPrefix = 'lease/';

const actor = 'lessee';

export class LeaseClients {
  readonly #options: LeaseClientsOptions;
  readonly #random: Random;
  readonly #group: ClientGroup;
  #leases = 0n;

  constructor(options: LeaseClientsOptions) {
    this.#options = options;
    this.#random = options.random;
    this.#group = new ClientGroup(options.onFailure);
  }

  start(): void {
    this.#group.start(this.#options.count, () => this.#run());
  }

  end(): void {
    this.#group.end();
  }

  get isIdle(): boolean {
    return this.#group.isIdle;
  }

  async #run(): Promise<void> {
    const { calls } = this.#options;
    while (!this.#group.isEnded) {
      await calls.pause(1000 * this.#random.fraction());
      this.#leases += 1n;
      await this.#live(this.#leases, 1000 + this.#random.integer(0, 1500));
    }
  }

  /** The life of one lease. */
  async #live(id: bigint, ttlMs: number): Promise<void> {
    const { record } = this.#options;
    record.leases.asked(id, ttlMs);
    const isGranted = await this.#renew(id, (target, signal) =>
      target.engine.leaseGrant({ id, ttlMs }, this.#options.calls.as(actor, signal)),
    );
    if (!isGranted) return;
    const acts = this.#random.integer(0, 14);
    for (let act = 0; act < acts && !this.#group.isEnded; act += 1) {
      await this.#options.calls.pause(0.6 * ttlMs * this.#random.fraction());
      if (record.leases.hasEnded(id)) return;
      if (this.#random.fraction() < 0.4) await this.#hang(id, act);
      else await this.#keepAlive(id);
    }
    if (this.#random.fraction() < 0.3) await this.#revoke(id);
  }

  async #keepAlive(id: bigint): Promise<void> {
    const { calls } = this.#options;
    await this.#renew(id, (target, signal) =>
      target.engine.leaseKeepAlive(id, calls.as(actor, signal)),
    );
  }

  /** Answers whether it was acknowledged. */
  async #renew(id: bigint, ask: Ask): Promise<boolean> {
    const { queue, calls, record } = this.#options;
    const target = calls.someone(this.#random);
    if (!target) return false;
    const sentMs = queue.nowMs;
    const told = await calls.wait(target, (signal) => ask(target, signal));
    if (!('answer' in told)) return false;
    record.leases.acknowledged(id, sentMs);
    return true;
  }

  async #hang(id: bigint, number: number): Promise<void> {
    const { calls, record } = this.#options;
    const target = calls.someone(this.#random);
    if (!target) return;
    const [key, value] = [`${leasedPrefix}${id}/${number}`, `hung-${id}-${number}`];
    record.writes.attempted(key, value);
    const request = { ...putRequest(key, value), key: utf8(key), keyspace, lease: id };
    const told = await calls.wait(target, (signal) =>
      target.engine.put(request, calls.as(actor, signal)),
    );
    if ('answer' in told) record.effects.acknowledged(key, value, told.answer.header.revision);
    else if (told.error.outcome === 'not-applied') record.effects.refused(value);
  }

  async #revoke(id: bigint): Promise<void> {
    const { calls, record } = this.#options;
    const target = calls.someone(this.#random);
    if (!target) return;
    record.leases.revokeAsked(id);
    await calls.wait(target, (signal) => target.engine.leaseRevoke(id, calls.as(actor, signal)));
  }
}

type Ask = (
  target: NonNullable<ReturnType<ClientCalls['someone']>>,
  signal: AbortSignal,
) => Promise<unknown>;
