// The leases in an image, in the order in which they were granted: i64 id, f64 time to live and f64
// what is left of it for a new leader, in ms. The keys that hang on them are told by their records.
import { checkImage, type ImageSection, sectionBytesMax, sectionKinds } from './image-format.ts';
import type { LeaseFacts } from './lease-table.ts';

const leaseBytes = 24;
const leasesPerSection = Math.floor(sectionBytesMax / leaseBytes);

export function* leaseSections(leases: readonly LeaseFacts[]): Generator<ImageSection, void, void> {
  for (let from = 0; from < leases.length; from += leasesPerSection) {
    yield encodeLeases(leases.slice(from, from + leasesPerSection));
  }
}

function encodeLeases(leases: readonly LeaseFacts[]): ImageSection {
  const payload = new Uint8Array(leases.length * leaseBytes);
  const view = new DataView(payload.buffer);
  leases.forEach(({ id, ttlMs, remainingMs }, n) => {
    view.setBigInt64(n * leaseBytes, id, true);
    view.setFloat64(n * leaseBytes + 8, ttlMs, true);
    view.setFloat64(n * leaseBytes + 16, remainingMs, true);
  });
  return { kind: sectionKinds.leases, items: leases.length, payload };
}

/** Throws `corrupt`. */
export function decodeLeases({ payload, items }: ImageSection): LeaseFacts[] {
  checkImage(payload.length === items * leaseBytes, 'its leases are cut short');
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  return Array.from({ length: items }, (_, n) => ({
    id: view.getBigInt64(n * leaseBytes, true),
    ttlMs: view.getFloat64(n * leaseBytes + 8, true),
    remainingMs: view.getFloat64(n * leaseBytes + 16, true),
  }));
}
