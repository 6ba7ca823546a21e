// The numbers of one session's writes: from 1 on, each used once, 64 at most in flight. It also
// knows the lowest that is still waited for: answers below it may be forgotten by the cluster.
import { waitFor } from '@holdfast/base/deadline';

/** What the cluster remembers of one session (safety.md 21), counted from the lowest pending. */
const spanMax = 64n;

export class WriteNumbers {
  readonly #pending = new Set<bigint>();
  #next = 1n;
  #waiters: (() => void)[] = [];

  /** The lowest number whose answer is waited for, or else the next one. */
  get lowest(): bigint {
    // Numbers are added in order, and a set keeps that order.
    const [first] = this.#pending;
    return first ?? this.#next;
  }

  /** The next number, once it is within reach of the lowest. Rejects with the signal's reason. */
  async take(signal: AbortSignal): Promise<bigint> {
    signal.throwIfAborted();
    while (this.#next - this.lowest >= spanMax) await waitFor(this.#change(), signal);
    const number = this.#next;
    this.#next += 1n;
    this.#pending.add(number);
    return number;
  }

  /** Its answer is there, or not wanted any more. */
  giveBack(number: bigint): void {
    this.#pending.delete(number);
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const resolve of waiters) resolve();
  }

  /** Resolves when none is in flight. */
  async idle(): Promise<void> {
    while (this.#pending.size > 0) await this.#change();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiters.push(resolve));
  }
}
