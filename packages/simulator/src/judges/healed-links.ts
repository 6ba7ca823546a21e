// Once all faults are over, every link between living members stands again and lets calls through,
// by itself (A-18, safety.md 18: a finished handshake closes the breaker).
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { PeerLinkStatus } from '@holdfast/transport/peer-link-status';

/** What is still amiss with the links of a member, a sentence each. */
export function brokenLinks(
  member: MemberId,
  peers: readonly Pick<PeerLinkStatus, 'peer' | 'reachable' | 'breaker' | 'health'>[],
): readonly string[] {
  return peers.flatMap(({ peer, reachable, breaker, health }) => {
    const link = `${formatId(member)} to ${formatId(peer)}`;
    const broken: string[] = [];
    if (!reachable) broken.push(`${link} does not stand`);
    if (breaker.name !== 'closed') broken.push(`the breaker of ${link} is ${breaker.name}`);
    if (health.state.name === 'dead') broken.push(`${link} is called dead`);
    return broken;
  });
}
