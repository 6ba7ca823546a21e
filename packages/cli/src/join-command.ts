// The command that adds a machine, as an operator runs it there; checked as far as the cluster and
// a start would check it.
import { isIPv6 } from 'node:net';
import { HoldfastError } from '@holdfast/base/errors';
import type { ClusterMember } from '@holdfast/client/cluster-api';
import { readSettings } from '@holdfast/server/settings';
import { formatAddress } from '@holdfast/transport/address';

export type Machine = {
  readonly name: string;
  /** A host name, or an address of IPv4 or IPv6, with brackets or without. */
  readonly host: string;
  readonly isObserver: boolean;
};

export type JoinedCluster = {
  readonly members: readonly ClusterMember[];
  /** Clients speak TLS with it. */
  readonly isSecure: boolean;
};

const clientPort = 4653;
const peerPort = 4654;

/** Throws `invalid-argument`, and `already-exists` for what a member has. */
export function joinCommand(machine: Machine, cluster: JoinedCluster): string {
  const { name, host, isObserver } = machine;
  const bare = host.replace(/^\[(.*)\]$/, '$1');
  if (bare.includes(':') && !isIPv6(bare)) {
    throw new HoldfastError('invalid-argument', `"${host}" is no host: name it without a port`);
  }
  const client = formatAddress({ host: bare, port: clientPort });
  const peer = formatAddress({ host: bare, port: peerPort });
  // What is wrong with it, a start would say on that machine.
  readSettings({ name, listenClient: client, listenPeer: peer, insecure: true }, {});
  requireFree({ name, peer }, cluster.members);
  const known = cluster.members.flatMap(({ clientAddresses }) => clientAddresses)[0] ?? 'HOST:PORT';
  const lines = [
    `  holdfast start --name ${name} --data-dir ./${name}${cluster.isSecure ? '' : ' --insecure'}`,
    `    --listen-client ${client} --listen-peer ${peer}`,
    ...(cluster.isSecure ? tlsLines(name) : []),
    `    --join ${known}${isObserver ? ' --observer' : ''}`,
  ];
  const before = cluster.isSecure ? certificateText({ name, host: bare }) : '';
  return `${before}On ${host}, with an empty data directory:\n\n${lines.join(' \\\n')}\n`;
}

function requireFree(
  { name, peer }: { readonly name: string; readonly peer: string },
  members: readonly ClusterMember[],
): void {
  const named = members.find((one) => one.name === name);
  if (named) throw taken(`there is a member named ${name} (${named.id})`);
  const placed = members.find(({ peerAddresses }) => peerAddresses.includes(peer));
  if (placed) throw taken(`${placed.name} is at ${peer}`);
}

const taken = (message: string): HoldfastError =>
  new HoldfastError('already-exists', message, {
    details: { hint: 'choose another one, or remove that member first if its machine is gone' },
  });

const tlsLines = (name: string): readonly string[] =>
  ['peer', 'client'].map(
    (port) =>
      `    --tls-${port}-cert ${name}.crt --tls-${port}-key ${name}.key --tls-${port}-ca ca.crt`,
  );

const certificateText = ({
  name,
  host,
}: {
  readonly name: string;
  readonly host: string;
}): string => `It needs a certificate of the authority that the members trust, as this makes it:

  holdfast certs issue --member ${name}=${host}

`;
