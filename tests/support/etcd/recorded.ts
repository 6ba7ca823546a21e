// What etcdctl printed when it was asked the same of three members of etcd itself: recorded by
// tests/etcdctl.test.ts when it is told to (REWRITE=1, where etcd-server is installed), and what it
// has to print here. Of the cases that differ on purpose, what it prints here stands beside it.
import { readFileSync, writeFileSync } from 'node:fs';

import { titleOf } from './area.ts';
import { EtcdCluster } from './etcd-cluster.ts';
import { etcdctlCases } from './etcdctl-cases.ts';
import { play } from './etcdctl-script.ts';

/** Of another version, other words are printed. */
export const recordedVersion = '3.4';

const path = new URL(`./etcdctl-${recordedVersion}.txt`, import.meta.url).pathname;
const mark = '=== ';

export type Recorded = Map<string, string>;

export const ownTitle = (title: string): string => `${title} (Holdfast)`;

export function recorded(): Recorded {
  const parts = readFileSync(path, 'utf8')
    .split(new RegExp(`^${mark}`, 'm'))
    .slice(1);
  return new Map(
    parts.map((part) => {
      const end = part.indexOf('\n');
      return [part.slice(0, end), part.slice(end + 1)];
    }),
  );
}

export function writeRecorded(all: Recorded): void {
  writeFileSync(path, [...all].map(([title, told]) => `${mark}${title}\n${told}`).join(''));
}

export async function recordedAtEtcd(): Promise<Recorded> {
  await using etcd = await EtcdCluster.start(3);
  const told: Recorded = new Map();
  for (const one of etcdctlCases) told.set(titleOf(one), await play(etcd.endpoints, one.steps));
  return told;
}
