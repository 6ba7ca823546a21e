// Latencies in buckets two percent wide: a fixed few kilobytes, however many are recorded.

const bucketsPerDoubling = 36;
const lowestMs = 0.001;
const bucketsMax = bucketsPerDoubling * 27;

export class Histogram {
  readonly #buckets = new Float64Array(bucketsMax);
  #count = 0;

  get count(): number {
    return this.#count;
  }

  record(ms: number): void {
    const bucket = Math.floor(Math.log2(Math.max(ms, lowestMs) / lowestMs) * bucketsPerDoubling);
    const at = Math.min(bucket, bucketsMax - 1);
    this.#buckets[at] = (this.#buckets[at] as number) + 1;
    this.#count += 1;
  }

  /** Milliseconds below which the fraction (0 to 1) of the records lies; zero without records. */
  quantile(fraction: number): number {
    let left = Math.ceil(this.#count * fraction);
    if (left === 0) return 0;
    for (let at = 0; at < bucketsMax; at += 1) {
      left -= this.#buckets[at] as number;
      if (left <= 0) return lowestMs * 2 ** ((at + 0.5) / bucketsPerDoubling);
    }
    return lowestMs * 2 ** (bucketsMax / bucketsPerDoubling);
  }
}
