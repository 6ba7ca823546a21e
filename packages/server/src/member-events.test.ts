// Goal: what a replica tells stands in the log in words, and never as "undefined". Method: events
// told to a log that keeps them.
import type { MemberId } from '@holdfast/base/ids';
import { describe, expect, it } from 'vitest';
import type { Log } from './log.ts';
import { tellEvent } from './member-events.ts';

describe('a problem of a member', () => {
  it.each([
    [undefined, {}],
    [new Error('no way'), { reason: 'no way' }],
  ])('with the error %s is told with what is known of it', (error, more) => {
    const told: unknown[] = [];
    const log = { warn: (...line: unknown[]) => told.push(line) } as unknown as Log;
    const nameOf = (_id: MemberId): undefined => undefined;
    tellEvent({ type: 'problem', what: 'the disk is full', error }, log, nameOf);
    expect(told).toEqual([[{ what: 'the disk is full', ...more }, 'problem']]);
  });
});
