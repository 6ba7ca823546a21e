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
let sent: number;

beforeEach(() => {
  clock = new ManualClock();
  whole = new UnreadAnswers({ clock, bytesMax: 16 * mebibyte });
  givenUp = [];
  sent = 0;
});

const connection = (name: string): ConnectionAnswers =>
  new ConnectionAnswers({
    ...{ whole, clock, unreadMs: 30_000 },
    sentBytes: () => sent,
    giveUp: () => givenUp.push(name),
  });

/** Goes on with so many bytes once there is room, as a read does. */
async function ask(of: ConnectionAnswers, log: string[], name: string, bytes = mebibyte) {
  const call = {};
  if (of.isFull) await of.wait(call);
  of.change(call, bytes);
  of.made(bytes);
  log.push(name);
}

/** Of a process whose timers come late. */
class StallingClock extends ManualClock {
  stalledMs = 0;

  override monotonicMs(): number {
    return super.monotonicMs() + this.stalledMs;
  }
}

/** A connection that takes what it is told to, and ends when it is given up. */
class Reader {
  readonly answers: ConnectionAnswers;
  #sent = 0;
  #bytes = 0;
  readonly #call = {};

  constructor(name: string) {
    this.answers = new ConnectionAnswers({
      ...{ whole, clock, unreadMs: 30_000 },
      sentBytes: () => this.#sent,
      giveUp: () => {
        givenUp.push(name);
        this.answers.made(-this.#bytes);
        this.answers.end(this.#call, this.#bytes);
        this.answers.close();
      },
    });
  }

  get(bytes: number): void {
    this.#bytes += bytes;
    this.answers.change(this.#call, bytes);
    this.answers.made(bytes);
  }

  take(bytes: number): void {
    this.#sent += bytes;
  }
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
    connection('small').made(1000);
    const one = connection('one');
    one.made(mebibyte);
    clock.advance(29_000);
    sent += 1;
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

  it('make way where they are taken too slowly, the slowest first, until there is room', async () => {
    const readers = Array.from({ length: 8 }, (_, at) => new Reader(`${at}`));
    for (const reader of readers) reader.get(4 * mebibyte);
    const aSecond = async (): Promise<void> => {
      for (const [at, reader] of readers.entries()) reader.take(at < 6 ? 1 + at : 80_000);
      await clock.advanceAsync(1000);
    };
    for (let seconds = 0; seconds < 100; seconds += 1) await aSecond();
    expect(givenUp).toEqual([]); // Nobody wants the room.
    const good = connection('good');
    const served: number[] = [];
    for (let calls = 0; calls < 10; calls += 1) {
      const call = {};
      void good.wait(call).then(() => {
        served.push(clock.monotonicMs());
        good.change(call, 3 * mebibyte);
        good.change(call, -3 * mebibyte);
      });
    }
    for (let seconds = 0; seconds < 20; seconds += 1) await aSecond();
    expect([served.length, givenUp]).toEqual([10, ['0', '1', '2', '3', '4']]);
    expect(served.every((ms) => ms <= 107_000)).toBe(true);
  });

  it('make way for nobody as soon as there is room for all who wait', async () => {
    const readers = Array.from({ length: 16 }, (_, at) => new Reader(`${at}`));
    for (const reader of readers) reader.get(2 * mebibyte);
    const good = new Reader('good');
    const log: string[] = [];
    void ask(good.answers, log, 'good');
    for (let seconds = 0; seconds < 20; seconds += 1) {
      for (const reader of readers) reader.take(1);
      await clock.advanceAsync(1000);
    }
    expect([log, givenUp]).toEqual([['good'], ['0']]);
  });

  it('of many connections with little each make way as well', async () => {
    const readers = Array.from({ length: 1000 }, (_, at) => new Reader(`${at}`));
    for (const reader of readers) reader.get(40_000);
    const log: string[] = [];
    void ask(connection('good'), log, 'good');
    expect(whole.bytes).toBeGreaterThan(32 * mebibyte);
    await clock.advanceAsync(4000);
    expect(log).toEqual(['good']);
    expect(givenUp.length).toBeLessThan(400);
  });

  it('are not blamed on their readers by a member that was held up itself', async () => {
    const stalling = new StallingClock();
    clock = stalling;
    whole = new UnreadAnswers({ clock, bytesMax: 16 * mebibyte });
    const readers = Array.from({ length: 8 }, (_, at) => new Reader(`${at}`));
    for (const reader of readers) reader.get(4 * mebibyte);
    void ask(connection('good'), [], 'good');
    stalling.stalledMs = 10_000;
    clock.advance(1000);
    expect(givenUp).toEqual([]);
    for (const reader of readers) reader.take(3 * mebibyte);
    clock.advance(1000);
    expect(givenUp).toEqual([]);
    clock.advance(2000);
    expect(givenUp.length).toBeGreaterThan(0);
  });
});

describe('an answer in pieces', () => {
  /** As a range does it: lets go of what it has if it has to wait, and is made in two pieces. */
  async function askLong(of: ConnectionAnswers, log: string[], name: string, grows: () => unknown) {
    const call = {};
    if (of.isFull) await of.wait(call);
    if (!of.beginLong(call)) await of.turn(call);
    of.change(call, mebibyte);
    log.push(`${name} begins`);
    await grows();
    of.change(call, mebibyte);
    of.endLong(call);
    of.made(2 * mebibyte);
    log.push(`${name} ends`);
  }

  function gate() {
    const opens: (() => void)[] = [];
    const open = async (): Promise<void> => {
      opens.shift()?.();
      await settled();
    };
    return { open, pass: () => new Promise<void>((resolve) => opens.push(resolve)) };
  }

  it('is whole before another one of its connection is begun, in order', async () => {
    const [one, log, { open, pass }] = [connection('one'), [] as string[], gate()];
    void askLong(one, log, 'a', pass);
    void ask(one, log, 'short');
    void askLong(one, log, 'b', pass);
    await settled();
    expect(log).toEqual(['a begins']);
    await open();
    expect(log.slice(1)).toEqual(['a ends', 'short', 'b begins']);
  });

  it('that waits for its turn, having waited for its connection, keeps nobody else waiting', async () => {
    const [one, two, other] = [connection('one'), connection('two'), connection('other')];
    const [log, { open, pass }] = [[] as string[], gate()];
    void askLong(one, log, 'one', pass);
    void askLong(two, log, 'two', pass);
    void askLong(two, log, 'two again', pass);
    await open();
    void askLong(other, log, 'other', pass);
    void ask(other, log, 'other, short');
    for (let times = 0; times < 3; times += 1) await open();
    expect(log.filter((line) => !line.endsWith('begins'))).toEqual([
      ...['one ends', 'two ends', 'other ends', 'other, short', 'two again ends'],
    ]);
  });

  it('grows alone, in the order of asking, and others get their answers meanwhile', async () => {
    const log: string[] = [];
    const { open, pass } = gate();
    const names = ['a', 'b', 'c', 'd'] as const;
    const all = names.map((name) => ({ name, of: connection(name) }));
    for (const { name, of } of all) void askLong(of, log, name, pass);
    await ask(connection('other'), log, 'other');
    await settled();
    expect(log).toEqual(['a begins', 'other']);
    for (const _ of names) await open();
    expect(log.slice(2)).toEqual(
      names.flatMap((name, at) => [`${name} ends`, `${names[at + 1]} begins`]).slice(0, -1),
    );
  });

  it('has its turn in turn with strangers where its client has read before', async () => {
    const log: string[] = [];
    const { open, pass } = gate();
    const names = ['a', 'b', 'c', 'd', 'e', 'f'] as const;
    for (const name of names) {
      const of = connection(name);
      if (name >= 'd') {
        of.change({}, 1);
        of.change({}, -1);
      }
      void askLong(of, log, name, pass);
    }
    for (const _ of names) await open();
    const ends = log.filter((line) => line.endsWith('ends')).map((line) => line[0]);
    expect(ends).toEqual(['a', 'd', 'b', 'e', 'c', 'f']);
  });

  it('waits for room among all, and for none in its own connection', async () => {
    const [one, deaf] = [connection('one'), connection('deaf')];
    const [log, { open, pass }] = [[] as string[], gate()];
    void askLong(one, log, 'a', pass);
    void askLong(deaf, log, 'b', pass);
    deaf.change({}, 40 * mebibyte);
    await open();
    expect(log).toEqual(['a begins', 'a ends']);
    deaf.change({}, -20 * mebibyte);
    await settled();
    expect(log.slice(2)).toEqual(['b begins']);
  });

  it('makes those that do not read make way where it waits for room, and not for its turn', async () => {
    const readers = Array.from({ length: 8 }, (_, at) => new Reader(`${at}`));
    for (const reader of readers.slice(0, 4)) reader.get(5 * mebibyte);
    const [one, two] = [connection('one'), connection('two')];
    const [log, { open, pass }] = [[] as string[], gate()];
    void askLong(one, log, 'a', pass);
    void askLong(two, log, 'b', pass);
    await clock.advanceAsync(10_000);
    expect(givenUp).toEqual([]);
    for (const reader of readers.slice(4)) reader.get(5 * mebibyte);
    await open();
    expect(log).toEqual(['a begins', 'a ends']);
    await clock.advanceAsync(10_000);
    expect([log.at(-1), givenUp.length > 0]).toEqual(['b begins', true]);
  });

  it('that is given up, or whose client goes, makes way for the next one', async () => {
    const [one, two] = [connection('one'), connection('two')];
    const [log, { pass }] = [[] as string[], gate()];
    const [first, second, third, late] = [{}, {}, {}, new AbortController()];
    expect(one.beginLong(first)).toBe(true);
    expect([one.beginLong(second), one.beginLong(third)]).toEqual([false, false]);
    const turns = Promise.allSettled([one.turn(second, late.signal), one.turn(third)]);
    void askLong(two, log, 'two', pass);
    late.abort(new Error('too late'));
    for (const call of [second, third, first]) one.endLong(call);
    await settled();
    expect(log).toEqual(['two begins']);
    const reasons = (await turns).map((end) => end.status === 'rejected' && end.reason.message);
    expect(reasons).toEqual(['too late', 'the client has gone']);
    expect(one.isFull).toBe(false);
  });
});
