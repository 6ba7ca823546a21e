// The table of recovery times, for the terminal and for docs/recovery.md.

export type Row = {
  readonly scenario: string;
  readonly unit: 'ms' | 's' | 'MB/s' | 'entries/s' | 'x';
  readonly values: readonly number[];
  /** What the acceptance asks for, if it asks for a number. */
  readonly target?: string;
  readonly note?: string;
};

export type Environment = {
  readonly cpus: string;
  readonly node: string;
  readonly syncMs: { readonly p50Ms: number; readonly p99Ms: number };
  readonly atUtc: string;
  /** Processes that wanted a core in the minute before. */
  readonly load: number;
};

export function recoveryTable(rows: readonly Row[], environment: Environment): string {
  const { cpus, node, syncMs, atUtc, load } = environment;
  return [
    '| scenario | trials | p50 | p99 | worst | asked for |',
    '|---|---|---|---|---|---|',
    ...rows.map(tableLine),
    '',
    // A machine that does other work shows it in every time but the processor's.
    `Measured ${atUtc.slice(0, 10)} by \`npm run bench:recovery\` on ${cpus} for three`,
    `members and the load together, Node ${node}; fdatasync of 4 KiB: p50`,
    `${syncMs.p50Ms.toFixed(2)} ms, p99 ${syncMs.p99Ms.toFixed(2)} ms; load average before it`,
    `began: ${load.toFixed(1)}.`,
    '',
  ].join('\n');
}

function tableLine({ scenario, unit, values, target, note }: Row): string {
  const sorted = [...values].sort((a, b) => (isRate(unit) ? b - a : a - b));
  const at = (fraction: number): string => {
    const value = sorted[Math.max(0, Math.ceil(sorted.length * fraction) - 1)];
    return value === undefined ? '-' : `${rounded(value, unit)} ${unit}`;
  };
  const name = note ? `${scenario} (${note})` : scenario;
  return `| ${name} | ${values.length} | ${at(0.5)} | ${at(0.99)} | ${at(1)} | ${target ?? ''} |`;
}

/** The more, the better: its worst is the lowest. */
const isRate = (unit: Row['unit']): boolean => unit === 'MB/s' || unit === 'entries/s';

const rounded = (value: number, unit: Row['unit']): string =>
  unit === 's' || unit === 'x' ? value.toFixed(2) : Math.round(value).toLocaleString('en');
