// A thing is said once, again when it changed, and again after half a minute.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { QuietLog } from './quiet-log.ts';

describe('a quiet log', () => {
  it('repeats itself only when there is news, or after a while', () => {
    const clock = new ManualClock();
    const said: string[] = [];
    const log = new QuietLog({
      clock,
      say: (subject, text) => said.push(`${subject} ${text}`),
    });
    log.tell('n2', 'gone');
    log.tell('n2', 'gone');
    log.tell('n3', 'gone');
    log.tell('n2', 'refuses');
    expect(said.splice(0)).toEqual(['n2 gone', 'n3 gone', 'n2 refuses']);
    clock.advance(30_000);
    log.tell('n2', 'refuses');
    log.forget('n2');
    log.tell('n2', 'refuses');
    expect(said).toEqual(['n2 refuses', 'n2 refuses']);
    expect(log.last('n3')).toBe('gone');
  });

  it('says how often a state was met, now and then, and at once when it comes back', () => {
    const clock = new ManualClock();
    const said: string[] = [];
    const log = new QuietLog({
      clock,
      repeatAfterMs: 300_000,
      newsAfterMs: 30_000,
      say: (subject, text, unsaid) => said.push(`${subject} ${text} +${unsaid}`),
    });
    for (let second = 0; second <= 300; second += 1) {
      log.tell('disk', `full, ${second} bytes missing`);
      clock.advance(1000);
    }
    expect(said.splice(0)).toEqual([
      'disk full, 0 bytes missing +0',
      'disk full, 300 bytes missing +299',
    ]);
    log.tell('disk', 'full, 7 bytes missing');
    clock.advance(30_000);
    log.tell('disk', 'full, 9 bytes missing');
    expect(said).toEqual(['disk full, 9 bytes missing +1']);
  });

  it('remembers no more than it may', () => {
    const said: string[] = [];
    const log = new QuietLog({ clock: new ManualClock(), say: (subject) => said.push(subject) });
    for (let at = 0; at < 300; at += 1) log.tell(`stranger ${at}`, 'x');
    log.tell('stranger 299', 'x');
    log.tell('stranger 0', 'x');
    expect(said.length).toBe(301);
  });
});
