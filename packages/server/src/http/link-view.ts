// Connections and breakers as people see them: names beside ids, ages instead of moments. Pure.
import { formatId, type MemberId } from '@holdfast/base/ids';
import { consecutiveFailures } from '@holdfast/transport/link-health';
import type { LinkRecord } from '@holdfast/transport/link-record';
import type { PeerLinkStatus } from '@holdfast/transport/peer-link-status';

export type NameOf = (id: MemberId) => string;

/** Now, on both clocks. */
export type Clocks = { readonly nowMs: number; readonly wallMs: number };

/** A row for each link to the peer, whether its connection stands or not. */
export const connectionViews = (peer: PeerLinkStatus, nameOf: NameOf, clocks: Clocks) =>
  peer.links.map((link) => ({
    ...peerView(peer, nameOf),
    ...linkView(link, clocks),
    breaker: peer.breaker.name,
  }));

export function breakerView(
  peer: PeerLinkStatus,
  nameOf: NameOf,
  { nowMs, openMs }: Clocks & { readonly openMs: number },
) {
  const { breaker } = peer;
  const named = { ...peerView(peer, nameOf), state: breaker.name, reason: breaker.reason ?? null };
  if (breaker.name === 'closed') {
    return { ...named, failures: breaker.failures, openForMs: null, halfOpenInMs: null };
  }
  const openForMs = ageOf(breaker.sinceMs, nowMs);
  const leftMs = breaker.name === 'open' ? Math.max(0, Math.ceil(openMs - openForMs)) : 0;
  return { ...named, failures: null, openForMs, halfOpenInMs: leftMs };
}

const peerView = ({ peer }: PeerLinkStatus, nameOf: NameOf) => ({
  peer: nameOf(peer),
  peerId: formatId(peer),
});

function linkView({ purpose, health, openSinceMs, lastUseMs }: LinkRecord, clocks: Clocks) {
  const { nowMs, wallMs } = clocks;
  const { address, state, lastSuccessMs, lastCheckMs } = health;
  const openForMs = maybeAge(openSinceMs, nowMs);
  const unusedMs = maybeAge(lastUseMs ?? openSinceMs, nowMs);
  return {
    address,
    purpose,
    state: state.name,
    failures: consecutiveFailures(health),
    reason: state.name === 'healthy' ? null : state.reason,
    idleSeconds: unusedMs === null ? null : Math.round(unusedMs / 100) / 10,
    lastSuccessAgeMs: maybeAge(lastSuccessMs, nowMs),
    lastCheckAgeMs: maybeAge(lastCheckMs, nowMs),
    open: openForMs !== null,
    openSince: openForMs === null ? null : new Date(wallMs - openForMs).toISOString(),
    openForMs,
  };
}

const ageOf = (atMs: number, nowMs: number): number => Math.max(0, Math.round(nowMs - atMs));

const maybeAge = (atMs: number | undefined, nowMs: number): number | null =>
  atMs === undefined ? null : ageOf(atMs, nowMs);
