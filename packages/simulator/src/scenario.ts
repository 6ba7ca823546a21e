// Runs of one kind of trouble, again and again, beside those that chance puts together: each a
// fault plan, made from a seed. They are what single acceptance lines ask for.
import type { MemberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { CrashKind } from './fault.ts';
import { decaysOf, oldMachines, type PlannedFault, planFaults } from './fault-plan.ts';

export const scenarioNames = [
  'power-cycles',
  'crash-restarts',
  'reconnects',
  'decays',
  'replacements',
  'ailing-disks',
] as const;

export type ScenarioName = (typeof scenarioNames)[number];

export type Scenario = {
  readonly name: ScenarioName;
  /** How often. */
  readonly times: number;
};

export type RunPlan = {
  readonly faults: readonly PlannedFault[];
  /** The time of the last fault's end. */
  readonly endMs: number;
  /** A leader is owed so soon after a majority is back. */
  readonly leaderWithinMs?: number;
  /** Nothing but disks ails: reads are owed all the time, and a leader whose disk is well soon. */
  readonly onlyDisksFromMs?: number;
};

export type RunPlanOptions = {
  readonly members: readonly MemberId[];
  /** Whose disks may lose what they have synced. */
  readonly badDisks: readonly MemberId[];
  /** Of what chance puts together. */
  readonly startMs: number;
  readonly endMs: number;
  readonly gapMs: number;
  readonly scenario: Scenario | undefined;
  /** Faults that do not happen, by their places in the plan: how a failing plan is cut down. */
  readonly without: ReadonlySet<number>;
};

/** When the cluster has its first leader, at the latest. */
const startMs = 3000;

export function planRun(random: Random, options: RunPlanOptions): RunPlan {
  const { members, endMs, scenario, without } = options;
  const whole = scenario
    ? planScenario(random, options, scenario)
    : { faults: members.length > 1 ? planFaults(random, options) : [], endMs };
  return { ...whole, faults: whole.faults.filter((_, at) => !without.has(at)) };
}

function planScenario(
  random: Random,
  { members, badDisks }: Pick<RunPlanOptions, 'members' | 'badDisks'>,
  { name, times }: Scenario,
): RunPlan {
  switch (name) {
    case 'power-cycles':
      return planPowerCycles(random, times);
    case 'crash-restarts':
      return planCrashRestarts(random, members, times);
    case 'reconnects':
      return planReconnects(random, members, times);
    case 'decays':
      return planDecays(random, { members, badDisks }, times);
    case 'replacements':
      return planReplacements(random, { members, badDisks }, times);
    case 'ailing-disks':
      return planAilingDisks(random, times);
  }
}

/** D-17: all members lose power in mid-write, and come back one after the other. */
function planPowerCycles(random: Random, times: number): RunPlan {
  let atMs = startMs;
  const faults = Array.from({ length: times }, (): PlannedFault => {
    const lastsMs = 60 + 200 * random.fraction();
    const staggerMs = 500 * random.fraction();
    const fault: PlannedFault = { atMs, fault: { type: 'blackout', staggerMs }, lastsMs };
    // Up to three quarters of a second of load under the new leader.
    atMs += lastsMs + staggerMs + leaderLimitMs + 750 * random.fraction();
    return fault;
  });
  return { faults, endMs: atMs, leaderWithinMs: leaderLimitMs };
}

const leaderLimitMs = 2500;

/** C-14: one member after the other dies and is back at once, before it has found its cluster. */
function planCrashRestarts(random: Random, members: readonly MemberId[], times: number): RunPlan {
  let atMs = startMs;
  const faults = Array.from({ length: times }, (): PlannedFault => {
    const how: CrashKind = random.fraction() < 0.5 ? 'process' : 'power';
    const fault = { type: 'crash', member: pick(random, members), how } as const;
    atMs += 100 * random.fraction();
    return { atMs, fault, lastsMs: 1 + 40 * random.fraction() };
  });
  return { faults, endMs: atMs + 50 };
}

/** Safety.md 5: one disk spoils something each time that its member starts. */
function planDecays(
  random: Random,
  among: Pick<RunPlanOptions, 'members' | 'badDisks'>,
  times: number,
): RunPlan {
  const newDecay = decaysOf(random, among);
  let atMs = startMs;
  const faults = Array.from({ length: times }, (): PlannedFault => {
    const lastsMs = 4000 * random.fraction() ** 2;
    const planned = { atMs, fault: newDecay(), lastsMs };
    atMs += lastsMs + 3000 * random.fraction() ** 2;
    return planned;
  });
  return { faults, endMs: atMs };
}

/** Field U-3: disks fill up, hang and slow down, the leader's above all, and are well again. */
function planAilingDisks(random: Random, times: number): RunPlan {
  let atMs = startMs;
  const faults = Array.from({ length: times }, (): PlannedFault => {
    const whom = pick(random, ['leader', 'leader', 'leader', 'majority', 'all', 'all'] as const);
    const moods = ['full', 'full', 'stuck', 'slow'] as const;
    // Where a majority crawls, an election alone takes seconds.
    const mood = pick(random, whom === 'leader' ? ([...moods, 'crawling'] as const) : moods);
    // Some come and go before anybody could act, most last.
    const lastsMs = 100 + 8000 * random.fraction();
    const fault: PlannedFault = { atMs, fault: { type: 'ailing-disks', whom, mood }, lastsMs };
    atMs += lastsMs + 3000 * random.fraction() ** 2;
    return fault;
  });
  return { faults, endMs: atMs, onlyDisksFromMs: startMs };
}

/** Field U-8: one machine after the other gives way to a new one, and each time a process dies. */
function planReplacements(
  random: Random,
  { members, badDisks }: Pick<RunPlanOptions, 'members' | 'badDisks'>,
  times: number,
): RunPlan {
  let atMs = startMs;
  const faults = Array.from({ length: times }, (): readonly PlannedFault[] => {
    const member = pick(random, members);
    const isBearable = badDisks.includes(member);
    const machine = pick(
      random,
      isBearable ? oldMachines : (['switched-off', 'forgotten'] as const),
    );
    const replaced = { type: 'replace', member, machine } as const;
    const crash = { type: 'crash', member: pick(random, members), how: 'process' } as const;
    const planned: readonly PlannedFault[] = [
      { atMs, fault: replaced, lastsMs: 0 },
      { atMs: atMs + 1500 * random.fraction(), fault: crash, lastsMs: 800 * random.fraction() },
    ];
    atMs += 3000 + 2000 * random.fraction();
    return planned;
  });
  return { faults: faults.flat(), endMs: atMs };
}

/** C-14: connections end and are redialled, faster than anything can settle. */
function planReconnects(random: Random, members: readonly MemberId[], times: number): RunPlan {
  let atMs = startMs;
  const faults = Array.from({ length: times }, (): PlannedFault => {
    const a = pick(random, members);
    const others = members.filter((id) => id !== a);
    atMs += 60 * random.fraction();
    return { atMs, fault: { type: 'reset-links', a, b: pick(random, others) }, lastsMs: 0 };
  });
  return { faults, endMs: atMs };
}
