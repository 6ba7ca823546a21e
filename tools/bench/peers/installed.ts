// Installs the Debian packages of the peers where they are missing and this is root; says what is
// missing where it can not.
import { installDebian } from '../../lib/debian-packages.mjs';
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
  installDebian(
    missing.flatMap(({ name }) => packages[name] ?? []),
    'the bench of peers',
  );
}
