// What goes wrong and when: a list made from a seed before the run begins, so that a plan can be
// printed, cut down and replayed. Faults may overlap and may hit any number of members; safety must
// survive all of it, progress is owed only after the end.
import type { MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { LinkWeather } from './link-weather.ts';
import { calmWeather, labWeather, roughWeather } from './link-weather.ts';

/** Process: the page cache survives. Power: what was not synced is gone, the last write is torn. */
export type CrashKind = 'process' | 'power';

export type Fault =
  | { readonly type: 'crash'; readonly member: MemberId; readonly how: CrashKind }
  /** Every member loses power in one moment (D-17). */
  | { readonly type: 'blackout' }
  | { readonly type: 'pause'; readonly member: MemberId }
  /** No frame passes between this group and the others. */
  | { readonly type: 'partition'; readonly group: readonly MemberId[] }
  | { readonly type: 'one-way'; readonly from: MemberId; readonly to: MemberId }
  | { readonly type: 'reset-links'; readonly a: MemberId; readonly b: MemberId }
  | { readonly type: 'weather'; readonly name: string; readonly weather: LinkWeather }
  | { readonly type: 'wall-jump'; readonly member: MemberId; readonly byMs: number }
  | { readonly type: 'disk'; readonly member: MemberId; readonly mood: 'slow' | 'stuck' }
  | { readonly type: 'transfer'; readonly to: MemberId };

export type PlannedFault = {
  readonly atMs: number;
  readonly fault: Fault;
  /** Undone after this long; 0 where there is nothing to undo. */
  readonly lastsMs: number;
};

export type FaultPlanOptions = {
  readonly members: readonly MemberId[];
  readonly startMs: number;
  readonly endMs: number;
  /** Between the beginnings of two faults, on average. */
  readonly gapMs: number;
};

/** Everything that a storm of repeated and lost requests looks like on the wire. */
const stormWeather: LinkWeather = { ...labWeather, duplicateShare: 0.6, reorderShare: 0.6 };

/** How often each kind comes, relative to the others. */
const weights: Readonly<Record<Fault['type'], number>> = {
  crash: 10,
  blackout: 1,
  pause: 4,
  partition: 8,
  'one-way': 5,
  'reset-links': 3,
  weather: 5,
  'wall-jump': 2,
  disk: 4,
  transfer: 3,
};

export function planFaults(random: Random, options: FaultPlanOptions): readonly PlannedFault[] {
  const plan: PlannedFault[] = [];
  const gap = (): number => 2 * options.gapMs * random.fraction();
  for (let atMs = options.startMs + gap(); atMs < options.endMs; atMs += gap()) {
    const fault = newFault(random, options.members);
    plan.push({ atMs, fault, lastsMs: durationOf(random, fault) });
  }
  return plan;
}

function newFault(random: Random, members: readonly MemberId[]): Fault {
  const type = pickWeighted(random);
  const member = pick(random, members);
  const other = pick(
    random,
    members.filter((id) => id !== member),
  );
  switch (type) {
    case 'crash':
      return { type, member, how: random.fraction() < 0.5 ? 'process' : 'power' };
    case 'blackout':
      return { type };
    case 'pause':
      return { type, member };
    case 'partition':
      return { type, group: members.filter((id) => id === member || random.fraction() < 0.3) };
    case 'one-way':
      return { type, from: member, to: other };
    case 'reset-links':
      return { type, a: member, b: other };
    case 'weather':
      return { type, ...pick(random, weathers) };
    case 'wall-jump':
      return { type, member, byMs: Math.round((random.fraction() - 0.5) * 7_200_000) };
    case 'disk':
      return { type, member, mood: random.fraction() < 0.7 ? 'slow' : 'stuck' };
    case 'transfer':
      return { type, to: member };
  }
}

const weathers = [
  { name: 'rough', weather: roughWeather },
  { name: 'lab', weather: labWeather },
  { name: 'storm', weather: stormWeather },
  { name: 'calm', weather: calmWeather },
];

function pickWeighted(random: Random): Fault['type'] {
  const kinds = Object.entries(weights) as [Fault['type'], number][];
  let left = random.fraction() * kinds.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [type, weight] of kinds) {
    left -= weight;
    if (left < 0) return type;
  }
  return 'crash';
}

function durationOf(random: Random, fault: Fault): number {
  const upTo = (longestMs: number): number => 50 + longestMs * random.fraction() ** 2;
  switch (fault.type) {
    case 'crash':
    case 'partition':
    case 'one-way':
    case 'weather':
      return upTo(8000);
    case 'blackout':
      return upTo(2000);
    case 'pause':
    case 'disk':
      return upTo(4000);
    case 'reset-links':
    case 'wall-jump':
    case 'transfer':
      return 0;
  }
}

/** One line for the timeline. */
export function describeFault(fault: Fault): string {
  switch (fault.type) {
    case 'crash':
      return `crash n${fault.member} (${fault.how})`;
    case 'pause':
      return `pause n${fault.member}`;
    case 'partition':
      return `partition (${fault.group.map((id) => `n${id}`).join(' ')}) from the others`;
    case 'one-way':
      return `cut n${fault.from} -> n${fault.to}`;
    case 'reset-links':
      return `reset n${fault.a} - n${fault.b}`;
    case 'weather':
      return `weather ${fault.name}`;
    case 'wall-jump':
      return `wall clock of n${fault.member} jumps ${fault.byMs} ms`;
    case 'disk':
      return `disk of n${fault.member} ${fault.mood}`;
    case 'transfer':
      return `transfer leadership to n${fault.to}`;
    case 'blackout':
      return 'blackout';
  }
}
