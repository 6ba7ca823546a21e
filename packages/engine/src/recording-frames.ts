// The bytes of a recording's segment file (docs/formats.md): a head, then frames, each with its
// length and two checksums, so that a torn tail can be told from damage. Pure.
import { concatBytes } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import { encode } from '@holdfast/proto/encode';
import { Frame } from '@holdfast/proto/recording';

const magic = 0x43524648; // "HFRC"
export const recordingFormat = 1;
export const fileHeadBytes = 8;
export const frameHeadBytes = 12;

const pattern = /^(\d{8})\.rec$/;

export const segmentName = (number: number): string => `${String(number).padStart(8, '0')}.rec`;

/** The numbers of the segments among these names, in order. */
export const segmentNumbers = (names: readonly string[]): readonly number[] =>
  names
    .map((name) => pattern.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);

export function encodeFileHead(): Uint8Array {
  const bytes = new Uint8Array(fileHeadBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, magic, true);
  view.setUint32(4, recordingFormat, true);
  return bytes;
}

/** The format, or undefined where the bytes are no recording's. */
export function decodeFileHead(bytes: Uint8Array): number | undefined {
  if (bytes.length < fileHeadBytes) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return view.getUint32(0, true) === magic ? view.getUint32(4, true) : undefined;
}

export function encodeFrame(body: NonNullable<Frame['body']>): Uint8Array {
  const payload = encode(Frame, { body });
  const head = new Uint8Array(frameHeadBytes);
  const view = new DataView(head.buffer);
  view.setUint32(0, payload.length, true);
  view.setUint32(4, crc32(payload), true);
  view.setUint32(8, crc32(head.subarray(0, 8)), true);
  return concatBytes(head, payload);
}

export type FrameHead = { readonly bytes: number; readonly checksum: number };

/** Undefined where the head's own checksum is wrong. */
export function decodeFrameHead(head: Uint8Array): FrameHead | undefined {
  const view = new DataView(head.buffer, head.byteOffset, head.byteLength);
  if (view.getUint32(8, true) !== crc32(head.subarray(0, 8))) return undefined;
  return { bytes: view.getUint32(0, true), checksum: view.getUint32(4, true) };
}
