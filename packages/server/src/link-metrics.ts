// The connections of a member to its peers in figures: the seven names that the rules for dark
// machines prescribe, bare of the house's prefix, and beside them the same by peer, what has
// happened by reason and new state, and how long it took to see that a peer was dead.
import type { MemberId } from '@holdfast/base/ids';
import { evictionReasons, type LinkRecord } from '@holdfast/transport/link-record';
import { detectBucketsMs, type LinkTally } from '@holdfast/transport/link-tally';
import type { PeerLinkStatus } from '@holdfast/transport/peer-link-status';
import type { PeerMeshStatus } from '@holdfast/transport/peer-mesh';

import { familyText, histogramText, labelText } from './metric-text.ts';

const healthStates = ['healthy', 'degraded', 'dead'] as const;
const breakerStates = ['closed', 'open', 'half-open'] as const;
const purposes = ['control', 'log', 'bulk'] as const;

type NameOf = (id: MemberId) => string;
type Value = { readonly labels: string; readonly value: number };

/** Undefined: there are no connections yet; the prescribed figures are then zero. */
export function linkMetrics(
  status: Pick<PeerMeshStatus, 'peers' | 'tally'> | undefined,
  nameOf: NameOf,
): readonly string[] {
  const peers = status?.peers ?? [];
  const prescribed = prescribedFamilies(peers, status?.tally.evictions ?? new Map());
  if (!status) return prescribed;
  return [...prescribed, ...peerFamilies(peers, nameOf), ...tallyFamilies(status.tally)];
}

function prescribedFamilies(
  peers: readonly PeerLinkStatus[],
  evictions: ReadonlyMap<string, number>,
): readonly string[] {
  const links = peers.flatMap(countedLinks);
  const inState = (name: string): number =>
    links.filter(({ health }) => health.state.name === name).length;
  const breakers = (name: string): number =>
    peers.flatMap((peer) => [peer.breaker, peer.slowBreaker]).filter((one) => one.name === name)
      .length;
  const samples: readonly (readonly [name: string, help: string, value: number])[] = [
    ['connections_cached_count', 'Connections to peers that stand', links.filter(isOpen).length],
    ['connections_healthy_count', 'Links to peers that are healthy', inState('healthy')],
    ['connections_degraded_count', 'Links to peers with failures', inState('degraded')],
    ['connections_dead_count', 'Links to peers that are taken for dead', inState('dead')],
    ['connections_evicted_total', 'Connections to peers that were ended', sumOf(evictions)],
    ['circuit_breakers_open_count', 'Peers that are set aside', breakers('open')],
    ['circuit_breakers_half_open_count', 'Peers that one call may try', breakers('half-open')],
  ];
  return samples.map(([name, help, value]) =>
    familyText({ name: `health_${name}`, help, isBare: true }, [{ labels: '', value }]),
  );
}

/** Control and log of each peer, and the bulk ones that stand: one on its way is no link yet. */
const countedLinks = ({ links }: PeerLinkStatus): readonly LinkRecord[] =>
  links.filter((link) => link.purpose !== 'bulk' || isOpen(link));

const isOpen = ({ openSinceMs }: LinkRecord): boolean => openSinceMs !== undefined;

const sumOf = (counts: ReadonlyMap<string, number>): number =>
  [...counts.values()].reduce((sum, count) => sum + count, 0);

/** Zeros are said too: a series that comes and goes can not be watched. */
function peerFamilies(peers: readonly PeerLinkStatus[], nameOf: NameOf): readonly string[] {
  const states: Value[] = [];
  const open: Value[] = [];
  const breakers: Value[] = [];
  for (const peer of peers) {
    const name = `peer="${labelText(nameOf(peer.peer))}"`;
    for (const purpose of purposes) {
      const links = countedLinks(peer).filter((link) => link.purpose === purpose);
      const labels = `${name},purpose="${purpose}"`;
      open.push({ labels: `{${labels}}`, value: links.filter(isOpen).length });
      for (const state of healthStates) {
        const value = links.filter(({ health }) => health.state.name === state).length;
        states.push({ labels: `{${labels},state="${state}"}`, value });
      }
    }
    for (const state of breakerStates) {
      const value = Number(peer.breaker.name === state);
      breakers.push({ labels: `{${name},state="${state}"}`, value });
    }
  }
  return [
    familyText({ name: 'peer_links', help: 'Links to a peer by their state' }, states),
    familyText({ name: 'peer_connections', help: 'Connections to a peer that stand' }, open),
    familyText({ name: 'peer_breaker_state', help: '1 for the state of its breaker' }, breakers),
  ];
}

function tallyFamilies({ evictions, health, breakers, detection }: LinkTally): readonly string[] {
  const by = (
    label: string,
    keys: readonly string[],
    counts: ReadonlyMap<string, number>,
  ): readonly Value[] =>
    keys.map((key) => ({ labels: `{${label}="${key}"}`, value: counts.get(key) ?? 0 }));
  return [
    familyText(
      { name: 'peer_connections_evicted_total', help: 'Connections that were ended, by reason' },
      by('reason', evictionReasons, evictions),
    ),
    familyText(
      { name: 'peer_health_transitions_total', help: 'Changes of a peer to this health' },
      by('to', healthStates, health),
    ),
    familyText(
      { name: 'peer_breaker_transitions_total', help: 'Changes of a breaker to this state' },
      by('to', breakerStates, breakers),
    ),
    histogramText(
      { name: 'peer_detection_seconds', help: 'From the last byte of a peer to its death' },
      [
        {
          labels: '',
          buckets: {
            boundsSeconds: detectBucketsMs.map((ms) => ms / 1000),
            counts: detection.counts,
            sumSeconds: detection.sumMs / 1000,
          },
        },
      ],
    ),
  ];
}
