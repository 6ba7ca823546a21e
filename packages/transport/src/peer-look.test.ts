// Goal: a machine that is about to join learns whether the others would speak with it, and leaves
// no trace with them. Method: real sockets on loopback, with TLS on both sides, on one, or of
// another authority; and a mesh on the memory network.
import { clusterId } from '@holdfast/base/ids';
import { SystemClock } from '@holdfast/base/system-clock';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';

import { issueMember, makeAuthority } from './certificate-maker.ts';
import type { LinkNetwork } from './link.ts';
import { lookAtPeer } from './peer-look.ts';
import { identityOf, TestMember, World } from './peer-mesh.fixture.ts';
import { TcpNetwork } from './tcp-link.ts';
import { type TlsMaterial, TlsNetwork } from './tls-link.ts';

const never = new AbortController().signal;
const clock = new SystemClock();
const hourMs = 3_600_000;
const validity = {
  notBefore: new Date(clock.wallMs() - hourMs),
  notAfter: new Date(clock.wallMs() + hourMs),
};
let member: TlsMaterial;
let newcomer: TlsMaterial;
let stranger: TlsMaterial;

beforeAll(async () => {
  const [ours, theirs] = await Promise.all(
    ['Test CA', 'Strange CA'].map((name) => makeAuthority({ name, ...validity })),
  );
  const issued = async (authority: typeof ours, name: string): Promise<TlsMaterial> => {
    if (!authority) throw new Error('no authority');
    const made = await issueMember(authority, { name, hosts: ['127.0.0.1'], ...validity });
    return { ...made, ca: authority.cert };
  };
  member = await issued(ours, 'n1');
  newcomer = await issued(ours, 'n9');
  stranger = await issued(theirs, 'n9');
});

const tls = (material: TlsMaterial): LinkNetwork => new TlsNetwork(() => material);

async function look(at: LinkNetwork, by: LinkNetwork, cluster?: bigint): Promise<TestMember> {
  const listenAddress = '127.0.0.1:0';
  const world = { network: at, clock };
  const first = new TestMember(1, world, { listenAddress, peers: [] });
  onTestFinished(() => first.mesh.close());
  await first.mesh.start(first);
  const identity = {
    ...identityOf(9),
    ...(cluster === undefined ? {} : { clusterId: clusterId(cluster) }),
  };
  const address = String(first.mesh.address);
  await lookAtPeer({ network: by, clock, identity, address, signal: never });
  return first;
}

describe('a look before joining', () => {
  it('is good where both would speak, and leaves nothing behind', async () => {
    for (const [at, by] of [
      [new TcpNetwork(), new TcpNetwork()],
      [tls(member), tls(newcomer)],
    ] as const) {
      const { mesh, strangers, events } = await look(at, by);
      expect([strangers, events, mesh.status.peers]).toEqual([[], [], []]);
    }
  });

  it('says who would not, and why', async () => {
    const cases = [
      [tls(member), new TcpNetwork(), 'TLS was not spoken'],
      [new TcpNetwork(), tls(newcomer), 'speaks no TLS on this port'],
      [tls(member), tls(stranger), 'is not trusted'],
    ] as const;
    for (const [at, by, words] of cases) await expect(look(at, by)).rejects.toThrow(words);
    const elsewhere = look(new TcpNetwork(), new TcpNetwork(), 7n);
    await expect(elsewhere).rejects.toMatchObject({ code: 'cluster-mismatch' });
  });

  it('finds nobody in the dark', async () => {
    const world = new World();
    const looking = lookAtPeer({
      network: world.network.host('h9'),
      clock: world.clock,
      identity: identityOf(9),
      address: 'h1:4654',
      signal: never,
    });
    looking.catch(() => undefined);
    await world.pass(10_000);
    await expect(looking).rejects.toMatchObject({ retryable: true });
    await world.close();
  });
});
