// What 50,000 watchers cost the writes, as a table for the terminal and for docs/benchmarks.md.
import type { CrowdReport } from '../watchers/watch-crowd.ts';
import { type Quotient, quantile, quotientOf } from './peers/statistics.ts';

/** Of a cluster that is watched, and of one without watchers. */
export type Both<T> = { readonly with: T; readonly without: T };

export type Phase = {
  /** Pairs: what the puts of a second took, in order of size. */
  readonly seconds: readonly Both<readonly number[]>[];
  /** Of all members, a put. */
  readonly cpuUs: Both<number>;
  /** Of the watched member that has the most. */
  readonly residentMiB: number;
  readonly unreadMiB: number;
  /** By all members since they were started. */
  readonly givenUp: number;
  /** The longest that the event loop of a watched member was held. */
  readonly loopMs: number;
};

export type Round = {
  readonly live: Phase;
  readonly stuck: Phase;
  readonly reports: { readonly live: CrowdReport; readonly all: CrowdReport };
};

export type Trial = {
  /** Watchers that a put reaches. */
  readonly told: number;
  readonly rounds: readonly Round[];
};

/** What all trials have in common. */
export type Setting = {
  readonly watchers: number;
  readonly connections: number;
  readonly valueBytes: number;
  readonly writes: number;
  readonly pairs: number;
  readonly oneIn: number;
  readonly unreadMiB: number;
};

export function watchersTable(setting: Setting, trials: readonly Trial[]): string {
  return [
    '| a put reaches | watchers | p50 ms | p99 ms | p99 of a second, ms | times | CPU µs | MiB |',
    '|---|---|---|---|---|---|---|---|',
    ...trials.flatMap(({ told, rounds }) => [
      lineOf(String(told), 'all read', joined(rounds.map(({ live }) => live))),
      lineOf('', `one in ${setting.oneIn} is stuck`, joined(rounds.map(({ stuck }) => stuck))),
    ]),
    '',
    ...wayOf(setting, trials[0]?.rounds.length ?? 0),
    ...toldIn(trials, setting),
    '',
  ].join('\n');
}

/** The same phase of all rounds. */
function joined(phases: readonly Phase[]): Phase {
  const most = (of: (phase: Phase) => number): number => Math.max(...phases.map(of));
  return {
    seconds: phases.flatMap(({ seconds }) => seconds),
    cpuUs: both((side) => phases.reduce((sum, { cpuUs }) => sum + cpuUs[side], 0) / phases.length),
    residentMiB: most(({ residentMiB }) => residentMiB),
    unreadMiB: most(({ unreadMiB }) => unreadMiB),
    givenUp: most(({ givenUp }) => givenUp),
    loopMs: most(({ loopMs }) => loopMs),
  };
}

const both = <T>(of: (side: keyof Both<T>) => T): Both<T> => ({
  with: of('with'),
  without: of('without'),
});

function lineOf(told: string, name: string, phase: Phase): string {
  const times = timesOf(phase);
  const of = (part: number): Both<number> => both((side) => quantileOf(times[side], part));
  const rise = riseOf(phase);
  const cells = [
    ...[told, name, asChange(of(0.5), 1), asChange(of(0.99), 1), asChange(rise.medians, 1)],
    ...[asText(rise), asChange(phase.cpuUs, 0), phase.residentMiB.toFixed(0)],
  ];
  return `| ${cells.join(' | ')} |`;
}

const asChange = (values: Both<number>, digits: number): string =>
  `${values.without.toFixed(digits)} → ${values.with.toFixed(digits)}`;

/** Of all seconds, in order of size. */
const timesOf = ({ seconds }: Phase): Both<readonly number[]> =>
  both((side) => seconds.flatMap((one) => one[side]).sort((a, b) => a - b));

const quantileOf = (times: readonly number[], part: number): number =>
  quantile(times, part) ?? Number.NaN;

const riseOf = ({ seconds }: Phase): Quotient =>
  quotientOf(seconds.map((one) => both((side) => quantileOf(one[side], 0.99))));

const asText = ({ value, lo, hi }: Quotient): string =>
  `${value.toFixed(2)} (${lo.toFixed(2)} to ${hi.toFixed(2)})`;

const wayOf = (setting: Setting, rounds: number): readonly string[] => [
  `${setting.watchers.toLocaleString('en')} watchers on ${setting.connections} connections to`,
  'three members, of as many keys as let a put reach so many of them;',
  `${setting.writes} puts a second of ${setting.valueBytes} bytes.`,
  'Beside them runs a cluster that nobody watches. Both are written to in turn, a second each,',
  `${rounds} times ${setting.pairs} pairs a phase; "4 → 5" is without watchers → with them.`,
  'The p99 of a second is the median of the seconds, "times" the quotient of the two, and',
  'where nine of ten such quotients lie when the pairs are drawn anew. CPU is of all members',
  'and a put, and memory (RSS) of the watched member that has most.',
  `One connection in ${setting.oneIn} stops reading.`,
];

function toldIn(trials: readonly Trial[], { unreadMiB }: Setting): readonly string[] {
  const rounds = trials.flatMap((trial) => trial.rounds);
  const all = joined(rounds.flatMap(({ live, stuck }) => [live, stuck]));
  const sum = (value: (round: Round) => number): string =>
    rounds.reduce((total, round) => total + value(round), 0).toLocaleString('en');
  const wrong = sum(({ reports }) => reports.live.wrong + reports.all.wrong);
  return [
    '',
    'Live watchers were told',
    `${sum(({ reports }) => reports.live.events)} events until the end of the phases with stuck`,
    `ones; ${wrong} lists were not the log's, and`,
    `${sum(({ reports }) => reports.live.over)} of their streams were ended. Unread by a member`,
    `after a phase: ${all.unreadMiB.toFixed(2)} MiB at the most, of ${unreadMiB} set;`,
    `${all.givenUp} streams of stuck clients were ended. A loop was held for`,
    `${all.loopMs.toFixed(0)} ms at the most.`,
  ];
}

export function phaseLine(phase: Phase): string {
  const { residentMiB, unreadMiB, givenUp, loopMs, cpuUs } = phase;
  const times = timesOf(phase);
  const of = (side: keyof Both<unknown>): string => {
    const [p50, p99, most] = [0.5, 0.99, 1].map((part) => quantileOf(times[side], part));
    const cpu = `${cpuUs[side].toFixed(0)} µs of CPU a put`;
    return `p50 ${p50?.toFixed(2)}, p99 ${p99?.toFixed(2)}, most ${most?.toFixed(1)} ms, ${cpu}`;
  };
  return (
    `with watchers ${of('with')}; without ${of('without')}; p99 of a second ` +
    `${asText(riseOf(phase))} times; a member has ${residentMiB.toFixed(0)} MiB, holds its loop ` +
    `${loopMs.toFixed(0)} ms, has ${unreadMiB.toFixed(2)} MiB unread; ${givenUp} streams given up`
  );
}
