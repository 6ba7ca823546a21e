// What goes wrong and when: a list made from a seed before the run begins, so that a plan can be
// printed, cut down and replayed. Faults may overlap and may hit any number of members; safety must
// survive all of it, progress is owed only after the end.
import type { MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { RotPlace } from './disk-rot.ts';
import type { CrashKind, Fault } from './fault.ts';
import { calmWeather, labWeather, roughWeather, stormWeather } from './link-weather.ts';

export type PlannedFault = {
  readonly atMs: number;
  readonly fault: Fault;
  /** Undone after this long; 0 where there is nothing to undo. */
  readonly lastsMs: number;
};

export type FaultPlanOptions = {
  readonly members: readonly MemberId[];
  /** Whose disks may lose what they have synced. */
  readonly badDisks: readonly MemberId[];
  readonly startMs: number;
  readonly endMs: number;
  /** Between the beginnings of two faults, on average. */
  readonly gapMs: number;
};

/** What chance puts together; the disks of a leader have a scenario of their own. */
type FaultType = Exclude<Fault['type'], 'ailing-disks'>;

/** How often each kind comes, relative to the others. */
const weights: Readonly<Record<FaultType, number>> = {
  crash: 8,
  'crash-in-write': 5,
  'crash-loop': 2,
  blackout: 1,
  pause: 4,
  lag: 3,
  partition: 8,
  'one-way': 5,
  'slow-link': 3,
  'reset-links': 3,
  weather: 5,
  'wall-jump': 2,
  disk: 6,
  rot: 4,
  decay: 6,
  wipe: 1,
  replace: 3,
  transfer: 3,
  'flip-memory': 3,
};

/** Half of all plans leave out kinds, so that the others meet more often (swarm testing). */
const keptShare = 0.5;

export function planFaults(random: Random, options: FaultPlanOptions): readonly PlannedFault[] {
  const plan: PlannedFault[] = [];
  const kinds = chosenKinds(random);
  const newDecay = decaysOf(random, options);
  const gap = (): number => 2 * options.gapMs * random.fraction();
  for (let atMs = options.startMs + gap(); atMs < options.endMs; atMs += gap()) {
    const type = pickWeighted(random, kinds);
    const fault = type === 'decay' ? newDecay() : newFault(random, type, options.members);
    plan.push({ atMs, fault, lastsMs: durationOf(random, fault) });
  }
  return plan;
}

type WeightedKind = readonly [FaultType, number];

function chosenKinds(random: Random): readonly WeightedKind[] {
  const all = Object.entries(weights) as [FaultType, number][];
  if (random.fraction() < 0.5) return all;
  const some = all.filter(() => random.fraction() < keptShare);
  return some.length === 0 ? all : some;
}

function pickWeighted(random: Random, kinds: readonly WeightedKind[]): FaultType {
  let left = random.fraction() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [type, weight] of kinds) {
    left -= weight;
    if (left < 0) return type;
  }
  return 'crash';
}

/** Two of five leave the others a quorum: then a leader repairs. */
const awayShare = 0.6;

/**
 * What decays in one run: a member that loses its status and every snapshot can only be replaced,
 * and says so (D-02).
 */
const decayPlaces: readonly (readonly RotPlace[])[] = [
  ['log', 'log', 'snapshots'],
  ['log', 'log', 'snapshots'],
  ['log', 'log', 'status'],
];

export function decaysOf(
  random: Random,
  { members, badDisks }: Pick<FaultPlanOptions, 'members' | 'badDisks'>,
): () => Extract<Fault, { readonly type: 'decay' }> {
  const places = pick(random, decayPlaces);
  return () => {
    const member = pick(random, badDisks.length > 0 ? badDisks : members);
    const others = members.filter((id) => id !== member);
    const away = random.fraction() < awayShare ? pick(random, others) : undefined;
    return { type: 'decay', member, how: crashKind(random), place: pick(random, places), away };
  };
}

type OneMembersFault = Exclude<FaultType, 'decay'>;
type ChanceFault = Extract<Fault, { readonly type: FaultType }>;

function newFault(
  random: Random,
  type: OneMembersFault,
  members: readonly MemberId[],
): ChanceFault {
  const member = pick(random, members);
  const other = pick(
    random,
    members.filter((id) => id !== member),
  );
  switch (type) {
    case 'crash':
      return { type, member, how: crashKind(random) };
    case 'crash-in-write':
      return { type, member, how: crashKind(random), operations: random.integer(1, 60) };
    case 'crash-loop': {
      const hows = Array.from({ length: random.integer(2, 6) }, () => crashKind(random));
      return { type, member, hows, gapMs: 300 * random.fraction() ** 2 };
    }
    case 'blackout':
      return { type, staggerMs: 1000 * random.fraction() ** 2 };
    case 'pause':
      return { type, member };
    case 'lag':
      return { type, member, holdMs: 100 + 2900 * random.fraction() ** 3 };
    case 'partition':
      return { type, group: members.filter((id) => id === member || random.fraction() < 0.3) };
    case 'one-way':
      return { type, from: member, to: other };
    case 'slow-link':
      return { type, from: member, to: other, byMs: 5 + 1500 * random.fraction() ** 3 };
    case 'reset-links':
      return { type, a: member, b: other };
    case 'weather':
      return { type, ...pick(random, weathers) };
    case 'wall-jump':
      return { type, member, byMs: wallJumpMs(random) };
    case 'disk':
      return { type, member, mood: pick(random, diskMoods) };
    case 'rot':
      return { type, member, bits: random.fraction() < 0.7 ? 1 : random.integer(2, 6) };
    case 'wipe':
      return { type, member };
    case 'replace':
      return { type, member, machine: pick(random, oldMachines) };
    case 'transfer':
      return { type, to: member };
    case 'flip-memory':
      return { type };
  }
}

const crashKind = (random: Random): CrashKind => (random.fraction() < 0.5 ? 'process' : 'power');

/** Most within the hour of a badly set clock, some by days, some by a leap second. */
function wallJumpMs(random: Random): number {
  const spanMs = pick(random, [2000, 7_200_000, 7_200_000, 864_000_000]);
  return Math.round((random.fraction() - 0.5) * spanMs);
}

export const oldMachines = ['dead', 'switched-off', 'forgotten'] as const;

const diskMoods = ['slow', 'slow', 'stuck', 'failing', 'full', 'misreading'] as const;

const weathers = [
  { name: 'rough', weather: roughWeather },
  { name: 'lab', weather: labWeather },
  { name: 'storm', weather: stormWeather },
  { name: 'calm', weather: calmWeather },
];

function durationOf(random: Random, fault: ChanceFault): number {
  const upTo = (longestMs: number): number => 50 + longestMs * random.fraction() ** 2;
  switch (fault.type) {
    case 'crash':
    case 'crash-in-write':
    case 'partition':
    case 'one-way':
    case 'slow-link':
    case 'weather':
    case 'decay':
      return upTo(8000);
    case 'blackout':
      return upTo(2000);
    case 'pause':
    case 'lag':
    case 'disk':
      return upTo(4000);
    case 'crash-loop':
    case 'reset-links':
    case 'wall-jump':
    case 'rot':
    case 'wipe':
    case 'replace':
    case 'transfer':
    case 'flip-memory':
      return 0;
  }
}
