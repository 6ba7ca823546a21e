// Goal: what is printed can be pasted, and what a start or the cluster would refuse is not printed.
// Method: a list of members, and machines good and bad.
import type { ClusterMember } from '@holdfast/client/cluster-api';
import { expect, it } from 'vitest';

import { joinCommand } from './join-command.ts';

const n1: ClusterMember = {
  id: '00000000000000a1',
  name: 'n1',
  role: 'leader',
  peerAddresses: ['10.0.0.1:4654'],
  clientAddresses: ['10.0.0.1:4653'],
  reachable: true,
  lag: 0,
  lastContactMs: 0,
};
const clear = { members: [n1], isSecure: false };

const machineOf = (name: string, host: string) => ({ name, host, isObserver: false });

it('is one that can be pasted', () => {
  expect(joinCommand({ ...machineOf('n4', '10.0.0.4'), isObserver: true }, clear)).toBe(
    `On 10.0.0.4, with an empty data directory:

  holdfast start --name n4 --data-dir ./n4 --insecure \\
    --listen-client 10.0.0.4:4653 --listen-peer 10.0.0.4:4654 \\
    --join 10.0.0.1:4653 --observer
`,
  );
});

it('has the certificates where the cluster speaks TLS, and says how they are made', () => {
  const text = joinCommand(machineOf('n4', '10.0.0.4'), { ...clear, isSecure: true });
  expect(text).toContain('holdfast certs issue --member n4=10.0.0.4');
  expect(text).toContain('--tls-peer-cert n4.crt --tls-peer-key n4.key --tls-peer-ca ca.crt \\\n');
  expect(text).toContain('--tls-client-ca ca.crt \\\n    --join 10.0.0.1:4653\n');
  expect(text).not.toContain('--insecure');
});

it('writes an address of IPv6 as it is written in one', () => {
  for (const host of ['fd00::4', '[fd00::4]']) {
    expect(joinCommand(machineOf('n4', host), clear)).toContain('--listen-peer [fd00::4]:4654');
  }
});

it.each([
  ['n1', '10.0.0.4', 'there is a member named n1 (00000000000000a1)'],
  ['n4', '10.0.0.1', 'n1 is at 10.0.0.1:4654'],
  ['n 4', '10.0.0.4', 'a name is 1 to 64 letters'],
  ['n4', '10.0.0.4:4653', 'is no host: name it without a port'],
  ['n4', '10.0.0.4; reboot', 'is no address'],
  ['n4', '', 'is no address'],
  ['n4', '0.0.0.0', 'is every address'],
])('is refused for %s at %s, as a start or the cluster would', (name, host, words) => {
  expect(() => joinCommand(machineOf(name, host), clear)).toThrow(words);
});
