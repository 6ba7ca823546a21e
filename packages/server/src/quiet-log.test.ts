// A thing is said once, again when it changed, and again after half a minute.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { QuietLog } from './quiet-log.ts';

describe('a quiet log', () => {
  it('repeats itself only when there is news, or after a while', () => {
    const clock = new ManualClock();
    const said: string[] = [];
    const log = new QuietLog(clock, (subject, text) => said.push(`${subject} ${text}`));
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

  it('remembers no more than it may', () => {
    const said: string[] = [];
    const log = new QuietLog(new ManualClock(), (subject) => said.push(subject));
    for (let at = 0; at < 300; at += 1) log.tell(`stranger ${at}`, 'x');
    log.tell('stranger 299', 'x');
    log.tell('stranger 0', 'x');
    expect(said.length).toBe(301);
  });
});
