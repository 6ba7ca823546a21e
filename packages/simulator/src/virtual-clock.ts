// One process's view of simulated time: its own start, its own drift, a wall clock that jumps. Owns
// the process's pending events: while it is paused they wait, and once it is halted none ever runs,
// which is all that a crash is to code that waits.
import type { Clock, Timer } from '@holdfast/base/clock';
import type { EventQueue } from './event-queue.ts';

/** Readings are multiples of 1/1024 ms: sums and differences of such numbers are exact, so that two
 * ways to compute one deadline agree. A real clock moves on where they do not; this one stands. */
const grain = 1024;

export type VirtualClockOptions = {
  readonly queue: EventQueue;
  /** What `monotonicMs` reads at the start. */
  readonly startMs: number;
  readonly wallMs: number;
  /** How fast this clock runs: 1.0001 gains 100 µs a second. */
  readonly rate: number;
};

export class VirtualClock implements Clock {
  readonly #queue: EventQueue;
  readonly #rate: number;
  readonly #bornMs: number;
  readonly #startMs: number;
  #wallOffsetMs: number;
  /**
   * Time that a fired timer has proved; keeps rounding from showing a timer that fired too early.
   */
  #floorMs: number;
  #state: 'running' | 'paused' | 'halted' = 'running';
  #held: (() => void)[] = [];

  constructor({ queue, startMs, wallMs, rate }: VirtualClockOptions) {
    this.#queue = queue;
    this.#rate = rate;
    this.#bornMs = queue.nowMs;
    this.#startMs = startMs;
    this.#floorMs = startMs;
    this.#wallOffsetMs = wallMs - startMs;
  }

  get halted(): boolean {
    return this.#state === 'halted';
  }

  get paused(): boolean {
    return this.#state === 'paused';
  }

  monotonicMs(): number {
    const readMs = this.#startMs + (this.#queue.nowMs - this.#bornMs) * this.#rate;
    return Math.max(Math.floor(readMs * grain) / grain, this.#floorMs);
  }

  wallMs(): number {
    return this.monotonicMs() + this.#wallOffsetMs;
  }

  /** The simulated time at which this clock read, or will read, `ownMs`. */
  simulatedMsAt(ownMs: number): number {
    return this.#bornMs + (ownMs - this.#startMs) / this.#rate;
  }

  schedule(delayMs: number, action: () => void): Timer {
    const ownMs = this.monotonicMs() + Math.max(0, delayMs);
    return this.#queue.after(Math.max(0, delayMs) / this.#rate, () =>
      this.#enter(() => {
        this.#floorMs = Math.max(this.#floorMs, Math.ceil(ownMs * grain) / grain);
        action();
      }),
    );
  }

  /** Something from outside (a frame, the end of a disk operation) reaches this process. */
  post(delayMs: number, action: () => void): void {
    this.#queue.after(delayMs, () => this.#enter(action));
  }

  jumpWall(byMs: number): void {
    this.#wallOffsetMs += byMs;
  }

  /** Freezes the process, as SIGSTOP or a stalled machine does; its time goes on. */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  resume(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const action of held) this.post(0, action);
  }

  /** The process is gone: nothing that it waits for ever comes. */
  halt(): void {
    this.#state = 'halted';
    this.#held = [];
  }

  #enter(action: () => void): void {
    if (this.#state === 'running') action();
    else if (this.#state === 'paused') this.#held.push(action);
  }
}
