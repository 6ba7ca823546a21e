// The figures as a table of Markdown: what a person reads, and what goes into the documentation.
import type { LoadKind, LoadProtocol } from './load-plan.ts';

export type BenchLine = {
  readonly kind: LoadKind;
  readonly inFlight: number;
  readonly connections: number;
  /** Medians over the rounds. */
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Processor time of all members together; undefined for a cluster that is not ours. */
  readonly membersCpuMicros: number | undefined;
  readonly entriesPerSync: number | undefined;
  readonly generatorCpuShare: number;
  readonly generatorCpuMicros: number;
};

export type BenchReport = {
  readonly atUtc: string;
  readonly node: string;
  readonly cpus: string;
  readonly members: number;
  readonly target: string;
  readonly by: LoadProtocol;
  readonly valueBytes: number;
  readonly rounds: number;
  readonly roundMs: number;
  readonly disk: { readonly p50Ms: number; readonly p99Ms: number };
  readonly lines: readonly BenchLine[];
  readonly memory: { readonly keys: number; readonly residentMiB: readonly number[] } | undefined;
};

export function toMarkdown(report: BenchReport): string {
  const { members, target, by, valueBytes, cpus, node, atUtc, rounds, roundMs, disk } = report;
  const head =
    `${members} members, requests to ${target} by ${by}, ${valueBytes}-byte values, ${cpus}, ` +
    `Node ${node}, ${atUtc}. Median of ${rounds} rounds of ${roundMs / 1_000} s. A 4 KiB write ` +
    `with fdatasync on this disk: p50 ${disk.p50Ms.toFixed(2)} ms, p99 ` +
    `${disk.p99Ms.toFixed(2)} ms.`;
  return `${[head, '', ...table(report.lines), '', memoryLine(report)].join('\n')}\n`;
}

const columns = [
  'call',
  'in flight / connections',
  'per second',
  'p50 ms',
  'p99 ms',
  'entries per fdatasync',
  'CPU µs a call, all members',
  'generator: CPU share, µs a call',
];

function table(lines: readonly BenchLine[]): readonly string[] {
  return [columns, columns.map(() => '---'), ...lines.map(cells)].map(
    (row) => `| ${row.join(' | ')} |`,
  );
}

function cells(line: BenchLine): readonly string[] {
  return [
    line.kind,
    `${line.inFlight} / ${line.connections}`,
    Math.round(line.perSecond).toLocaleString('en'),
    line.p50Ms.toFixed(2),
    line.p99Ms.toFixed(2),
    line.entriesPerSync?.toFixed(1) ?? '-',
    line.membersCpuMicros?.toFixed(0) ?? '-',
    `${(line.generatorCpuShare * 100).toFixed(0)} %, ${line.generatorCpuMicros.toFixed(1)}`,
  ];
}

function memoryLine({ memory }: BenchReport): string {
  if (memory === undefined) return '';
  const list = memory.residentMiB.map((one) => one.toFixed(0)).join(', ');
  return `Resident memory with ${memory.keys.toLocaleString('en')} keys: ${list} MiB.`;
}
