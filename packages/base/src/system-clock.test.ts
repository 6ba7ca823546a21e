// Goal: a time that Node's timers can not count to is not taken for none: they fire at once from
// 2^31 ms on, which is 24.9 days (RFC 9110 knows no such bound, nor does gRPC's timeout). Method:
// Node's own timers in a process that takes them for its clock.
import { describe, expect, it } from 'vitest';

import { SystemClock } from './system-clock.ts';

const dayMs = 24 * 60 * 60 * 1000;

describe('a timer of the machine', () => {
  it('that is months away does not fire now, and is cancelled as any other', async () => {
    const clock = new SystemClock();
    const fired: number[] = [];
    const timers = [30, 365, 100_000].map((days) =>
      clock.schedule(days * dayMs, () => void fired.push(days)),
    );
    await new Promise<void>((resolve) => void clock.schedule(20, resolve));
    for (const timer of timers) timer.cancel();
    expect(fired).toEqual([]);
  });

  it('fires after all its steps', async () => {
    const clock = new SystemClock({ stepMsMax: 2 });
    const beganMs = clock.monotonicMs();
    await new Promise<void>((resolve) => void clock.schedule(9, resolve));
    expect(clock.monotonicMs() - beganMs).toBeGreaterThanOrEqual(8);
  });

  it('is cancelled between two of its steps', async () => {
    const clock = new SystemClock({ stepMsMax: 2 });
    let hasFired = false;
    const timer = clock.schedule(12, () => {
      hasFired = true;
    });
    await new Promise<void>((resolve) => void clock.schedule(5, resolve));
    timer.cancel();
    await new Promise<void>((resolve) => void clock.schedule(20, resolve));
    expect(hasFired).toBe(false);
  });
});
