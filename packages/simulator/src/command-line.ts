// The flags of `holdfast simulate`, as values. Pure.
import type { WorldName } from './campaign.ts';
import { type Scenario, type ScenarioName, scenarioNames } from './scenario.ts';

export type SimulateFlags = {
  readonly worlds: readonly WorldName[];
  readonly firstSeed: number;
  readonly seeds: number | undefined;
  /** Real seconds. */
  readonly seconds: number | undefined;
  readonly trace: boolean;
  readonly shrink: boolean;
  /** Where reports of failing seeds are kept. */
  readonly keep: string | undefined;
  readonly scenario: Scenario | undefined;
  readonly without: ReadonlySet<number>;
  /** Where the members of the one run are recorded. */
  readonly record: string | undefined;
  /** A data directory, a recording or one segment of it: replayed in the place of any run. */
  readonly replay: string | undefined;
};

export const usage =
  'holdfast simulate [--seeds N] [--seconds N] [--first-seed S] [--world cluster|raft|all]\n' +
  '  [--scenario power-cycles|crash-restarts|reconnects|decays|replacements|ailing-disks\n' +
  '   [--times N]]\n' +
  '  [--keep DIR]\n' +
  'holdfast simulate --seed S [--trace] [--shrink] [--without 3,4] [--world ...]\n' +
  '  [--scenario ...] [--record DIR]\n' +
  'holdfast simulate --replay DIR|FILE [--trace]';

/** Undefined: the flags are not understood. */
export function parseFlags(args: readonly string[]): SimulateFlags | undefined {
  const values = valuesOf(args);
  if (!values) return undefined;
  const world = values.get('--world') ?? 'cluster';
  const worlds = worldsByName[world];
  const scenario = scenarioOf(values);
  const numbers = numbersOf(values);
  if (!worlds || scenario === 'unknown' || !numbers) return undefined;
  const { seed, seeds, seconds, firstSeed } = numbers;
  return {
    worlds,
    scenario,
    firstSeed: seed ?? firstSeed ?? 1,
    seeds: seed === undefined ? (seeds ?? (seconds === undefined ? 100 : undefined)) : 1,
    seconds,
    trace: values.has('--trace'),
    shrink: values.has('--shrink'),
    keep: values.get('--keep'),
    record: values.get('--record'),
    replay: values.get('--replay'),
    without: new Set((values.get('--without') ?? '').split(',').filter(Boolean).map(Number)),
  };
}

const worldsByName: Readonly<Record<string, readonly WorldName[]>> = {
  cluster: ['cluster'],
  raft: ['raft'],
  all: ['raft', 'cluster'],
};

const switches = ['--trace', '--shrink'];
const valued = [
  '--seed',
  '--seeds',
  '--seconds',
  '--first-seed',
  '--world',
  '--scenario',
  '--times',
  '--keep',
  '--without',
  '--record',
  '--replay',
];

function valuesOf(args: readonly string[]): ReadonlyMap<string, string> | undefined {
  const values = new Map<string, string>();
  for (let at = 0; at < args.length; at += 1) {
    const name = args[at] as string;
    if (switches.includes(name)) values.set(name, '');
    else if (valued.includes(name) && args[at + 1] !== undefined) {
      at += 1;
      values.set(name, args[at] as string);
    } else return undefined;
  }
  return values;
}

function numbersOf(values: ReadonlyMap<string, string>) {
  const numberOf = (name: string): number | undefined => {
    const text = values.get(name);
    return text === undefined ? undefined : Number(text);
  };
  const numbers = {
    seed: numberOf('--seed'),
    seeds: numberOf('--seeds'),
    seconds: numberOf('--seconds'),
    firstSeed: numberOf('--first-seed'),
  };
  const isWhole = (value: number | undefined): boolean =>
    value === undefined || (Number.isSafeInteger(value) && value >= 0);
  return Object.values(numbers).every(isWhole) ? numbers : undefined;
}

function scenarioOf(values: ReadonlyMap<string, string>): Scenario | undefined | 'unknown' {
  const name = values.get('--scenario');
  if (name === undefined) return undefined;
  const known = scenarioNames.find((one: ScenarioName) => one === name);
  const times = Number(values.get('--times') ?? 100);
  return known && Number.isSafeInteger(times) && times > 0 ? { name: known, times } : 'unknown';
}
