// Goal: the network loses, delays and orders what it says it does, and nothing survives a boot.
// Method: two attached members that send numbers, under one fault at a time.
import { type MemberId, memberId } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.ts';
import { calmWeather, labWeather } from './link-weather.ts';
import { type Attachment, type Connection, Network } from './network.ts';
import { VirtualClock } from './virtual-clock.ts';

const [a, b] = [memberId(1n), memberId(2n)];

class Fixture {
  readonly queue = new EventQueue();
  readonly network = new Network({ queue: this.queue, random: new SeededRandom(1) });
  readonly news: string[] = [];
  readonly got: number[] = [];
  one = this.attach(a, 1);
  two = this.attach(b, 1);

  attach(member: MemberId, bootEpoch: number): Attachment {
    const clock = new VirtualClock({ queue: this.queue, startMs: 0, wallMs: 0, rate: 1 });
    const attachment: Attachment = {
      member,
      bootEpoch,
      clock,
      onNews: (news) => {
        const detail = news.type === 'connected' ? news.bootEpoch : news.refused;
        this.news.push(`${member} ${news.type} ${news.peer} ${detail}`);
      },
    };
    this.network.attach(attachment);
    return attachment;
  }

  send(value: number, connection: Connection = 'log'): void {
    const deliver = (): void => void this.got.push(value);
    this.network.carry({ from: this.one, to: b, connection, mayRepeat: true, deliver });
  }

  run(forMs: number): void {
    this.queue.run(this.queue.nowMs + forMs);
  }

  takeNews(): string[] {
    return this.news.splice(0).sort();
  }
}

function connected(): Fixture {
  const fixture = new Fixture();
  fixture.run(30);
  expect(fixture.takeNews()).toEqual(['1 connected 2 1', '2 connected 1 1']);
  return fixture;
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
    fixture.network.weather = labWeather;
    for (let value = 0; value < 500; value += 1) fixture.send(value);
    fixture.run(10_000);
    const sorted = [...fixture.got].sort((x, y) => x - y);
    expect(fixture.got).not.toEqual(sorted);
    expect(new Set(fixture.got).size).toBeLessThan(480);
    expect(new Set(fixture.got).size).toBeLessThan(fixture.got.length);
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
