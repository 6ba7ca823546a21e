// Goal: events fire by time and then by making, each once. Method: random plans, and small
// hand-made ones for cancelling and for promise reactions.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.ts';

const drain = async (): Promise<void> => {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
};

describe('EventQueue', () => {
  it('fires by time, then by order of making, and skips the cancelled', () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ atMs: fc.integer({ min: 0, max: 20 }), cancel: fc.boolean() })),
        (plan) => {
          const queue = new EventQueue();
          const seen: number[] = [];
          const timers = plan.map(({ atMs }, at) => queue.at(atMs, () => seen.push(at)));
          plan.forEach(({ cancel }, at) => {
            if (cancel) timers[at]?.cancel();
          });
          queue.run(20);
          const expected = plan
            .map(({ atMs, cancel }, at) => ({ atMs, cancel, at }))
            .filter(({ cancel }) => !cancel)
            .sort((a, b) => a.atMs - b.atMs || a.at - b.at)
            .map(({ at }) => at);
          expect(seen).toEqual(expected);
          expect(queue.pendingCount).toBe(0);
        },
      ),
    );
  });

  it('throws the cancelled away before they fill the heap', () => {
    const queue = new EventQueue();
    let fired = 0;
    for (let at = 0; at < 1000; at += 1) queue.at(10_000 + at, () => undefined).cancel();
    queue.at(5, () => {
      fired += 1;
    });
    expect(queue.pendingCount).toBe(1);
    queue.run(10);
    expect(fired).toBe(1);
    expect(queue.nowMs).toBe(10);
  });

  it('lets promise reactions run to their end before the next event', async () => {
    const queue = new EventQueue();
    const seen: string[] = [];
    const chain = async (name: string): Promise<void> => {
      for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
      seen.push(name);
    };
    queue.at(1, () => void chain('first'));
    queue.at(1, () => seen.push('second'));
    await queue.runDrained(2, drain);
    expect(seen).toEqual(['first', 'second']);
  });
});
