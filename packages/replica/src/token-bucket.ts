// A bound on bytes a second, by the clock that it is given. What was taken is waited for
// afterwards, so a piece may be larger than the bucket, and the average holds all the same.
import { type Clock, sleep } from '@holdfast/base/clock';

export class TokenBucket {
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  readonly #burstBytes: number;
  #bytes: number;
  #filledMs: number;

  /** `burstBytes` may pass at once after a rest; default: what passes in a tenth of a second. */
  constructor(
    clock: Clock,
    options: { readonly bytesPerSecond: number; readonly burstBytes?: number },
  ) {
    this.#clock = clock;
    this.#bytesPerMs = options.bytesPerSecond / 1000;
    this.#burstBytes = options.burstBytes ?? options.bytesPerSecond / 10;
    this.#bytes = this.#burstBytes;
    this.#filledMs = clock.monotonicMs();
  }

  /** Resolves when so many bytes may pass; rejects with the signal's reason. */
  async take(bytes: number, signal: AbortSignal): Promise<void> {
    this.#fill();
    this.#bytes -= bytes;
    if (this.#bytes < 0) await sleep(this.#clock, -this.#bytes / this.#bytesPerMs, signal);
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs();
    const come = (nowMs - this.#filledMs) * this.#bytesPerMs;
    this.#filledMs = nowMs;
    this.#bytes = Math.min(this.#burstBytes, this.#bytes + come);
  }
}

/** The chunks as they are, no faster than the bucket lets them pass. */
export async function* throttled(
  chunks: AsyncIterable<Uint8Array>,
  bucket: Pick<TokenBucket, 'take'>,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    await bucket.take(chunk.length, signal);
    yield chunk;
  }
}
