// Goal: what a replica tells stands in the log in words, never as "undefined", and not each second.
// Method: events told to a log that keeps them, on a clock of the test's.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import type { Log } from './log.ts';
import { MemberEvents } from './member-events.ts';

function started() {
  const told: unknown[] = [];
  const clock = new ManualClock();
  const log = { warn: (...line: unknown[]) => told.push(line) } as unknown as Log;
  const events = new MemberEvents({ clock, log, nameOf: () => undefined });
  return { events, clock, told };
}

describe('a problem of a member', () => {
  it.each([
    [undefined, {}],
    [new Error('no way'), { reason: 'no way' }],
  ])('with the error %s is told with what is known of it', (error, more) => {
    const { events, told } = started();
    events.tell({ type: 'problem', what: 'the disk is full', error });
    expect(told).toEqual([[{ what: 'the disk is full', ...more }, 'problem']]);
  });

  it('that lasts is told once, with a count every five minutes, and again when it changes', () => {
    const { events, clock, told } = started();
    const what = 'sending a snapshot to 2';
    const tell = (reason: string): void =>
      events.tell({ type: 'problem', what, error: new Error(reason) });
    for (let second = 0; second <= 300; second += 1) {
      tell('member 2 is dead: silent');
      events.tell({ type: 'problem', what: 'the disk is full', error: undefined });
      clock.advance(1000);
    }
    tell('the link broke');
    const reason = 'member 2 is dead: silent';
    const full = { what: 'the disk is full' };
    expect(told).toEqual([
      [{ what, reason }, 'problem'],
      [full, 'problem'],
      [{ what, reason, unsaid: 299 }, 'problem'],
      [{ ...full, unsaid: 299 }, 'problem'],
      [{ what, reason: 'the link broke' }, 'problem'],
    ]);
  });
});
