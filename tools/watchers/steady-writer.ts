// Puts over gRPC at a steady pace, whatever the answers do: one that is kept waiting counts from
// the moment at which it was due. Keeps the log of what was written, against which watchers are
// held.
import { SystemClock } from '@holdfast/base/system-clock';

import { PutConnection } from './put-connection.ts';
import { keyOf } from './watch-crowd.ts';

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

  /**
   * Writes a key after the other, of all that it has or of those it is told, and answers how many
   * milliseconds each took, in order of size.
   */
  async write(
    perSecond: number,
    seconds: number,
    keys?: readonly string[],
  ): Promise<readonly number[]> {
    const beganMs = clock.monotonicMs();
    const times: number[] = [];
    const underWay: Promise<void>[] = [];
    for (let at = 0; at < perSecond * seconds; at += 1) {
      const dueMs = beganMs + (at * 1000) / perSecond;
      while (clock.monotonicMs() < dueMs) await pause();
      const note = (): void => void times.push(clock.monotonicMs() - dueMs);
      underWay.push(this.#put(keys?.[at % keys.length] ?? this.#nextKey()).then(note));
    }
    await Promise.all(underWay);
    return times.sort((a, b) => a - b);
  }

  close(): void {
    this.#connection.close();
  }

  /** Neighbours in time are no neighbours among the keys, so that all connections have some. */
  #nextKey(): string {
    const key = keyOf(this.#next % this.#keys);
    this.#next += 389;
    return key;
  }

  async #put(key: string): Promise<void> {
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

const pause = (): Promise<void> =>
  new Promise((resolve) => void clock.schedule(1, () => resolve()));
