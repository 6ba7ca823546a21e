// Tables for people. Programs get JSON, so a table's look is free to change.
import Table from 'cli-table3';
import pc from 'picocolors';

import type { Terminal } from './terminal.ts';

const noBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

export type Cell = string | number | undefined;

/** Columns under upper-case heads; an undefined cell is a dash. */
export function renderTable(
  terminal: Terminal,
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
): string {
  const colors = pc.createColors(terminal.useColor);
  const table = new Table({
    head: heads.map((head) => colors.bold(head.toUpperCase())),
    chars: noBorders,
    style: { 'padding-left': 0, 'padding-right': 0, head: [], border: [] },
  });
  for (const row of rows) table.push(row.map((cell) => String(cell ?? '-')));
  return `${trimLines(table.toString())}\n`;
}

/** Name and value, a line each. */
export function renderFacts(
  terminal: Terminal,
  facts: readonly (readonly [name: string, value: Cell])[],
): string {
  const colors = pc.createColors(terminal.useColor);
  const width = Math.max(...facts.map(([name]) => name.length));
  const lines = facts.map(
    ([name, value]) => `${colors.bold(name.padEnd(width))}  ${String(value ?? '-')}`,
  );
  return `${lines.join('\n')}\n`;
}

const trimLines = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
