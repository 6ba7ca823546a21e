// What was promised of Holdfast beside etcd (issue 6, line 1), and whether it was measured so.
import type { LoadKind } from '../load-plan.ts';
import type { FigureLine } from './figure.ts';
import type { RateLine } from './rate-line.ts';
import { type DoorName, type Load, loads, nameOf } from './rate-plan.ts';
import { median } from './statistics.ts';

type RatePromise = {
  readonly door: DoorName;
  readonly kind: LoadKind;
  readonly inFlight: number;
  /** Times etcd's rate. */
  readonly atLeast: number;
};

const many = [64, 256, 1000];
const each = (atLeast: number, promise: Omit<RatePromise, 'inFlight' | 'atLeast'>) =>
  many.map((inFlight) => ({ ...promise, inFlight, atLeast }));

const ratePromises: readonly RatePromise[] = [
  { door: 'holdfast', kind: 'put', inFlight: 1, atLeast: 0.85 },
  { door: 'holdfast', kind: 'put', inFlight: 64, atLeast: 1.4 },
  { door: 'holdfast', kind: 'put', inFlight: 256, atLeast: 1.3 },
  { door: 'holdfast', kind: 'put', inFlight: 1000, atLeast: 1.1 },
  ...each(1.5, { door: 'holdfast', kind: 'get-linearizable' }),
  ...each(2, { door: 'holdfast', kind: 'get-stale' }),
  { door: 'holdfast-frames', kind: 'put', inFlight: 1, atLeast: 1.3 },
  ...each(3, { door: 'holdfast-frames', kind: 'put' }),
  ...each(5, { door: 'holdfast-frames', kind: 'get-linearizable' }),
  ...each(5, { door: 'holdfast-frames', kind: 'get-stale' }),
];

/** Times etcd's, of the largest member with a million keys. */
const memoryAtMost = 1.2;

export type Verdict = {
  readonly promise: string;
  readonly asked: string;
  readonly measured: string;
  /** Undefined where it was not measured. */
  readonly isMet: boolean | undefined;
};

export function verdicts(
  rates: readonly RateLine[],
  figures: readonly FigureLine[],
): readonly Verdict[] {
  return [
    ...ratePromises.map((promise) => rateVerdict(promise, rates)),
    ...ratePromises
      .filter(({ door }) => door === 'holdfast')
      .map((promise) => latencyVerdict(promise, rates)),
    memoryVerdict(figures),
  ];
}

function rateVerdict(promise: RatePromise, rates: readonly RateLine[]): Verdict {
  const load = loadOf(promise);
  const [ours, etcd] = pairOf(promise, rates);
  const ratio = ours && etcd ? ours.perSecond / etcd.perSecond : undefined;
  return {
    promise: `${nameOf(load)}, ${promise.door}: rate`,
    asked: `≥ ${promise.atLeast}`,
    measured: shown(ratio),
    isMet: ratio === undefined ? undefined : ratio >= promise.atLeast,
  };
}

function latencyVerdict(promise: RatePromise, rates: readonly RateLine[]): Verdict {
  const [ours, etcd] = pairOf(promise, rates);
  const ratio = ours && etcd ? ours.p99Ms / etcd.p99Ms : undefined;
  return {
    promise: `${nameOf(loadOf(promise))}, ${promise.door}: p99`,
    asked: '≤ 1',
    measured: shown(ratio),
    isMet: ratio === undefined ? undefined : ratio <= 1,
  };
}

function memoryVerdict(figures: readonly FigureLine[]): Verdict {
  const of = (door: DoorName): number | undefined =>
    median(figures.find((one) => one.figure === 'memory-large' && one.door === door)?.values ?? []);
  const [ours, etcd] = [of('holdfast'), of('etcd')];
  const ratio = ours && etcd ? ours / etcd : undefined;
  return {
    promise: 'RSS with 1,000,000 keys',
    asked: `≤ ${memoryAtMost}`,
    measured: shown(ratio),
    isMet: ratio === undefined ? undefined : ratio <= memoryAtMost,
  };
}

/** On as many connections as the table has them first. */
function loadOf({ kind, inFlight }: RatePromise): Load {
  return loads.find((load) => load.kind === kind && load.inFlight === inFlight) as Load;
}

function pairOf(
  promise: RatePromise,
  rates: readonly RateLine[],
): readonly [RateLine | undefined, RateLine | undefined] {
  const load = loadOf(promise);
  const at = (door: DoorName): RateLine | undefined =>
    rates.find((line) => line.load === load && line.door === door);
  return [at(promise.door), at('etcd')];
}

const shown = (ratio: number | undefined): string => ratio?.toFixed(2) ?? '-';
