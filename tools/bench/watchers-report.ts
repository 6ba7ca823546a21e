// What 50,000 watchers cost the writes, as a table for the terminal and for docs/benchmarks.md.
import type { Latencies } from '../watchers/steady-writer.ts';
import type { CrowdReport } from '../watchers/watch-crowd.ts';
import { median } from './peers/statistics.ts';

export type Phase = Latencies & {
  /** Of the member that has the most. */
  readonly residentMiB: number;
  readonly unreadMiB: number;
  /** By all members since they were started. */
  readonly givenUp: number;
  /** The longest that the event loop of a member was held. */
  readonly loopMs: number;
  /** Cores that were busy with it on the average. */
  readonly cpu: {
    readonly members: number;
    readonly crowd: number;
    readonly writer: number;
    /** With whom this machine is shared. */
    readonly others: number;
  };
};

export type Round = {
  readonly none: Phase;
  readonly live: Phase;
  readonly stuck: Phase;
  readonly told: { readonly live: CrowdReport; readonly all: CrowdReport };
};

export type Trial = {
  readonly watchers: number;
  readonly connections: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly writes: number;
  readonly seconds: number;
  readonly oneIn: number;
  readonly unreadMiB: number;
};

type PhaseName = 'none' | 'live' | 'stuck';

const names: Readonly<Record<PhaseName, string>> = {
  none: 'no watchers',
  live: 'all of them read',
  stuck: 'some are stuck',
};

export function watchersTable(trial: Trial, rounds: readonly Round[]): string {
  return [
    '| | p50 ms | p99 ms | times | p99 of a second, ms | times | MiB | cores |',
    '|---|---|---|---|---|---|---|---|',
    ...(['none', 'live', 'stuck'] as const).map((name) => lineOf(name, rounds)),
    '',
    ...wayOf(trial, rounds.length),
    ...toldIn(rounds, trial),
    '',
  ].join('\n');
}

function lineOf(name: PhaseName, rounds: readonly Round[]): string {
  const of = (value: (phase: Phase) => number, digits: number): string =>
    medianOf(rounds, (round) => value(round[name])).toFixed(digits);
  const rise = (value: (phase: Phase) => number): string => {
    if (name === 'none') return '';
    const ratios = rounds.map((round) => value(round[name]) / value(round.none));
    const each = ratios.map((one) => one.toFixed(2)).join(', ');
    return `${(median(ratios) ?? 0).toFixed(2)} (${each})`;
  };
  const p99 = ({ p99Ms }: Phase): number => p99Ms;
  const secondP99 = ({ secondP99Ms }: Phase): number => secondP99Ms;
  const cpu = (['members', 'crowd', 'writer', 'others'] as const).map((who) =>
    of((one) => one.cpu[who], 2),
  );
  const cells = [
    ...[names[name], of((one) => one.p50Ms, 1), of(p99, 1), rise(p99), of(secondP99, 1)],
    ...[rise(secondP99), of((one) => one.residentMiB, 0), cpu.join(', ')],
  ];
  return `| ${cells.join(' | ')} |`;
}

function wayOf(trial: Trial, rounds: number): readonly string[] {
  const { watchers, connections, keys, valueBytes, writes, seconds, oneIn } = trial;
  return [
    `${watchers.toLocaleString('en')} watchers of ${keys} keys on ${connections} connections to`,
    `three members, ${(watchers / keys).toFixed(0)} of each key; ${writes} puts a second of`,
    `${valueBytes} bytes, ${seconds} s a phase; one connection in ${oneIn} stops reading.`,
    `Medians of ${rounds} rounds, in every other one of which the phase without watchers comes`,
    "last, and of the rounds' ratios to that phase; the p99 of a second is the median of the",
    'seconds of a phase. Memory (RSS) is of the member that has most, cores are those of all',
    'members, of the crowd, of the writer and of all else that the machine does.',
  ];
}

function toldIn(rounds: readonly Round[], { unreadMiB }: Trial): readonly string[] {
  const most = (value: (phase: Phase) => number): string =>
    String(Math.max(...rounds.map(({ stuck }) => Number(value(stuck).toFixed(2)))));
  const sum = (value: (round: Round) => number): string =>
    rounds.reduce((all, round) => all + value(round), 0).toLocaleString('en');
  return [
    '',
    `Live watchers were told ${sum(({ told }) => told.live.events)} events until the end of the`,
    `phase with stuck ones; ${sum(({ told }) => told.live.wrong + told.all.wrong)} lists were not`,
    "the log's, and",
    `${sum(({ told }) => told.live.over)} of their streams were ended. Unread by a member after a`,
    `phase: ${most((phase) => phase.unreadMiB)} MiB at the most, of ${unreadMiB} that are set;`,
    `${most((phase) => phase.givenUp)} streams of stuck clients were ended.`,
  ];
}

export function phaseLine(phase: Phase): string {
  const { writes, p50Ms, p99Ms, secondP99Ms, maxMs, residentMiB, unreadMiB, givenUp, loopMs, cpu } =
    phase;
  return (
    `${writes} writes: p50 ${p50Ms.toFixed(2)}, p99 ${p99Ms.toFixed(2)} (of a second ` +
    `${secondP99Ms.toFixed(2)}), max ` +
    `${maxMs.toFixed(1)} ms; a member has ${residentMiB.toFixed(0)} MiB, holds its loop ` +
    `${loopMs.toFixed(0)} ms; cores of members ${cpu.members.toFixed(2)}, crowd ` +
    `${cpu.crowd.toFixed(2)}, writer ${cpu.writer.toFixed(2)}, others ${cpu.others.toFixed(2)}; ` +
    `unread ${unreadMiB.toFixed(2)} MiB, ${givenUp} streams given up`
  );
}

const medianOf = (rounds: readonly Round[], value: (round: Round) => number): number =>
  median(rounds.map(value)) ?? 0;
