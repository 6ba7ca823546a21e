// Goal: a process's clock keeps its own time, waits while paused, and dies with the process.
// Method: one clock on one queue, a fault at a time.
import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.ts';
import { VirtualClock } from './virtual-clock.ts';

const newClock = (rate = 1): { queue: EventQueue; clock: VirtualClock } => {
  const queue = new EventQueue();
  return { queue, clock: new VirtualClock({ queue, startMs: 7, wallMs: 1_000_000, rate }) };
};

describe('VirtualClock', () => {
  it('reads its own time, never earlier than a timer that it fired', () => {
    for (const rate of [1, 1.0003, 0.9997, 1 / 3]) {
      const { queue, clock } = newClock(rate);
      let firedAtMs = 0;
      clock.schedule(0.1, () => {
        firedAtMs = clock.monotonicMs();
      });
      queue.run(10);
      expect(firedAtMs).toBeGreaterThanOrEqual(7.1);
      expect(clock.monotonicMs()).toBeCloseTo(7 + 10 * rate, 2);
    }
  });

  it('moves the wall clock alone', () => {
    const { queue, clock } = newClock();
    queue.run(5);
    clock.jumpWall(-400);
    expect(clock.wallMs()).toBe(1_000_000 + 5 - 400);
    expect(clock.monotonicMs()).toBe(12);
  });

  it('holds what is due while paused, in order, and forgets it when halted', () => {
    const { queue, clock } = newClock();
    const seen: string[] = [];
    clock.pause();
    clock.schedule(2, () => seen.push('timer'));
    clock.post(1, () => seen.push('frame'));
    queue.run(5);
    expect(seen).toEqual([]);
    clock.resume();
    queue.run(6);
    expect(seen).toEqual(['frame', 'timer']);
    clock.post(1, () => seen.push('late'));
    clock.halt();
    queue.run(9);
    expect(seen).toEqual(['frame', 'timer']);
  });

  it('drifts by the wall, and not in its own time', () => {
    const queue = new EventQueue();
    const clock = new VirtualClock({ queue, startMs: 7, wallMs: 1000, rate: 1, wallRate: 1.25 });
    queue.run(100);
    expect(clock.monotonicMs()).toBe(107);
    expect(clock.wallMs()).toBe(1125);
  });

  it('does nothing while a turn holds it up, whatever else pauses it', () => {
    const { queue, clock } = newClock();
    const seenMs: number[] = [];
    const see = (): void => void seenMs.push(queue.nowMs);
    clock.holdUp(100);
    clock.schedule(10, see);
    clock.post(20, see);
    queue.run(50);
    clock.pause();
    queue.run(150);
    expect(seenMs).toEqual([]);
    clock.holdUp(100);
    clock.resume();
    queue.run(300);
    expect(seenMs).toEqual([250, 250]);
  });
});
