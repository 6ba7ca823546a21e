// Why the programs written for etcd cannot run here, if they cannot: a reader of the run is told
// once, because reporters leave out the titles of skipped tests.
import { spawnSync } from 'node:child_process';

import { whyNot } from '../../../tools/lib/etcd-programs.mjs';
import { recordedVersion } from './recorded.ts';

export const noEtcdctl = whyNot('etcd-client') ?? otherVersion();
export const noPython = whyNot('python3-etcd3');

/** Follows a suite's title. */
export function skippedBecause(why: string | undefined): string {
  if (why === undefined) return '';
  process.stdout.write(`skipped: ${why}\n`);
  return `, skipped: ${why}`;
}

function otherVersion(): string | undefined {
  const env = { ...process.env, ETCDCTL_API: '3' };
  const [, version] =
    /version: (\S+)/.exec(String(spawnSync('etcdctl', ['version'], { env }).stdout)) ?? [];
  if (version?.startsWith(`${recordedVersion}.`)) return undefined;
  return `what etcdctl ${recordedVersion} prints was recorded, and here is ${version}`;
}
