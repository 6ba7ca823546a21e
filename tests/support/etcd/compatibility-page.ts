// The tables of docs/etcd-compatibility.md, written from the lists that the tests run.
import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';

import { type Area, areas } from './area.ts';
import { allDifferences, type Difference } from './differences.ts';
import { etcdctlCases } from './etcdctl-cases.ts';
import { httpCases } from './http-cases.ts';
import { nodeCases } from './node-cases.ts';
import { pythonCases } from './python-cases.ts';

const path = new URL('../../../docs/etcd-compatibility.md', import.meta.url).pathname;

const programs: readonly (readonly [name: string, cases: readonly Area[]])[] = [
  ['`etcdctl`', etcdctlCases],
  ['npm: `etcd3`', nodeCases],
  ['Debian: `python3-etcd3`', pythonCases],
  ['HTTP at the gateway', httpCases],
];

export const currentPage = (): string => readFileSync(path, 'utf8');
export const writePage = (text: string): void => writeFileSync(path, text);

/** The page with its tables as they have to be; what stands around them is left alone. */
export function pageOf(text: string): string {
  return text.replace(
    /(<!-- written: (\w+) -->\n)[\s\S]*?(<!-- end -->)/g,
    (_, head, part, end) => {
      const table = part === 'programs' ? programTable() : differenceTable(part);
      return `${head}${table}${end}`;
    },
  );
}

function programTable(): string {
  const rows = areas.map((area) => [
    area,
    ...programs.map(([, cases]) => cellOf(cases.filter((one) => one.area === area))),
  ]);
  return tableOf(['', ...programs.map(([name]) => name)], rows);
}

function cellOf(cases: readonly Area[]): string {
  return cases.length === 0 ? '–' : cases.map(({ does }) => does).join('; ');
}

function differenceTable(part: string): string {
  const rows = allDifferences
    .filter((one) => one.part === part)
    .map((one) => [one.what, one.etcd, one.holdfast, shownBy(one)]);
  return tableOf(['', 'etcd', 'Holdfast', 'shown by'], rows);
}

const shownBy = ({ shown }: Difference): string =>
  shown === undefined ? '–' : `\`${basename(shown[0])}\``;

const lineOf = (cells: readonly string[]): string =>
  `| ${cells.join(' | ')} |\n`.replace('|  |', '| |');

const tableOf = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [lineOf(head), `|${head.map(() => '---').join('|')}|\n`, ...rows.map(lineOf)].join('');
