// Goal: answers wait for their readers up to a bound, whoever wants more goes on in order as soon
// as there is room, and a reader that takes nothing is given up. Method: a clock by hand.

import { isHoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { beforeEach, describe, expect, it } from 'vitest';

import { ConnectionAnswers, UnreadAnswers } from './unread-answers.ts';

const mebibyte = 1024 * 1024;

let clock: ManualClock;
let whole: UnreadAnswers;
let givenUp: string[];
let written: number;

beforeEach(() => {
  clock = new ManualClock();
  whole = new UnreadAnswers(16 * mebibyte);
  givenUp = [];
  written = 0;
});

const connection = (name: string): ConnectionAnswers =>
  new ConnectionAnswers({
    ...{ whole, clock, unreadMs: 30_000 },
    writtenBytes: () => written,
    giveUp: () => givenUp.push(name),
  });

/** Goes on with so many bytes once there is room, as a read does. */
async function ask(of: ConnectionAnswers, log: string[], name: string, bytes = mebibyte) {
  const call = {};
  if (of.isFull) await of.wait(call);
  of.change(call, bytes);
  log.push(name);
}

async function settled(): Promise<void> {
  for (let turns = 0; turns < 5; turns += 1) await clock.advanceAsync(0);
}

describe('the answers of a connection', () => {
  it('have room up to a bound, and go on in order, one at a time', async () => {
    const [one, log] = [connection('one'), [] as string[]];
    const all = Promise.all(Array.from({ length: 20 }, (_, at) => ask(one, log, `${at}`)));
    await settled();
    expect(log).toHaveLength(8);
    one.change({}, -3 * mebibyte);
    await settled();
    expect(log).toEqual(Array.from({ length: 11 }, (_, at) => `${at}`));
    for (let at = 0; at < 9; at += 1) one.change({}, -mebibyte);
    await all;
    expect(whole.bytes).toBe(8 * mebibyte);
  });

  it('are refused when their time is over, and forgotten when their client is gone', async () => {
    const one = connection('one');
    one.change({}, 8 * mebibyte);
    const [late, who] = [new AbortController(), {}];
    const waits = [one.wait({}, late.signal), one.wait(who), one.wait({})];
    const ends = Promise.allSettled(waits);
    late.abort();
    one.end(who, 0);
    one.close();
    const codes = (await ends).map((end) => end.status === 'rejected' && codeOf(end.reason));
    expect(codes).toEqual(['resource-exhausted', 'cancelled', 'cancelled']);
    expect(whole.isAwaited).toBe(false);
  });

  it('that nobody takes are given up after a while, and those that are taken slowly are not', () => {
    connection('small').change({}, 1000);
    const one = connection('one');
    one.change({}, mebibyte);
    clock.advance(29_000);
    written += 1;
    clock.advance(29_000);
    expect(givenUp).toEqual([]);
    clock.advance(2000);
    expect(givenUp).toEqual(['one']);
  });
});

const codeOf = (error: unknown): unknown => isHoldfastError(error) && error.code;

describe('the answers of all connections', () => {
  it('have room together, and a connection that has read all is served beyond it', async () => {
    const deaf = Array.from({ length: 4 }, (_, at) => connection(`deaf ${at}`));
    const log: string[] = [];
    for (const one of deaf) void ask(one, log, 'deaf', 4 * mebibyte);
    const good = connection('good');
    await ask(good, log, 'good');
    void ask(good, log, 'good again');
    void ask(deaf[0] as ConnectionAnswers, log, 'deaf again');
    await settled();
    expect(log).toEqual(['deaf', 'deaf', 'deaf', 'deaf', 'good']);
    good.change({}, -mebibyte);
    await settled();
    expect(log.slice(5)).toEqual(['good again']);
  });

  it('have twice as much at the most: then who takes nothing makes way, readers go first', async () => {
    const log: string[] = [];
    const good = connection('good');
    good.change({}, 1);
    good.change({}, -1);
    const deaf = Array.from({ length: 9 }, (_, at) => connection(`deaf ${at}`));
    for (const one of deaf) void ask(one, log, 'deaf', 4 * mebibyte);
    await settled();
    expect([whole.bytes, log.length]).toEqual([32 * mebibyte, 8]);
    void ask(good, log, 'good');
    clock.advance(3000);
    expect(givenUp).toHaveLength(8);
    deaf[0]?.change({}, -4 * mebibyte);
    await settled();
    expect(log.slice(8)).toEqual(['good', 'deaf']);
  });
});
