// A clock for tests, on which this process can stand still.
import type { Timer } from '@holdfast/base/clock';
import { ManualClock } from '@holdfast/base/manual-clock';

/** Its timers fire late where the process stands still: all at the end, before anything is read. */
export class StallingClock extends ManualClock {
  #isStalled = false;
  #late: (() => void)[] = [];

  override schedule(delayMs: number, action: () => void): Timer {
    let isCancelled = false;
    const timer = super.schedule(delayMs, () => {
      if (this.#isStalled) this.#late.push(() => isCancelled || action());
      else action();
    });
    const cancel = (): void => {
      isCancelled = true;
      timer.cancel();
    };
    return { cancel };
  }

  stall(ms: number): void {
    this.#isStalled = true;
    this.advance(ms);
    this.#isStalled = false;
    for (const action of this.#late.splice(0)) action();
  }
}
