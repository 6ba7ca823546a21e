// The quotas in an image, in order: u32 keyspace, u32 bytes of the namespace's name, f64 bytes that
// may live there, the name in UTF-8, zeros up to a multiple of 8. Only where there are any, so that
// older members read the images of clusters that set none.
import { toText, utf8 } from '@holdfast/base/bytes';
import { checkImage, type ImageSection, sectionBytesMax, sectionKinds } from './image-format.ts';
import type { Quota } from './quota-table.ts';

const headBytes = 16;

export function* quotaSections(quotas: readonly Quota[]): Generator<ImageSection, void, void> {
  let pieces: Uint8Array[] = [];
  let bytes = 0;
  for (const quota of quotas) {
    const piece = encodeQuota(quota);
    if (bytes + piece.length > sectionBytesMax) {
      yield sectionOf(pieces, bytes);
      [pieces, bytes] = [[], 0];
    }
    pieces.push(piece);
    bytes += piece.length;
  }
  if (bytes > 0) yield sectionOf(pieces, bytes);
}

function sectionOf(pieces: readonly Uint8Array[], bytes: number): ImageSection {
  const payload = new Uint8Array(bytes);
  let at = 0;
  for (const piece of pieces) {
    payload.set(piece, at);
    at += piece.length;
  }
  return { kind: sectionKinds.quotas, items: pieces.length, payload };
}

function encodeQuota({ keyspace, namespace, bytesMax }: Quota): Uint8Array {
  const name = utf8(namespace);
  const bytes = new Uint8Array((headBytes + name.length + 7) & ~7);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, keyspace, true);
  view.setUint32(4, name.length, true);
  view.setFloat64(8, bytesMax, true);
  bytes.set(name, headBytes);
  return bytes;
}

/** Throws `corrupt`. */
export function decodeQuotas({ payload, items }: ImageSection): Quota[] {
  const view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  const quotas: Quota[] = [];
  let at = 0;
  for (let n = 0; n < items; n += 1) {
    checkImage(at + headBytes <= payload.length, 'its quotas are cut short');
    const nameBytes = view.getUint32(at + 4, true);
    const end = at + headBytes + nameBytes;
    checkImage(end <= payload.length, 'its quotas are cut short');
    const namespace = toText(payload.subarray(at + headBytes, end));
    const [keyspace, bytesMax] = [view.getUint32(at, true), view.getFloat64(at + 8, true)];
    quotas.push({ keyspace, namespace, bytesMax });
    at = (end + 7) & ~7;
  }
  return quotas;
}
