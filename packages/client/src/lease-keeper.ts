// Keeps one lease alive from the background, and says at once when it can no longer be relied on:
// when the cluster says that it has ended, and when it may have ended, because nobody acknowledged
// a keep-alive for the whole time to live. The time is counted from the sending, as the cluster's
// promise is.
import { type Clock, sleep } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import type { CallOptions } from './config-api.ts';
import type { HeldLease, LeaseApi, LeaseGrant } from './lease-api.ts';

export type LeaseKeeperPorts = {
  readonly leases: Pick<LeaseApi, 'keepAlive' | 'revoke'>;
  readonly clock: Clock;
  readonly random: Random;
};

/** Keep-alives in one time to live: two may fail. */
const beatsPerLife = 3;

export class LeaseKeeper implements HeldLease {
  readonly id: string;
  readonly #ttlMs: number;
  readonly #ports: LeaseKeeperPorts;
  readonly #lost = new AbortController();
  readonly #stopped = new AbortController();
  readonly #running: Promise<void>;
  /** The lease certainly lives until then. */
  #safeUntilMs: number;

  /**
   * The time counts from the sending of the grant: its answer may have been long on its way. The
   * first keep-alive leaves at once.
   */
  constructor({ id, ttlMs }: LeaseGrant, sentMs: number, ports: LeaseKeeperPorts) {
    this.id = id;
    this.#ttlMs = ttlMs;
    this.#ports = ports;
    this.#safeUntilMs = sentMs + ttlMs;
    this.#running = this.#run();
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  stop(): void {
    this.#stopped.abort(new HoldfastError('cancelled', `lease ${this.id} is kept no longer`));
  }

  async revoke(options: CallOptions = {}): Promise<void> {
    this.stop();
    await this.#running;
    await this.#ports.leases.revoke(this.id, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { clock, random } = this.#ports;
    const { signal } = this.#stopped;
    while (!signal.aborted && !this.#lost.signal.aborted) {
      const isKept = await this.#beat(signal);
      // Apart from each other, also those that began together; a failed one comes again soon.
      const everyMs = this.#ttlMs / (isKept ? beatsPerLife : 4 * beatsPerLife);
      const jitteredMs = everyMs * (0.8 + 0.2 * random.fraction());
      // The holder is told in the very moment at which the lease may end.
      const pauseMs = Math.min(jitteredMs, this.#safeUntilMs - clock.monotonicMs());
      try {
        await sleep(clock, pauseMs, signal);
      } catch {
        return; // Stopped.
      }
    }
  }

  async #beat(signal: AbortSignal): Promise<boolean> {
    const { clock, leases } = this.#ports;
    const sentMs = clock.monotonicMs();
    const leftMs = this.#safeUntilMs - sentMs;
    if (leftMs <= 0) return this.#lose('nobody could be reached to keep it alive');
    const deadline = startDeadline(clock, leftMs, signal);
    try {
      await leases.keepAlive(this.id, { signal: deadline.signal, timeoutMs: leftMs });
      this.#safeUntilMs = sentMs + this.#ttlMs;
      return true;
    } catch (error) {
      if (isHoldfastError(error, 'not-found')) return this.#lose('it has ended');
      return false; // Tried again, for as long as the lease certainly lives.
    } finally {
      deadline.dispose();
    }
  }

  #lose(why: string): false {
    this.#lost.abort(new HoldfastError('not-found', `lease ${this.id} is lost: ${why}`));
    return false;
  }
}
