// Installs the Debian packages of the peers where they are missing and this is root; says what is
// missing where it can not.
import { spawnSync } from 'node:child_process';
import { existsSync, rmSync, writeFileSync } from 'node:fs';

import type { PeerSystem, SystemName } from './peer-system.ts';

const packages: Readonly<Partial<Record<SystemName, string>>> = {
  etcd: 'etcd-server',
  zookeeper: 'zookeeper',
};

/** Those of the systems that can be run here. */
export function installed(systems: readonly PeerSystem[]): readonly PeerSystem[] {
  const isMissing = (system: PeerSystem): boolean => system.version() === undefined;
  install(systems.filter(isMissing));
  for (const { name } of systems.filter(isMissing)) {
    const how = `as root: apt-get install ${packages[name]}`;
    process.stderr.write(`${name} is not installed here, and left out (${how})\n`);
  }
  return systems.filter((system) => !isMissing(system));
}

function install(missing: readonly PeerSystem[]): void {
  const names = missing.flatMap(({ name }) => packages[name] ?? []);
  const isRoot = process.getuid?.() === 0;
  if (names.length === 0 || !isRoot || spawnSync('apt-get', ['--version']).status !== 0) return;
  process.stderr.write(`installing ${names.join(' and ')}\n`);
  const options = {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'] as ['ignore', 'ignore', 'inherit'],
  };
  withoutServices(() => {
    spawnSync('apt-get', ['update', '-qq'], options);
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], options);
  });
}

/** What Debian asks whether a package may start its service, which we run ourselves. */
const policy = '/usr/sbin/policy-rc.d';
const forbidden = 101;

function withoutServices(work: () => void): void {
  if (existsSync(policy)) return work();
  writeFileSync(policy, `#!/bin/sh\nexit ${forbidden}\n`, { mode: 0o755 });
  try {
    work();
  } finally {
    rmSync(policy);
  }
}
