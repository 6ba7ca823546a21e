// A clock that stands still until a test or the simulator advances it. Timers fire in the order of
// their time, and in the order of their making where times are equal.
import { assert } from './assert.ts';
import type { Clock, Timer } from './clock.ts';

type Pending = { readonly atMs: number; readonly order: number; readonly action: () => void };

export class ManualClock implements Clock {
  #nowMs: number;
  #wallOffsetMs: number;
  #order = 0;
  readonly #pending = new Set<Pending>();

  constructor(options: { readonly startMs?: number; readonly wallMs?: number } = {}) {
    this.#nowMs = options.startMs ?? 0;
    this.#wallOffsetMs = (options.wallMs ?? 1_700_000_000_000) - this.#nowMs;
  }

  monotonicMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return this.#nowMs + this.#wallOffsetMs;
  }

  schedule(delayMs: number, action: () => void): Timer {
    const pending = { atMs: this.#nowMs + Math.max(0, delayMs), order: this.#order++, action };
    this.#pending.add(pending);
    return { cancel: () => void this.#pending.delete(pending) };
  }

  /** Moves time on, firing what falls due on the way, at its own time. */
  advance(byMs: number): void {
    assert(byMs >= 0, 'time moves forward');
    const endMs = this.#nowMs + byMs;
    for (let due = this.#earliest(endMs); due; due = this.#earliest(endMs)) {
      this.#pending.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.action();
    }
    this.#nowMs = endMs;
  }

  /** As `advance`, but lets promise reactions run after each timer. */
  async advanceAsync(byMs: number): Promise<void> {
    const endMs = this.#nowMs + byMs;
    await settle();
    for (let due = this.#earliest(endMs); due; due = this.#earliest(endMs)) {
      this.#pending.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.atMs);
      due.action();
      await settle();
    }
    this.#nowMs = endMs;
  }

  /** Shifts the wall clock alone, as an operator or NTP does. */
  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** How many timers wait: zero after a clean close. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  #earliest(endMs: number): Pending | undefined {
    let best: Pending | undefined;
    for (const one of this.#pending) {
      if (one.atMs > endMs) continue;
      if (!best || one.atMs < best.atMs || (one.atMs === best.atMs && one.order < best.order)) {
        best = one;
      }
    }
    return best;
  }
}

/** Lets chains of promise reactions run to their end. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 60; turn += 1) await Promise.resolve();
}
