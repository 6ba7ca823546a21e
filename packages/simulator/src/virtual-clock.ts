// One process's view of simulated time: its own start, its own drift, a wall clock that drifts and
// jumps. Owns the process's pending events: while it is paused or held up they wait, and once it is
// halted none ever runs, which is all that a crash is to code that waits.
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
  /** How fast the wall clock runs beside the monotonic one; default 1. */
  readonly wallRate?: number;
};

export class VirtualClock implements Clock {
  readonly #queue: EventQueue;
  readonly #rate: number;
  readonly #wallRate: number;
  readonly #bornMs: number;
  readonly #startMs: number;
  #wallStartMs: number;
  /**
   * Time that a fired timer has proved; keeps rounding from showing a timer that fired too early.
   */
  #floorMs: number;
  #isPaused = false;
  #isHalted = false;
  /** Times that the process is held up at once. */
  #holds = 0;
  #held: (() => void)[] = [];

  constructor({ queue, startMs, wallMs, rate, wallRate = 1 }: VirtualClockOptions) {
    this.#queue = queue;
    this.#rate = rate;
    this.#wallRate = wallRate;
    this.#bornMs = queue.nowMs;
    this.#startMs = startMs;
    this.#floorMs = startMs;
    this.#wallStartMs = wallMs;
  }

  get halted(): boolean {
    return this.#isHalted;
  }

  get paused(): boolean {
    return this.#isPaused;
  }

  monotonicMs(): number {
    const readMs = this.#startMs + (this.#queue.nowMs - this.#bornMs) * this.#rate;
    return Math.max(Math.floor(readMs * grain) / grain, this.#floorMs);
  }

  wallMs(): number {
    return this.#wallStartMs + (this.monotonicMs() - this.#startMs) * this.#wallRate;
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
    this.#wallStartMs += byMs;
  }

  /** Freezes the process, as SIGSTOP or a stalled machine does; its time goes on. */
  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#release();
  }

  /** One turn of the event loop takes this long: everything else waits for its end. */
  holdUp(forMs: number): void {
    this.#holds += 1;
    this.#queue.after(forMs, () => {
      this.#holds -= 1;
      this.#release();
    });
  }

  /** The process is gone: nothing that it waits for ever comes. */
  halt(): void {
    this.#isHalted = true;
    this.#held = [];
  }

  #release(): void {
    if (this.#isPaused || this.#holds > 0) return;
    const held = this.#held;
    this.#held = [];
    for (const action of held) this.post(0, action);
  }

  #enter(action: () => void): void {
    if (this.#isHalted) return;
    if (this.#isPaused || this.#holds > 0) this.#held.push(action);
    else action();
  }
}
