// What was measured, as Markdown: tables of absolute numbers with the ratios to etcd beside them.
import { type FigureLine, type FigureName, figures } from './figure.ts';
import { verdicts } from './promises.ts';
import type { RateLine } from './rate-line.ts';
import { type DoorName, doorNames, type Load, nameOf } from './rate-plan.ts';
import { median } from './statistics.ts';

export type Environment = {
  readonly atUtc: string;
  readonly cpus: string;
  readonly node: string;
  /** As `etcd 3.4.23`. */
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
  readonly figures: readonly FigureLine[];
};

export function toMarkdown({ environment, rates, figures: lines }: PeersReport): string {
  const parts = [
    head(environment),
    rates.length > 0 ? rateTables(rates) : [],
    lines.length > 0 ? figureTable(lines) : [],
    verdictTable(rates, lines),
  ];
  return `${parts.flat().join('\n').trimEnd()}\n`;
}

function head(environment: Environment): readonly string[] {
  const { atUtc, cpus, node, versions, disk, load, rounds, roundMs } = environment;
  const words =
    `Measured ${atUtc.slice(0, 10)} by \`npm run bench:peers\` on ${cpus} for three members and ` +
    `the load together, Node ${node}; ${versions.join(', ')}. A 4 KiB write with fdatasync on ` +
    `this disk: p50 ${disk.p50Ms.toFixed(2)} ms, p99 ${disk.p99Ms.toFixed(2)} ms; load average ` +
    `before it began: ${load.toFixed(1)}. Medians of ${rounds} rounds of ${roundMs / 1000} s.`;
  return [...wrapped(words), ''];
}

const columnsMax = 100;

function wrapped(words: string): readonly string[] {
  const lines: string[] = [];
  for (const word of words.split(' ')) {
    const longer = `${lines.at(-1) ?? ''} ${word}`.trimStart();
    if (lines.length === 0 || longer.length > columnsMax) lines.push(word);
    else lines[lines.length - 1] = longer;
  }
  return lines;
}

type Cell = (line: RateLine, etcd: RateLine | undefined) => string;

function rateTables(lines: readonly RateLine[]): readonly string[] {
  return [
    ...rateTable('a second (times etcd)', lines, rateCell),
    ...rateTable('p50 / p99, ms', lines, ({ p50Ms, p99Ms }) => `${ms(p50Ms)} / ${ms(p99Ms)}`),
    ...rateTable('CPU µs a request, all members', lines, ({ membersCpuMicros }) =>
      membersCpuMicros.toFixed(0),
    ),
    ...rateTable('generator: share of a core, µs a request', lines, generatorCell),
  ];
}

const rateCell: Cell = ({ perSecond, door }, etcd) => {
  const rate = Math.round(perSecond).toLocaleString('en');
  return etcd && door !== 'etcd' ? `${rate} (${(perSecond / etcd.perSecond).toFixed(2)})` : rate;
};

const generatorCell: Cell = ({ generatorCpuShare, generatorCpuMicros }) =>
  `${(generatorCpuShare * 100).toFixed(0)} %, ${generatorCpuMicros.toFixed(1)}`;

const ms = (value: number): string => (value < 10 ? value.toFixed(2) : value.toFixed(0));

function rateTable(title: string, lines: readonly RateLine[], cell: Cell): readonly string[] {
  const doors = doorsOf(lines);
  const row = (load: Load): readonly string[] => {
    const find = (door: DoorName): RateLine | undefined =>
      lines.find((line) => line.load === load && line.door === door);
    const cells = doors.map((door) => {
      const line = find(door);
      return line ? cell(line, find('etcd')) : '-';
    });
    return [nameOf(load), ...cells];
  };
  const loads = [...new Set(lines.map(({ load }) => load))];
  return table([`${title}; in flight / connections`, ...doors], loads.map(row));
}

function figureTable(lines: readonly FigureLine[]): readonly string[] {
  const doors = doorsOf(lines);
  const names = [...new Set(lines.map(({ figure }) => figure))];
  const row = (name: FigureName): readonly string[] => {
    const same = lines.filter(({ figure }) => figure === name);
    const cells = doors.map((door) => {
      const line = same.find((one) => one.door === door);
      return line ? figureCell(line) : '-';
    });
    const trials = Math.max(...same.map(({ values }) => values.length));
    return [`${figures[name].title}, ${figures[name].unit}`, String(trials), ...cells];
  };
  return table(['least / median / most', 'trials', ...doors], names.map(row));
}

function figureCell({ figure, values, reason }: FigureLine): string {
  if (reason !== undefined) return reason;
  const middle = median(values);
  if (middle === undefined) return '-';
  const digits = figures[figure].unit === 's' ? 2 : 0;
  return [Math.min(...values), middle, Math.max(...values)]
    .map((value) => value.toFixed(digits))
    .join(' / ');
}

function verdictTable(rates: readonly RateLine[], lines: readonly FigureLine[]): readonly string[] {
  const measured = verdicts(rates, lines).filter(({ isMet }) => isMet !== undefined);
  if (measured.length === 0) return [];
  const rows = measured.map(({ promise, asked, measured: value, isMet }) => [
    ...[promise, asked, value, isMet ? 'met' : '**short**'],
  ]);
  return table(['times etcd', 'asked', 'measured', ''], rows);
}

const doorsOf = (lines: readonly { readonly door: DoorName }[]): readonly DoorName[] =>
  doorNames.filter((name) => lines.some(({ door }) => door === name));

function table(heads: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const lines = [heads, heads.map(() => '---'), ...rows];
  return [...lines.map((cells) => `| ${cells.join(' | ')} |`), ''];
}
