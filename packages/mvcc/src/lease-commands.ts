// What the log's lease requests do to the state (safety.md 20). Checked as a whole, then done; no
// clock is asked: that a lease has run out is the leader's word, valid in its own term alone.
import { HoldfastError } from '@holdfast/base/errors';
import type {
  LeaseCheckpointRequest,
  LeaseExpireRequest,
  LeaseExpireResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
} from '@holdfast/proto/internal';
import { accessChanged } from './access-gate.ts';
import { hashTags } from './state-hash.ts';
import type { StoreLimits } from './store-limits.ts';
import type { StoreState } from './store-state.ts';

/** The sentence is etcd's: clients compare it. */
export const leaseNotFound = (): HoldfastError =>
  new HoldfastError('not-found', 'requested lease not found');

/** From this version of the cluster on, a lease is known by the entry that granted it. */
const grantsVersion = 3;

export function grantLease(
  state: StoreState,
  request: LeaseGrantRequest,
  { limits, index }: { readonly limits: StoreLimits; readonly index: number },
): LeaseGrantResponse {
  const { id, ttlMs } = request;
  if (id <= 0n) throw new HoldfastError('invalid-argument', 'the id of a lease is above zero');
  if (ttlMs < limits.leaseTtlMsMin || ttlMs > limits.leaseTtlMsMax) {
    throw new HoldfastError(
      'invalid-argument',
      `a lease lives ${limits.leaseTtlMsMin} to ${limits.leaseTtlMsMax} ms, not ${ttlMs}`,
    );
  }
  if (state.leases.has(id)) throw new HoldfastError('already-exists', 'lease already exists');
  if (state.leases.size >= limits.leasesMax) {
    throw new HoldfastError('resource-exhausted', `there are ${limits.leasesMax} leases already`);
  }
  // Older members keep no such fact, and their images and hashes carry none.
  const grantedAt = state.members.clusterVersion >= grantsVersion ? index : 0;
  state.leases.grant(id, ttlMs, grantedAt);
  state.hash.mixId(hashTags.leaseGranted, id);
  state.hash.mixNumber(hashTags.leaseGranted, ttlMs);
  if (grantedAt > 0) state.hash.mixNumber(hashTags.leaseGrantedAt, grantedAt);
  return { id, ttlMs };
}

/** The lease's keys vanish with it, in one revision. */
export function revokeLease(state: StoreState, request: LeaseRevokeRequest): LeaseRevokeResponse {
  if (!state.leases.has(request.id)) throw leaseNotFound();
  if (request.judgedAt > 0) requireUnwritten(state, request);
  return { deleted: endLeases(state, [request.id]) };
}

/** Whoever was found to be allowed to delete what hung on it has not been found to for more. */
function requireUnwritten(state: StoreState, { id, judgedAt }: LeaseRevokeRequest): void {
  for (const slot of state.leases.slots(id)) {
    if (state.heap.modRevision(state.newestOf(slot)) > judgedAt) throw accessChanged();
  }
}

/**
 * Ends those of the leases that there are, by the grants that the leader meant; none of them in an
 * entry of another term.
 */
export function expireLeases(
  state: StoreState,
  request: LeaseExpireRequest,
  term: number,
): LeaseExpireResponse {
  // A leader that was put to sleep must not end what its successor keeps alive.
  if (request.term !== term) return { expired: [] };
  const meant = request.ids.filter((id, n) =>
    isMeant(state, id, Number(request.grantedAt[n] ?? 0)),
  );
  const expired = [...new Set(meant)];
  endLeases(state, expired);
  return { expired };
}

/** Whether there is the lease that the leader saw: it may be gone, or be another one by now. */
const isMeant = (state: StoreState, id: bigint, grantedAt: number): boolean =>
  state.leases.facts(id)?.grantedAt === grantedAt;

export function checkpointLeases(
  state: StoreState,
  request: LeaseCheckpointRequest,
  term: number,
): void {
  if (request.term !== term) return;
  const known = request.leases.filter(({ id, grantedAt }) => isMeant(state, id, grantedAt));
  for (const { id, remainingMs } of known) {
    const ttlMs = state.leases.facts(id)?.ttlMs ?? 0;
    if (remainingMs < 0 || remainingMs > ttlMs) {
      throw new HoldfastError(
        'invalid-argument',
        `of lease ${id}, granted for ${ttlMs} ms, there cannot be ${remainingMs} ms left`,
      );
    }
  }
  for (const { id, remainingMs } of known) {
    state.leases.checkpoint(id, remainingMs);
    state.hash.mixId(hashTags.leaseCheckpointed, id);
    state.hash.mixNumber(hashTags.leaseCheckpointed, remainingMs);
  }
}

/** Deletes all keys of all these leases, in key order, and the leases; answers how many keys. */
function endLeases(state: StoreState, ids: readonly bigint[]): number {
  const keys = ids.flatMap((id) => [...state.leases.slots(id)].map((slot) => keyOf(state, slot)));
  keys.sort(byKey);
  for (const { address } of keys) state.erase(address);
  for (const id of ids) {
    state.leases.end(id);
    state.hash.mixId(hashTags.leaseEnded, id);
  }
  return keys.length;
}

type LeasedKey = { readonly keyspace: number; readonly text: string; readonly address: number };

function keyOf(state: StoreState, slot: number): LeasedKey {
  const address = state.newestOf(slot);
  const { heap } = state;
  return { keyspace: heap.keyspace(address), text: heap.keyText(address), address };
}

function byKey(a: LeasedKey, b: LeasedKey): number {
  if (a.keyspace !== b.keyspace) return a.keyspace - b.keyspace;
  return a.text < b.text ? -1 : 1;
}
