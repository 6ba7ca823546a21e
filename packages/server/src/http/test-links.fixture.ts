// For tests of what is shown of connections: peers as a script says they are, and what was done to
// them.
import { type MemberId, memberId } from '@holdfast/base/ids';
import type { HealthState } from '@holdfast/transport/link-health';
import type { LinkRecord } from '@holdfast/transport/link-record';
import { detectBucketsMs } from '@holdfast/transport/link-tally';
import type { PeerLinkStatus } from '@holdfast/transport/peer-link-status';
import type { PeerMeshStatus } from '@holdfast/transport/peer-mesh';
import { defaultTransportSettings } from '@holdfast/transport/transport-settings';

import type { PeerLinks } from './link-routes.ts';

export const nameOf = (id: MemberId): string => `n${id}`;

export const healthy: HealthState = { name: 'healthy' };

export const linkOf = (
  purpose: LinkRecord['purpose'],
  state: HealthState = healthy,
  openSinceMs: number | undefined = state.name === 'dead' ? undefined : 0,
): LinkRecord => ({
  purpose,
  health: { address: '10.0.0.2:4654', lastSuccessMs: 0, lastCheckMs: 0, state },
  openSinceMs,
  lastUseMs: undefined,
});

export const peerOf = (id: number, changes: Partial<PeerLinkStatus> = {}): PeerLinkStatus => ({
  peer: memberId(BigInt(id)),
  reachable: true,
  health: { address: '10.0.0.2:4654', lastSuccessMs: 0, lastCheckMs: 0, state: healthy },
  links: [linkOf('control'), linkOf('log')],
  breaker: { name: 'closed', failures: 0, reason: undefined },
  slowBreaker: { name: 'closed', failures: 0, reason: undefined },
  lastHeardMs: 0,
  bootEpoch: 1,
  sent: { frames: 0, bytes: 0, dropped: 0 },
  ...changes,
});

export class TestLinks implements PeerLinks {
  peers: readonly PeerLinkStatus[] = [];
  tally: PeerMeshStatus['tally'] = {
    evictions: new Map(),
    recentEvictions: new Map(),
    health: new Map(),
    breakers: new Map(),
    detection: { counts: detectBucketsMs.map(() => 0).concat(0), sumMs: 0 },
  };
  readonly settings = defaultTransportSettings;
  /** `evict 2`, `reset all`. */
  readonly deeds: string[] = [];

  get status(): PeerMeshStatus {
    const inbound = { strangersRefused: 0 } as unknown as PeerMeshStatus['inbound'];
    return { address: undefined, peers: this.peers, inbound, tally: this.tally };
  }

  evict(peer?: MemberId): number {
    this.deeds.push(`evict ${peer ?? 'all'}`);
    const chosen = this.peers.filter((one) => peer === undefined || one.peer === peer);
    return chosen.flatMap(({ links }) => links).filter((one) => one.openSinceMs !== undefined)
      .length;
  }

  resetBreakers(peer?: MemberId): void {
    this.deeds.push(`reset ${peer ?? 'all'}`);
  }
}
