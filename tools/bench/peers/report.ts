// What was measured, as Markdown: tables of absolute numbers with the ratios to etcd beside them.

import type { RateLine } from './rate-line.ts';
import { type DoorName, doorNames, type Load, nameOf } from './rate-plan.ts';

export type Environment = {
  readonly atUtc: string;
  readonly cpus: string;
  readonly node: string;
  readonly versions: readonly string[];
  readonly disk: { readonly p50Ms: number; readonly p99Ms: number };
  /** Processes that wanted a core in the minute before. */
  readonly load: number;
  readonly rounds: number;
  readonly roundMs: number;
};

export type PeersReport = {
  readonly environment: Environment;
  readonly rates: readonly RateLine[];
};

export function toMarkdown({ environment, rates }: PeersReport): string {
  return `${[...head(environment), ...rateTables(rates)].join('\n')}\n`;
}

function head(environment: Environment): readonly string[] {
  const { atUtc, cpus, node, versions, disk, load, rounds, roundMs } = environment;
  return [
    `Measured ${atUtc.slice(0, 10)} by \`npm run bench:peers\` on ${cpus} for three members and`,
    `the load together, Node ${node}; ${versions.join(', ')}. A 4 KiB write with fdatasync on this`,
    `disk: p50 ${disk.p50Ms.toFixed(2)} ms, p99 ${disk.p99Ms.toFixed(2)} ms; load average before`,
    `it began: ${load.toFixed(1)}. Medians of ${rounds} rounds of ${roundMs / 1000} s.`,
    '',
  ];
}

type Cell = (line: RateLine, etcd: RateLine | undefined) => string;

function rateTables(lines: readonly RateLine[]): readonly string[] {
  return [
    ...table('a second (times etcd)', lines, rateCell),
    ...table('p50 / p99, ms', lines, ({ p50Ms, p99Ms }) => `${ms(p50Ms)} / ${ms(p99Ms)}`),
    ...table('CPU µs a request, all members', lines, ({ membersCpuMicros }) =>
      membersCpuMicros.toFixed(0),
    ),
    ...table('generator: share of a core, µs a request', lines, (line) =>
      [`${(line.generatorCpuShare * 100).toFixed(0)} %`, line.generatorCpuMicros.toFixed(1)].join(
        ', ',
      ),
    ),
  ];
}

function table(title: string, lines: readonly RateLine[], cell: Cell): readonly string[] {
  const doors = doorNames.filter((name) => lines.some(({ door }) => door === name));
  const loads = [...new Set(lines.map(({ load }) => load))];
  const find = (load: Load, door: DoorName): RateLine | undefined =>
    lines.find((line) => line.load === load && line.door === door);
  const row = (load: Load): string => {
    const cells = doors.map((door) => {
      const line = find(load, door);
      return line ? cell(line, find(load, 'etcd')) : '-';
    });
    return `| ${[nameOf(load), ...cells].join(' | ')} |`;
  };
  return [
    `| ${[title, ...doors].join(' | ')} |`,
    `|${'---|'.repeat(doors.length + 1)}`,
    ...loads.map(row),
    '',
  ];
}

const rateCell: Cell = ({ perSecond, door }, etcd) => {
  const rate = Math.round(perSecond).toLocaleString('en');
  return etcd && door !== 'etcd' ? `${rate} (${(perSecond / etcd.perSecond).toFixed(2)})` : rate;
};

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));
