// The leases in an image, in the order in which they were granted: i64 id, f64 time to live and f64
// what is left of it for a new leader, in ms. Those that are known by their grants have a section
// of their own kind, with f64 index of that too. The keys that hang on them are told by their
// records.
import { checkImage, type ImageSection, sectionBytesMax, sectionKinds } from './image-format.ts';
import type { LeaseFacts } from './lease-table.ts';

const leaseBytes = 24;
const grantedLeaseBytes = 32;

/** Granted below cluster version 3, so before all others; older members read them. */
export const olderLeaseSections = (leases: readonly LeaseFacts[]) =>
  sectionsOf(
    sectionKinds.leases,
    leases.filter(({ grantedAt }) => grantedAt === 0),
  );

export const grantedLeaseSections = (leases: readonly LeaseFacts[]) =>
  sectionsOf(
    sectionKinds.grantedLeases,
    leases.filter(({ grantedAt }) => grantedAt > 0),
  );

function* sectionsOf(
  kind: number,
  leases: readonly LeaseFacts[],
): Generator<ImageSection, void, void> {
  const leasesPerSection = Math.floor(sectionBytesMax / bytesOf(kind));
  for (let from = 0; from < leases.length; from += leasesPerSection) {
    yield encodeLeases(kind, leases.slice(from, from + leasesPerSection));
  }
}

const bytesOf = (kind: number): number =>
  kind === sectionKinds.grantedLeases ? grantedLeaseBytes : leaseBytes;

function encodeLeases(kind: number, leases: readonly LeaseFacts[]): ImageSection {
  const itemBytes = bytesOf(kind);
  const payload = new Uint8Array(leases.length * itemBytes);
  const view = new DataView(payload.buffer);
  leases.forEach(({ id, ttlMs, remainingMs, grantedAt }, n) => {
    view.setBigInt64(n * itemBytes, id, true);
    view.setFloat64(n * itemBytes + 8, ttlMs, true);
    view.setFloat64(n * itemBytes + 16, remainingMs, true);
    if (itemBytes === grantedLeaseBytes) view.setFloat64(n * itemBytes + 24, grantedAt, true);
  });
  return { kind, items: leases.length, payload };
}

/** Throws `corrupt`. */
export function decodeLeases({ kind, payload, items }: ImageSection): LeaseFacts[] {
  const itemBytes = bytesOf(kind);
  checkImage(payload.length === items * itemBytes, 'its leases are cut short');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return Array.from({ length: items }, (_, n) => ({
    id: view.getBigInt64(n * itemBytes, true),
    ttlMs: view.getFloat64(n * itemBytes + 8, true),
    remainingMs: view.getFloat64(n * itemBytes + 16, true),
    grantedAt: itemBytes === grantedLeaseBytes ? view.getFloat64(n * itemBytes + 24, true) : 0,
  }));
}
