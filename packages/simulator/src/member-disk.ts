// One member's disk through all of its boots: the memory twin of the disk, whose operations take
// simulated time, end in the member's own process, and stop ending while the disk is stuck.
import type { Clock, Timer } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';
import type { Disk } from '@holdfast/storage/disk';
import { type DiskOperation, MemoryDisk } from '@holdfast/storage/memory-disk';
import type { VirtualClock } from './virtual-clock.ts';

export type DiskMood = 'fine' | 'slow' | 'stuck';

export class MemberDisk {
  readonly #random: Random;
  readonly #disk: MemoryDisk;
  #clock: VirtualClock | undefined;
  #mood: DiskMood = 'fine';
  #stalled: (() => void)[] = [];

  constructor(random: Random) {
    this.#random = random;
    const clock: Clock = {
      monotonicMs: () => this.#clock?.monotonicMs() ?? 0,
      wallMs: () => this.#clock?.wallMs() ?? 0,
      schedule: (delayMs, action) => this.#schedule(delayMs, action),
    };
    const latencyMs = (operation: DiskOperation): number => this.#latencyMs(operation);
    this.#disk = new MemoryDisk({ clock, latencyMs, afterCrash: 'hang' });
  }

  /** The disk as a new boot, which lives by `clock`, sees it. */
  attach(clock: VirtualClock): Disk {
    this.#clock = clock;
    this.#stalled = [];
    return this.#disk.attach();
  }

  crash(how: 'process' | 'power'): void {
    if (how === 'process') this.#disk.processCrash();
    else this.#disk.powerLoss(this.#random);
  }

  setMood(mood: DiskMood): void {
    this.#mood = mood;
    if (mood === 'stuck') return;
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const end of stalled) this.#clock?.post(0, end);
  }

  #schedule(delayMs: number, action: () => void): Timer {
    const clock = this.#clock;
    if (!clock) return { cancel: () => undefined };
    return clock.schedule(delayMs, () => {
      if (this.#mood === 'stuck') this.#stalled.push(action);
      else action();
    });
  }

  #latencyMs({ kind }: DiskOperation): number {
    const chance = this.#random.fraction();
    const usualMs = kind === 'sync' || kind === 'sync-directory' ? 0.1 + 1.5 * chance : 0.02;
    return this.#mood === 'slow' ? usualMs + 300 * chance : usualMs;
  }
}
