// The programs written for etcd that the tests run unchanged, as Debian packages them. Where one is
// missing, its tests are skipped and say why.
import { spawnSync } from 'node:child_process';
import { installDebian } from './debian-packages.mjs';

/** Debian's own Python: its packages are for no other. */
export const python = '/usr/bin/python3';

const programs = [
  { name: 'etcd-client', command: ['etcdctl', 'version'] },
  { name: 'python3-etcd3', command: [python, '-c', 'import etcd3'] },
];

/** @param {readonly string[]} wanted */
const missingOf = (wanted) =>
  programs.filter(({ name }) => wanted.includes(name)).filter((one) => !works(one.command));

export function installEtcdPrograms() {
  const missing = missingOf(programs.map(({ name }) => name)).map(({ name }) => name);
  installDebian(missing, 'the tests with programs written for etcd');
}

/**
 * @param {readonly string[]} names as Debian calls them
 * @returns {string | undefined} why they can not be run here, or undefined where they can
 */
export function whyNot(...names) {
  const missing = missingOf(names).map(({ name }) => name);
  if (missing.length === 0) return undefined;
  return `it needs ${missing.join(' and ')} (apt-get install them)`;
}

/** @param {readonly string[]} command */
function works([program = '', ...args]) {
  const env = { ...process.env, ETCDCTL_API: '3' };
  return spawnSync(program, args, { env, timeout: 20_000 }).status === 0;
}
