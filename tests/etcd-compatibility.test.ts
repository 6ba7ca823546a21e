// Goal: docs/etcd-compatibility.md says what is so. Method: its tables are made anew from the
// lists that the tests run, and compared; each difference names a test that is there. REWRITE=1
// writes it.
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

import { areas } from './support/etcd/area.ts';
import { currentPage, pageOf, writePage } from './support/etcd/compatibility-page.ts';
import { allDifferences } from './support/etcd/differences.ts';
import { etcdctlCases } from './support/etcd/etcdctl-cases.ts';

it('docs/etcd-compatibility.md is written from what the tests run', () => {
  const due = pageOf(currentPage());
  if (process.env.REWRITE === '1') writePage(due);
  expect(currentPage(), 'write docs/etcd-compatibility.md anew: REWRITE=1').toBe(due);
});

it.each(allDifferences)('what differs is shown: $what', ({ shown }) => {
  if (shown === undefined) return;
  const [file, title] = shown;
  const text = readFileSync(new URL(`../${file}`, import.meta.url), 'utf8');
  const quoted = [`'${title}'`, `"${title}"`];
  expect(
    quoted.some((one) => text.includes(one)),
    `${title} in ${file}`,
  ).toBe(true);
});

it('etcdctl is asked all that the others are, and its cases that differ have a row', () => {
  const asked = new Set(etcdctlCases.map(({ area }) => area));
  expect(areas.filter((area) => !asked.has(area))).toEqual(['snapshot']);
  const rows = allDifferences.map(({ shown }) => shown?.[1]);
  const differing = etcdctlCases.filter(({ differs }) => differs).map(({ does }) => does);
  expect(differing.filter((does) => !rows.includes(does))).toEqual([]);
});
