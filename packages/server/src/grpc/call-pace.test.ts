// Goal: however many calls come at once, a turn of the event loop begins a bounded number of those
// that come in crowds, and nobody who brings few waits. Method: turns by hand.
import { describe, expect, it } from 'vitest';

import { CallPace, type PacedConnection } from './call-pace.ts';

class Crowd implements PacedConnection {
  isRead = true;
  pauseReading(): void {
    this.isRead = false;
  }
  resumeReading(): void {
    this.isRead = true;
  }
}

function paced() {
  const turns: (() => void)[] = [];
  const pace = new CallPace((action) => turns.push(action));
  const turn = (): void => {
    for (const action of turns.splice(0)) action();
  };
  const bring = (connection: Crowd, calls: number): Crowd => {
    for (let at = 0; at < calls; at += 1) pace.begin(connection);
    return connection;
  };
  return { pace, turns, turn, bring };
}

describe('the pace of calls', () => {
  it('leaves those alone that bring few, however often', () => {
    const { turn, turns, bring } = paced();
    const few = new Crowd();
    for (let times = 0; times < 100; times += 1) {
      expect(bring(few, 127).isRead).toBe(true);
      turn();
    }
    expect(turns).toEqual([]);
  });

  it('reads a crowd no further in its turn, and crowds one after another', () => {
    const { turn, turns, bring } = paced();
    const crowds = Array.from({ length: 5 }, () => bring(new Crowd(), 300));
    const few = bring(new Crowd(), 10);
    const read = (): number => crowds.filter(({ isRead }) => isRead).length;
    expect([read(), few.isRead]).toEqual([0, true]);
    turn();
    expect(read()).toBe(1);
    bring(crowds[0] as Crowd, 200);
    expect(read()).toBe(0);
    for (const read_ of [1, 2, 3, 4, 5]) {
      turn();
      expect(read()).toBe(read_);
    }
    turn();
    expect(turns).toEqual([]);
  });

  it('reads even one that brings more than a turn may take, and forgets those that end', () => {
    const { pace, turn, turns, bring } = paced();
    const huge = bring(new Crowd(), 4000);
    turn();
    expect(huge.isRead).toBe(true);
    pace.forget(bring(huge, 4000));
    turn();
    expect([huge.isRead, turns.length]).toEqual([false, 0]);
  });
});
