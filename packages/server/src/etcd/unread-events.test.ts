// Goal: what is not read stays within its bound, those that read are never ended for those that do
// not, or hardly do, and wait for them no longer than it takes to know. Method: streams that are
// read when the test says so, and a clock that it moves.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { UnreadEvents, type UnreadShare } from './unread-events.ts';

const bytesMax = 1000;

class Stream {
  readonly share: UnreadShare;
  readonly heard: string[] = [];
  #unread = 0;

  constructor(all: UnreadEvents) {
    this.share = all.join({
      unsentBytes: () => this.#unread,
      makeOn: () => void this.heard.push('make on'),
      giveUp: () => {
        this.heard.push('given up');
        this.share.clear();
      },
    });
  }

  /** Answers whether it may. */
  make(bytes: number): boolean {
    if (!this.share.mayMake) return false;
    this.#unread += bytes;
    this.share.sent(bytes);
    return true;
  }

  /** Without a word, as long as the stream never ran out of room. */
  readSilently(bytes: number): void {
    this.#unread = Math.max(0, this.#unread - bytes);
  }

  readAll(): void {
    this.#unread = 0;
    this.share.clear();
  }
}

function world() {
  const clock = new ManualClock();
  const all = new UnreadEvents({ clock, bytesMax });
  const streams = Array.from({ length: 4 }, () => new Stream(all));
  return { clock, all, streams: streams as [Stream, Stream, Stream, Stream] };
}

describe('answers that are not read', () => {
  it('are counted until they are', () => {
    const { all, streams } = world();
    const [one, two] = streams;
    expect([one.make(300), two.make(400)]).toEqual([true, true]);
    expect(all.bytes).toBe(700);
    one.readSilently(100);
    expect(all.bytes).toBe(600);
    two.readAll();
    expect(all.bytes).toBe(200);
    one.readAll();
    one.readAll();
    expect(all.bytes).toBe(0);
  });

  it('let nobody make more at the bound, until something was read', () => {
    const { clock, all, streams } = world();
    const [one, two, three] = streams;
    one.make(600);
    expect(two.make(600)).toBe(true);
    expect([three.make(1), two.make(1), three.make(1)]).toEqual([false, false, false]);
    expect(all.bytes).toBe(1200);
    one.readAll();
    expect([one.heard, two.heard, three.heard]).toEqual([[], ['make on'], ['make on']]);
    expect([three.make(1), clock.pendingCount]).toEqual([true, 0]);
  });

  it('are looked for where nobody says that they were read', () => {
    const { clock, streams } = world();
    const [one, two] = streams;
    one.make(1000);
    one.readSilently(400);
    expect(two.make(500)).toBe(true);
    expect(two.make(1)).toBe(false);
    one.readSilently(500);
    expect(two.make(1)).toBe(false); // One has just looked.
    clock.advance(25);
    expect(two.heard).toEqual(['make on']);
    expect([two.make(1), clock.pendingCount]).toEqual([true, 0]);
  });

  it('that are read in silence make room for all who wait, in order', () => {
    const { clock, all, streams } = world();
    const crowd = Array.from({ length: 100 }, () => new Stream(all));
    streams[0].make(800); // Which stays.
    const made: number[] = [];
    for (const stream of crowd) stream.make(100);
    for (let ticks = 0; made.length < crowd.length && ticks < 60; ticks += 1) {
      for (const [at, stream] of crowd.entries()) {
        if (stream.heard.splice(0).length === 0 || !stream.make(100)) continue;
        made.push(at);
      }
      for (const stream of crowd) stream.readSilently(Number.POSITIVE_INFINITY);
      clock.advance(25);
    }
    expect(made.slice(0, 2)).toEqual([2, 3]);
    expect(made.length).toBe(98);
  });

  it('are dropped with the streams of which nothing is read, the longest first', () => {
    const { clock, all, streams } = world();
    const [one, two, three, reading] = streams;
    two.make(400);
    clock.advance(100);
    one.make(400);
    clock.advance(100);
    three.make(150);
    for (let at = 0; at < 9; at += 1) {
      clock.advance(500);
      reading.make(50);
      reading.readSilently(49);
    }
    clock.advance(10);
    expect(reading.make(50)).toBe(true); // After 4.7 s.
    expect(reading.make(1)).toBe(false);
    clock.advance(999);
    expect(streams.map(({ heard }) => heard)).toEqual([[], [], [], []]);
    clock.advance(1);
    expect([one.heard, two.heard, three.heard]).toEqual([[], ['given up'], []]);
    expect(reading.heard).toEqual(['make on']);
    expect([all.givenUp, all.bytes]).toEqual([1, 609]);
    expect(clock.pendingCount).toBe(0);
  });

  it('are dropped until there is room to work in, though the others get on in between', () => {
    const { clock, all, streams } = world();
    const [one, two, three, reading] = streams;
    for (const stream of [one, two, three]) stream.make(330);
    for (let at = 0; at < 60; at += 1) {
      expect(reading.make(20)).toBe(true);
      if (all.givenUp === 0) expect(reading.make(20)).toBe(false);
      reading.readAll();
      clock.advance(100);
    }
    expect([one.heard, two.heard, three.heard]).toEqual([['given up'], [], []]);
    expect([reading.make(200), reading.make(1), clock.pendingCount]).toEqual([true, true, 0]);
  });

  it('are looked at a few times first, by a member that was held up itself', () => {
    const { clock, streams } = world();
    const [one, two, waiting] = streams;
    one.make(600);
    two.make(600);
    clock.advance(60_000);
    expect(waiting.make(1)).toBe(false);
    clock.advance(250);
    two.readSilently(10);
    clock.advance(500);
    expect(streams.map(({ heard }) => heard)).toEqual([[], [], [], []]);
    clock.advance(250);
    expect(streams.map(({ heard }) => heard)).toEqual([['given up'], [], ['make on'], []]);
  });

  it('that are read too slowly make way where room is tight, the slowest first', () => {
    const { clock, all, streams } = world();
    const [slow, slower, quick, waiting] = streams;
    for (const stream of [slow, slower]) stream.make(400);
    clock.advance(60_000); // Nobody wants the room.
    expect([all.bytes, all.givenUp]).toEqual([800, 0]);
    quick.make(250);
    expect(waiting.make(1)).toBe(false);
    for (let at = 0; at < 24 && all.givenUp === 0; at += 1) {
      slow.readSilently(2);
      slower.readSilently(1);
      if (at % 10 === 9) quick.readSilently(200);
      clock.advance(250);
    }
    expect([slow.heard, slower.heard, quick.heard]).toEqual([[], ['given up'], []]);
    expect([waiting.heard, waiting.make(1), clock.pendingCount]).toEqual([['make on'], true, 0]);
  });

  it('and that somebody reads quickly enough end nobody, however tight it is', () => {
    const { clock, all, streams } = world();
    const [large, small, waiting] = streams;
    large.make(2 * 1024 * 1024);
    for (let at = 0; at < 100; at += 1) {
      expect(waiting.make(1)).toBe(false);
      clock.advance(250);
      large.readSilently(8 * 1024); // A sixteenth in 4 s.
    }
    expect([large.heard, all.givenUp]).toEqual([[], 0]);
    large.readSilently(2 * 1024 * 1024);
    clock.advance(25);
    expect(small.make(1100)).toBe(true);
    for (let at = 0; at < 10; at += 1) {
      expect(waiting.make(1)).toBe(false);
      clock.advance(3980);
      small.readSilently(1100);
      clock.advance(20);
      expect(small.make(1100)).toBe(true);
    }
    expect([small.heard, all.givenUp]).toEqual([[], 0]);
  });

  it('of a thousand streams that are read by the byte leave room for one that reads', () => {
    const clock = new ManualClock();
    const all = new UnreadEvents({ clock, bytesMax: 64 * 1024 * 1024 });
    const crowd = Array.from({ length: 1026 }, () => new Stream(all));
    for (const stream of crowd) stream.make(65 * 1024);
    const live = new Stream(all);
    let made = 0;
    for (let ms = 0; ms < 120_000; ms += 100) {
      if (ms % 4000 === 0) for (const stream of crowd) stream.readSilently(1);
      if (live.make(200)) made += 1;
      live.readAll();
      clock.advance(100);
    }
    expect(made).toBeGreaterThan(1140); // Of 1,200; it waits for as long as it takes to know.
    expect(all.givenUp).toBeLessThan(300);
  });

  it('are no matter any more when their stream is over', () => {
    const { clock, all, streams } = world();
    const [one, two] = streams;
    one.make(2000);
    expect(two.make(1)).toBe(false);
    two.share.clear();
    one.share.clear();
    expect([two.heard, all.bytes, clock.pendingCount]).toEqual([[], 0, 0]);
  });
});
