// The page docs/dark-matrix.md: written by the test that measures, when it is told to, and compared
// with each run in everything that does not differ from run to run.
import { readFileSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import { matrixFaults } from './faults.ts';
import type { Row } from './play.ts';

const path = new URL('../../../docs/dark-matrix.md', import.meta.url).pathname;

const head = `# Calls in the dark

How long each endpoint and each call of the SDK takes while something happens to one of four
machines, and how long it may take. Written by \`tests/dark-matrix.test.ts\` (HACKING.md says how),
from machines of network namespaces; the bounds and the rules behind them are in
\`tests/support/dark-matrix/bounds.ts\`.

Each cell is the **worst** answer in milliseconds, over every call that began during the fault; in
brackets how many of how many calls failed or were refused. A refusal within the bound keeps the
promise; what never comes back would break it. \`others\`: the three members that are well, asked
over HTTP. \`itself\`: the ill one, asked from inside its own machine. \`SDK\`: a client that knows
all four addresses, the ill one's too.
`;

const whoIsAsked = ['others', 'itself', 'SDK'] as const;

export function writePage(rows: readonly Row[]): void {
  const faults = matrixFaults.map(({ name, says }) => `| ${name} | ${says} |`);
  const sections = whoIsAsked.map((asked) => tableOf(rows, asked));
  const lines = [head, '| fault | what happens |', '|---|---|', ...faults, '', ...sections];
  writeFileSync(path, `${lines.join('\n').trimEnd()}\n`);
}

/** The same calls, faults and bounds stand there. */
export function expectPageIsTrue(rows: readonly Row[]): void {
  const page = readFileSync(path, 'utf8').split('\n');
  for (const asked of whoIsAsked) {
    const lines = linesOf(rows, asked).map(({ call, boundMs }) => `| \`${call}\` | ${boundMs} |`);
    const missing = lines.filter((line) => !page.some((one) => one.startsWith(line)));
    expect(missing, 'write docs/dark-matrix.md anew: REWRITE=1').toEqual([]);
  }
}

type Line = { readonly call: string; readonly boundMs: number };

function linesOf(rows: readonly Row[], asked: Row['asked']): readonly Line[] {
  const own = rows.filter((row) => row.asked === asked);
  const calls = new Map(own.map(({ call, boundMs }) => [call, { call, boundMs }]));
  return [...calls.values()];
}

function tableOf(rows: readonly Row[], asked: Row['asked']): string {
  const own = rows.filter((row) => row.asked === asked);
  const faults = matrixFaults.filter(({ name }) => own.some(({ fault }) => fault === name));
  const titles = ['call', 'bound', ...faults.map(({ name }) => name)];
  const lines = linesOf(rows, asked).map(({ call, boundMs }) => {
    const cells = faults.map(({ name }) => {
      const row = own.find((one) => one.call === call && one.fault === name);
      return row === undefined ? '' : cellOf(row);
    });
    return `| \`${call}\` | ${boundMs} | ${cells.join(' | ')} |`;
  });
  return [
    `## Asked: ${asked}\n`,
    `| ${titles.join(' | ')} |`,
    `|${titles.map(() => '---').join('|')}|`,
    ...lines,
    '',
  ].join('\n');
}

function cellOf({ worstMs, calls, failures }: Row): string {
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  return failed === 0 ? String(worstMs) : `${worstMs} (${failed}/${calls})`;
}
