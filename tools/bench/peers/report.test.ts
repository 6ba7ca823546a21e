// Goal: tables, verdicts and picture say what was measured, and nothing of what was not. Method:
// lines with known values.
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';

import type { LoadResult } from '../load-plan.ts';
import { withMarkedPart } from '../marked-part.ts';
import type { FigureLine } from './figure.ts';
import { toPicture } from './picture.ts';
import { verdicts } from './promises.ts';
import { type RateLine, rateLine } from './rate-line.ts';
import { type DoorName, doors, loads, nameOf } from './rate-plan.ts';
import type { RateRound } from './rates.ts';
import { type Environment, toMarkdown } from './report.ts';
import { median } from './statistics.ts';

const environment: Environment = {
  atUtc: '2026-01-02T03:04:05Z',
  cpus: '2 cores',
  node: '20',
  versions: ['etcd 3.4.23'],
  disk: { p50Ms: 0.1, p99Ms: 0.2 },
  load: 0,
  rounds: 5,
  roundMs: 4000,
};

function lineOf(name: string, door: DoorName, values: Partial<RateLine>): RateLine {
  const load = loads.find((one) => nameOf(one) === name);
  if (!load) throw new Error(`no load ${name}`);
  const none = { rounds: 5, perSecond: 0, p50Ms: 1, p99Ms: 2, membersCpuMicros: 100 };
  return { load, door, ...none, generatorCpuShare: 0.1, generatorCpuMicros: 5, ...values };
}

const verdictOf = (promise: string, rates: RateLine[], figures: FigureLine[] = []) =>
  verdicts(rates, figures).find((one) => one.promise === promise);

describe('medians', () => {
  it('are the one in the middle, or the mean of two', () => {
    expect(median([])).toBeUndefined();
    expect(median([5, 1, 9])).toBe(5);
    expect(median([4, 1, 9, 2])).toBe(3);
  });

  it('of a load are taken of each figure by itself', () => {
    const round = (completed: number, p99Ms: number, cpu: number): RateRound => {
      const shares = { failures: {}, cpuShare: 0.5, cpuMicrosPerRequest: 7 };
      const times = { elapsedMs: 2000, p50Ms: 1, p99Ms };
      const result: LoadResult = { completed, answered: completed, ...times, ...shares };
      return { result, membersCpuMicros: cpu };
    };
    const [load, door] = [loads[0] as (typeof loads)[0], doors[0] as (typeof doors)[0]];
    const rounds = [round(200, 9, 50), round(400, 5, 70), round(600, 7, 60)];
    expect(rateLine({ load, door, rounds })).toEqual({
      ...{ load, door: 'etcd', rounds: 3 },
      ...{ perSecond: 200, p50Ms: 1, p99Ms: 7, membersCpuMicros: 60 },
      ...{ generatorCpuShare: 0.5, generatorCpuMicros: 7 },
    });
    expect(rateLine({ load, door, rounds: [] })).toBeUndefined();
  });
});

describe('the tables', () => {
  const rates = [
    lineOf('put, 64 / 6', 'holdfast', { perSecond: 15_000, p99Ms: 11.4 }),
    lineOf('put, 64 / 6', 'etcd', { perSecond: 10_000, p50Ms: 5.234 }),
    lineOf('put, 1 / 1', 'holdfast', { perSecond: 900 }),
  ];

  it('have all numbers, and the ratio where etcd was asked the same', () => {
    const lines = toMarkdown({ environment, rates, figures: [] }).split('\n');
    expect(lines).toContain('| a second (times etcd); in flight / connections | etcd | holdfast |');
    expect(lines).toContain('| put, 64 / 6 | 10,000 | 15,000 (1.50) |');
    expect(lines).toContain('| put, 1 / 1 | - | 900 |');
    expect(lines).toContain('| put, 64 / 6 | 5.23 / 2.00 | 1.00 / 11 |');
    expect(lines).toContain('| put, 64 / 6 | 10 %, 5.0 | 10 %, 5.0 |');
  });

  it('have the least, the median and the most of what was tried, or why it was not', () => {
    const figures: FigureLine[] = [
      { figure: 'failover', door: 'etcd', values: [2, 1, 1.5] },
      { figure: 'watch', door: 'etcd', values: [12, 14] },
      { figure: 'watch', door: 'holdfast', values: [], reason: 'not served yet' },
    ];
    const text = toMarkdown({ environment, rates: [], figures });
    expect(text).toContain('the first write, s | 3 | 1.00 / 1.50 / 2.00 | - |');
    expect(text).toContain('watchers knows, ms | 2 | 12 / 13 / 14 | not served yet |');
    expect(text).not.toContain('a second (times etcd)');
  });

  it('say of what was promised whether it is met, and nothing of what was not measured', () => {
    const text = toMarkdown({ environment, rates, figures: [] });
    expect(text).toContain('| put, 64 / 6, holdfast: rate | ≥ 1.4 | 1.50 | met |');
    expect(text).toContain('| put, 64 / 6, holdfast: p99 | ≤ 1 | 5.70 | **short** |');
    expect(text).not.toContain('holdfast-frames');
    expect(text).not.toContain('put, 1 / 1, holdfast: rate');
  });

  it('are the same when they are made once more, in a document with a place for them', async () => {
    const part = toMarkdown({ environment, rates, figures: [] });
    for (const name of ['docs/benchmarks.md', 'README.md']) {
      const document = await readFile(new URL(`../../../${name}`, import.meta.url), 'utf8');
      const written = withMarkedPart(document, 'bench:peers', part);
      expect(written).toContain('| put, 64 / 6 | 10,000 | 15,000 (1.50) |');
      expect(withMarkedPart(written, 'bench:peers', part)).toBe(written);
    }
  });
});

describe('what was promised', () => {
  it('is held against etcd at the same load, at its very edge too', () => {
    const at = (perSecond: number, p99Ms: number) => [
      lineOf('read, serializable, 256 / 12', 'etcd', { perSecond: 1000, p99Ms: 20 }),
      lineOf('read, serializable, 256 / 12', 'holdfast', { perSecond, p99Ms }),
    ];
    const rate = 'read, serializable, 256 / 12, holdfast: rate';
    expect(verdictOf(rate, at(2000, 20))).toEqual({
      ...{ promise: rate, asked: '≥ 2', measured: '2.00', isMet: true },
    });
    expect(verdictOf(rate, at(1999, 20))?.isMet).toBe(false);
    expect(verdictOf(rate, [])?.isMet).toBeUndefined();
    const p99 = 'read, serializable, 256 / 12, holdfast: p99';
    expect(verdictOf(p99, at(1, 20))?.isMet).toBe(true);
    expect(verdictOf(p99, at(1, 20.1))?.isMet).toBe(false);
  });

  it('is all of line 1 of the issue', () => {
    const asked = verdicts([], []).map((one) => `${one.promise} ${one.asked}`);
    expect(asked.length).toBe(10 + 10 + 10 + 1);
    for (const line of [
      'put, 1 / 1, holdfast: rate ≥ 0.85',
      'put, 64 / 6, holdfast: rate ≥ 1.4',
      'put, 256 / 12, holdfast: rate ≥ 1.3',
      'put, 1,000 / 48, holdfast: rate ≥ 1.1',
      'read, linearizable, 1,000 / 48, holdfast: rate ≥ 1.5',
      'read, serializable, 64 / 6, holdfast: rate ≥ 2',
      'put, 1 / 1, holdfast-frames: rate ≥ 1.3',
      'put, 1,000 / 48, holdfast-frames: rate ≥ 3',
      'read, linearizable, 64 / 6, holdfast-frames: rate ≥ 5',
      'RSS with 1,000,000 keys ≤ 1.2',
    ]) {
      expect(asked).toContain(line);
    }
  });

  it('of memory is of the medians', () => {
    const memory = (door: DoorName, values: number[]): FigureLine => {
      return { figure: 'memory-large', door, values };
    };
    const within = [memory('etcd', [600, 650, 700]), memory('holdfast', [500, 780, 900])];
    const past = [memory('etcd', [600, 650, 700]), memory('holdfast', [500, 781, 900])];
    expect(verdictOf('RSS with 1,000,000 keys', [], within)?.isMet).toBe(true);
    expect(verdictOf('RSS with 1,000,000 keys', [], past)?.isMet).toBe(false);
  });
});

describe('the picture', () => {
  const rates = [
    lineOf('put, 64 / 6', 'etcd', { perSecond: 10_000 }),
    lineOf('put, 64 / 6', 'holdfast', { perSecond: 15_000 }),
    lineOf('put, 64 / 6', 'holdfast-frames', { perSecond: 40_000 }),
    lineOf('read, serializable, 1 / 1', 'holdfast', { perSecond: 5 }),
  ];
  const picture = toPicture(rates, 'here <& now>');
  /** Of the bar, which is wider than the square of the same colour in the legend. */
  const widthOf = (fill: string): number => {
    const rects = picture.matchAll(
      new RegExp(`<rect [^>]*width="([\\d.]+)"[^>]*fill="${fill}"`, 'g'),
    );
    return Math.max(...[...rects].map(([, width]) => Number(width)));
  };

  it('has bars as long as their ratios, with the numbers at their ends', () => {
    const [etcd, grpc, frames] = ['#8c959f', '#0969da', '#1a7f37'].map(widthOf);
    expect((grpc as number) / (etcd as number)).toBeCloseTo(1.5, 1);
    expect((frames as number) / (etcd as number)).toBeCloseTo(4, 1);
    expect(picture).toContain('>1.50 (15,000)</text>');
    expect(picture).toContain('>4.00 (40,000)</text>');
    expect(picture).toContain('>10,000</text>');
    expect(picture).toContain('>put, 64 / 6</text>');
  });

  it('leaves out what etcd was not asked, and who was not there', () => {
    expect(picture).not.toContain('serializable');
    expect(picture).not.toContain('ZooKeeper');
  });

  it('is well-formed, whatever the caption says', () => {
    expect(picture).toContain('here &lt;&amp; now&gt;');
    const open = [...picture.matchAll(/<(svg|text|title)[ >]/g)].length;
    expect([...picture.matchAll(/<\/(svg|text|title)>/g)].length).toBe(open);
    expect(toPicture([], '')).toContain('</svg>');
  });
});
