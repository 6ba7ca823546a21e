// How quickly a reader takes what waits for it. While there is room for all, nobody asks; where
// there is none, whoever takes less than a pace asks makes way, the slowest first: a byte now and
// then would else keep as much from the others as somebody who reads nothing.

/** Within the time of a pace a reader takes all that waits for it, or so much. */
const paceMs = 5000;
const paceBytes = 64 * 1024;
/** Or such a part of it, if that is more: what is large is not held for ever either. */
const paceParts = 16;

export class ReadPace {
  #sinceMs = 0;
  #takenBytes = 0;
  #owedBytes = 0;

  /** From now on so many bytes wait. */
  begin(nowMs: number, waitingBytes: number): void {
    this.#sinceMs = nowMs;
    this.#takenBytes = 0;
    this.#owedBytes = Math.min(waitingBytes, Math.max(paceBytes, waitingBytes / paceParts));
  }

  /** So many were taken since it was told last, and so many wait. */
  take(takenBytes: number, nowMs: number, waitingBytes: number): void {
    this.#takenBytes += takenBytes;
    if (this.#takenBytes >= this.#owedBytes) this.begin(nowMs, waitingBytes);
  }

  /** As far as it was told. */
  isSlow(nowMs: number): boolean {
    return nowMs - this.#sinceMs >= paceMs;
  }

  /** Below zero: it takes less in the same time, or has taken nothing for longer. */
  compare(other: ReadPace, nowMs: number): number {
    return this.#speed(nowMs) - other.#speed(nowMs) || this.#sinceMs - other.#sinceMs;
  }

  /** Bytes a millisecond. */
  #speed(nowMs: number): number {
    return this.#takenBytes / Math.max(1, nowMs - this.#sinceMs);
  }
}
