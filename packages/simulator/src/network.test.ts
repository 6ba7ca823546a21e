// Goal: the network loses, delays and orders what it says it does, and nothing survives a boot.
// Method: two attached members that send numbers, under one fault at a time.
import { type MemberId, memberId } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.ts';
import { calmWeather, labWeather, stormWeather } from './link-weather.ts';
import { type Attachment, type Frame, Network } from './network.ts';
import { VirtualClock } from './virtual-clock.ts';

const [a, b] = [memberId(1n), memberId(2n)];

class Fixture {
  readonly queue = new EventQueue();
  readonly network: Network;
  readonly news: string[] = [];
  readonly got: number[] = [];
  readonly gotAtMs: number[] = [];
  one: Attachment;
  two: Attachment;

  constructor(seed = 1) {
    this.network = new Network({ queue: this.queue, random: new SeededRandom(seed) });
    this.one = this.attach(a, 1);
    this.two = this.attach(b, 1);
  }

  attach(member: MemberId, bootEpoch: number): Attachment {
    const clock = new VirtualClock({ queue: this.queue, startMs: 0, wallMs: 0, rate: 1 });
    const attachment: Attachment = {
      member,
      bootEpoch,
      clock,
      storeId: 1n,
      admits: ({ storeId }) => storeId === 1n,
      onNews: (news) => {
        const detail = news.type === 'connected' ? news.bootEpoch : news.refused;
        this.news.push(`${member} ${news.type} ${news.peer} ${detail}`);
      },
    };
    this.network.attach(attachment);
    return attachment;
  }

  send(value: number, as: Partial<Pick<Frame, 'mayRepeat' | 'isAnswer'>> = {}): void {
    const deliver = (): void => {
      this.got.push(value);
      this.gotAtMs.push(this.queue.nowMs);
    };
    const { mayRepeat = true, isAnswer = false } = as;
    const lane = { connection: 'log', mayRepeat, isAnswer, bytes: 10 } as const;
    this.network.carry({ ...lane, from: this.one, to: b, deliver });
  }

  run(forMs: number): void {
    this.queue.run(this.queue.nowMs + forMs);
  }

  takeNews(): string[] {
    return this.news.splice(0).sort();
  }
}

function connected(seed = 1): Fixture {
  const fixture = new Fixture(seed);
  fixture.run(30);
  expect(fixture.takeNews()).toEqual(['1 connected 2 1', '2 connected 1 1']);
  return fixture;
}

/** How long a thousand frames took in the laboratory's weather, and which share never came. */
function sample(isAnswer: boolean): { readonly tookMs: readonly number[]; readonly lost: number } {
  const fixture = connected();
  fixture.network.weather = labWeather;
  const count = 1000;
  const sentAtMs: number[] = [];
  for (let value = 0; value < count; value += 1) {
    sentAtMs.push(fixture.queue.nowMs);
    fixture.send(value, { isAnswer });
    fixture.run(1);
  }
  fixture.run(10_000);
  const tookMs = fixture.got.map(
    (value, at) => (fixture.gotAtMs[at] as number) - (sentAtMs[value] as number),
  );
  return { tookMs, lost: 1 - tookMs.length / count };
}

describe('Network', () => {
  it('keeps order within a connection, however long the frames take', () => {
    const fixture = connected();
    fixture.network.weather = { ...labWeather, dropShare: 0, duplicateShare: 0, reorderShare: 0 };
    const values = Array.from({ length: 200 }, (_, at) => at);
    for (const value of values) fixture.send(value);
    fixture.run(10_000);
    expect(fixture.got).toEqual(values);
  });

  it('loses, repeats and reorders when told to', () => {
    const fixture = connected();
    fixture.network.weather = stormWeather;
    for (let value = 0; value < 500; value += 1) fixture.send(value);
    fixture.run(10_000);
    const sorted = [...fixture.got].sort((x, y) => x - y);
    expect(fixture.got).not.toEqual(sorted);
    expect(new Set(fixture.got).size).toBeLessThan(480);
    expect(new Set(fixture.got).size).toBeLessThan(fixture.got.length);
  });

  // The figures of the field: a tenth of requests and of answers lost, 0 to 26 ms, two thirds of
  // the answers 200 to 2,400 ms late and in any order, up to 7 s for a dead peer.
  it('has the laboratory figures of C-07: requests', () => {
    const { tookMs, lost } = sample(false);
    expect(lost).toBeGreaterThan(0.08);
    expect(lost).toBeLessThan(0.12);
    expect(Math.max(...tookMs)).toBeLessThanOrEqual(26);
    expect(tookMs.filter((ms) => ms > 13).length).toBeGreaterThan(400);
  });

  it('has the laboratory figures of C-07: answers', () => {
    const { tookMs, lost } = sample(true);
    expect(lost).toBeGreaterThan(0.08);
    expect(lost).toBeLessThan(0.12);
    const late = tookMs.filter((ms) => ms > 26);
    expect(late.length / tookMs.length).toBeGreaterThan(0.63);
    expect(late.length / tookMs.length).toBeLessThan(0.7);
    expect(Math.min(...late)).toBeGreaterThanOrEqual(200);
    expect(Math.max(...late)).toBeLessThanOrEqual(2426);
  });

  it('has the laboratory figures of C-07: a dead peer, and the counters', () => {
    const noticedMs: number[] = [];
    for (let seed = 1; seed <= 50; seed += 1) {
      const fixture = connected(seed);
      fixture.network.weather = labWeather;
      fixture.send(1);
      fixture.send(2, { isAnswer: true });
      expect(fixture.network.counters).toMatchObject({ sent: 2, answers: 1, bytes: 20 });
      fixture.network.detach(fixture.two, 'dark');
      const fromMs = fixture.queue.nowMs;
      while (fixture.news.length === 0) fixture.run(10);
      noticedMs.push(fixture.queue.nowMs - fromMs);
    }
    expect(Math.max(...noticedMs)).toBeLessThanOrEqual(7010);
    expect(Math.max(...noticedMs)).toBeGreaterThan(6000);
  });

  it('a loss on a connection that is relied on: later, with all that follows, or its end', () => {
    const fixture = connected();
    fixture.network.weather = { ...calmWeather, dropShare: 0.5 };
    let sent = 0;
    while (fixture.news.length === 0) {
      fixture.send(sent, { mayRepeat: false });
      sent += 1;
      fixture.run(1);
    }
    expect(fixture.news[0]).toMatch(/unreachable/);
    const got = [...fixture.got];
    expect(got).toEqual(Array.from({ length: got.length }, (_, at) => at));
    expect(got.length).toBeLessThan(sent);
  });

  it('a slow link is slow in its one direction, until it is healed', () => {
    const fixture = connected();
    fixture.network.slowDown(a, b, 500);
    fixture.send(1);
    fixture.run(400);
    expect(fixture.got).toEqual([]);
    fixture.run(200);
    expect(fixture.got).toEqual([1]);
    fixture.network.healAll();
    fixture.send(2);
    fixture.run(5);
    expect(fixture.got).toEqual([1, 2]);
  });

  it('cuts one direction, is noticed after the pings, and is redialled when healed', () => {
    const fixture = connected();
    fixture.network.cut(a, b);
    fixture.send(1);
    fixture.run(2000);
    expect(fixture.takeNews()).toEqual([]);
    fixture.run(6000);
    expect(fixture.takeNews()).toEqual(['1 unreachable 2 false', '2 unreachable 1 false']);
    fixture.network.healAll();
    fixture.run(2000);
    expect(fixture.takeNews()).toEqual(['1 connected 2 1', '2 connected 1 1']);
    fixture.send(2);
    fixture.run(10);
    expect(fixture.got).toEqual([2]);
  });

  it('tells a refusal at once, and a dark machine only after the pings', () => {
    const fixture = connected();
    fixture.network.detach(fixture.two, 'refused');
    fixture.run(10);
    expect(fixture.takeNews()).toEqual(['1 unreachable 2 false', '1 unreachable 2 true']);
    fixture.two = fixture.attach(b, 2);
    fixture.run(30);
    expect(fixture.takeNews()).toEqual(['1 connected 2 2', '2 connected 1 1']);
    fixture.network.detach(fixture.two, 'dark');
    fixture.run(2000);
    expect(fixture.takeNews()).toEqual([]);
  });

  it('delivers nothing across boots, nor over a broken connection', () => {
    const fixture = connected();
    fixture.network.weather = { ...calmWeather, latencyMinMs: 100, latencyMaxMs: 100 };
    fixture.send(1);
    fixture.network.detach(fixture.two, 'refused');
    fixture.two = fixture.attach(b, 2);
    fixture.run(50);
    fixture.send(2);
    fixture.network.detach(fixture.one, 'refused');
    fixture.one = fixture.attach(a, 2);
    fixture.run(50);
    fixture.send(3);
    fixture.network.reset(a, b);
    fixture.run(500);
    expect(fixture.got).toEqual([]);
    fixture.send(4);
    fixture.run(500);
    expect(fixture.got).toEqual([4]);
  });
});
