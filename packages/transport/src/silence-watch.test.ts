// Goal: rule 17 to the millisecond, and the own lag never blamed on a peer (rule 18). Method: a
// clock that is advanced, and a log of what the watch did.
import type { Clock, Timer } from '@holdfast/base/clock';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { defaultSilenceSettings, SilenceWatch } from './silence-watch.ts';

function newWatch(clock: Clock): { watch: SilenceWatch; log: string[] } {
  const log: string[] = [];
  const note = (text: string): void => void log.push(`${clock.monotonicMs()} ${text}`);
  const watch = new SilenceWatch(clock, () => defaultSilenceSettings, {
    ping: () => note('ping'),
    onAnswer: () => note('answer'),
    onFailure: (failures) => note(`failure ${failures}`),
  });
  return { watch, log };
}

describe('silence watch', () => {
  it('pings at 4.5 s, again after 1 s and 2 s, and gives up 3 s after the first', () => {
    const clock = new ManualClock();
    const { log } = newWatch(clock);
    clock.advance(60_000);
    expect(log).toEqual([
      '4500 ping',
      '5500 ping',
      '5500 failure 1',
      '6500 ping',
      '6500 failure 2',
      '7500 failure 3',
    ]);
    expect(clock.pendingCount).toBe(0);
  });

  it('never pings where bytes come', () => {
    const clock = new ManualClock();
    const { watch, log } = newWatch(clock);
    for (let n = 0; n < 100; n += 1) {
      clock.advance(400);
      watch.heard();
    }
    expect(log).toEqual([]);
  });

  it('counts silence from the last byte', () => {
    const clock = new ManualClock();
    const { watch, log } = newWatch(clock);
    clock.advance(3000);
    watch.heard();
    clock.advance(4499);
    expect(log).toEqual([]);
    clock.advance(1);
    expect(log).toEqual(['7500 ping']);
  });

  it('forgives a lost ping: any byte is an answer', () => {
    const clock = new ManualClock();
    const { watch, log } = newWatch(clock);
    clock.advance(6000);
    watch.heard();
    clock.advance(4499);
    expect(log).toEqual(['4500 ping', '5500 ping', '5500 failure 1', '6000 answer']);
    clock.advance(1);
    expect(log.at(-1)).toBe('10500 ping');
  });

  it('asks once more after its own process stood still, before it judges', () => {
    const sleepy = new SleepyClock();
    const { log } = newWatch(sleepy);
    sleepy.inner.advance(6500);
    expect(log.at(-1)).toBe('6500 failure 2');
    sleepy.oversleep(30_000);
    expect(log.slice(5)).toEqual(['37500 ping']);
    sleepy.inner.advance(3000);
    expect(log.slice(6)).toEqual([
      '38500 ping',
      '38500 failure 1',
      '39500 ping',
      '39500 failure 2',
      '40500 failure 3',
    ]);
  });

  it('leaves no timer behind', () => {
    const clock = new ManualClock();
    const { watch, log } = newWatch(clock);
    clock.advance(5000);
    watch.close();
    clock.advance(10_000);
    expect(log).toEqual(['4500 ping']);
    expect(clock.pendingCount).toBe(0);
  });
});

/** A clock whose timers fire late: the next one is held back until the process wakes. */
class SleepyClock implements Clock {
  readonly inner = new ManualClock();
  #sleeping = false;
  #held: (() => void)[] = [];

  monotonicMs(): number {
    return this.inner.monotonicMs();
  }

  wallMs(): number {
    return this.inner.wallMs();
  }

  schedule(delayMs: number, action: () => void): Timer {
    return this.inner.schedule(delayMs, () => {
      if (this.#sleeping) this.#held.push(action);
      else action();
    });
  }

  /** Until the next timer is due, and `byMs` more. */
  oversleep(byMs: number): void {
    this.#sleeping = true;
    this.inner.advance(1000 + byMs);
    this.#sleeping = false;
    for (const action of this.#held.splice(0)) action();
  }
}
