// Puts over gRPC at a steady pace, whatever the answers do: one that is kept waiting counts from
// the moment at which it was due. Keeps the log of what was written, against which watchers are
// held.
import { SystemClock } from '@holdfast/base/system-clock';

import { median } from '../bench/peers/statistics.ts';
import { PutConnection } from './put-connection.ts';
import { keyOf } from './watch-crowd.ts';

export type Latencies = {
  readonly writes: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
  /** Of each second by itself, the median: what a busy moment of the machine changes little. */
  readonly secondP99Ms: number;
};

const clock = new SystemClock();

export class SteadyWriter {
  readonly log: Record<string, { revisions: number[]; isUnsure: boolean }> = {};
  /** Puts that were refused, or whose answer was lost. */
  failures = 0;
  readonly #connection: PutConnection;
  readonly #keys: number;
  readonly #value: Buffer;
  #next = 0;

  private constructor(connection: PutConnection, keys: number, valueBytes: number) {
    this.#connection = connection;
    this.#keys = keys;
    this.#value = Buffer.alloc(valueBytes, 120);
  }

  static async open(
    endpoint: string,
    { keys, valueBytes }: { readonly keys: number; readonly valueBytes: number },
  ): Promise<SteadyWriter> {
    return new SteadyWriter(await PutConnection.open(endpoint), keys, valueBytes);
  }

  async write(perSecond: number, seconds: number): Promise<Latencies> {
    const beganMs = clock.monotonicMs();
    const times: { readonly second: number; readonly ms: number }[] = [];
    const underWay: Promise<void>[] = [];
    for (let at = 0; at < perSecond * seconds; at += 1) {
      const dueMs = beganMs + (at * 1000) / perSecond;
      while (clock.monotonicMs() < dueMs) await pause();
      const second = Math.floor(at / perSecond);
      const note = (): void => void times.push({ second, ms: clock.monotonicMs() - dueMs });
      underWay.push(this.#put().then(note));
    }
    await Promise.all(underWay);
    times.sort((a, b) => a.ms - b.ms);
    const p99s = Array.from({ length: seconds }, (_, at) =>
      quantile(
        times.filter(({ second }) => second === at),
        0.99,
      ),
    );
    return {
      ...{ writes: times.length, p50Ms: quantile(times, 0.5), p99Ms: quantile(times, 0.99) },
      ...{ maxMs: quantile(times, 1), secondP99Ms: median(p99s) ?? 0 },
    };
  }

  close(): void {
    this.#connection.close();
  }

  async #put(): Promise<void> {
    const key = keyOf(this.#next % this.#keys);
    // Neighbours in time are no neighbours among the keys, so that all connections have some.
    this.#next += 389;
    const written = this.#writtenOf(key);
    try {
      const revision = await this.#connection.put(Buffer.from(key), this.#value);
      written.revisions.push(revision);
      written.revisions.sort((one, other) => one - other);
    } catch {
      // Whether it was applied is not known: a busy machine may elect another leader.
      written.isUnsure = true;
      this.failures += 1;
    }
  }

  #writtenOf(key: string) {
    const written = this.log[key] ?? { revisions: [], isUnsure: false };
    this.log[key] = written;
    return written;
  }
}

const quantile = (times: readonly { readonly ms: number }[], of: number): number =>
  times[Math.floor((times.length - 1) * of)]?.ms ?? 0;

const pause = (): Promise<void> =>
  new Promise((resolve) => void clock.schedule(1, () => resolve()));
