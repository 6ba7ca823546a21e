// UTF-8 (RFC 3629) as the formats need it: text without its byte order mark, and the place of the
// first byte that is not UTF-8.
import { toTextStrict } from '@holdfast/base/bytes';
import type { FormatFault } from './formats/format-checker.ts';

/** The text, without a byte order mark; undefined where the bytes are not UTF-8. */
export const decodeUtf8 = (bytes: Uint8Array): string | undefined =>
  toTextStrict(bytes)?.replace(/^\ufeff/, '');

/** The fault at the first byte that begins no well-formed character. */
export function utf8FaultAt(bytes: Uint8Array): FormatFault {
  let line = 1;
  let column = 1;
  for (let at = 0; at < bytes.length; ) {
    const length = characterLength(bytes, at);
    if (length === 0) return { line, column, reason: 'not valid UTF-8' };
    const isLineEnd = bytes[at] === 0x0a;
    line += isLineEnd ? 1 : 0;
    column = isLineEnd ? 1 : column + 1;
    at += length;
  }
  return { line, column, reason: 'not valid UTF-8' };
}

/** The bytes of the character at `at`, or 0 where none is well-formed (RFC 3629, section 4). */
function characterLength(bytes: Uint8Array, at: number): number {
  const lead = bytes[at] ?? 0;
  if (lead < 0x80) return 1;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : 2;
  const second = bytes[at + 1] ?? 0;
  const [lo, hi] = secondByteRange(lead);
  if (lead < 0xc2 || lead > 0xf4 || second < lo || second > hi) return 0;
  for (let next = at + 2; next < at + length; next += 1) {
    if (((bytes[next] ?? 0) & 0xc0) !== 0x80) return 0;
  }
  return length;
}

/** Narrower after some leads: no overlong forms, no surrogates, nothing above U+10FFFF. */
function secondByteRange(lead: number): readonly [lo: number, hi: number] {
  switch (lead) {
    case 0xe0:
      return [0xa0, 0xbf];
    case 0xed:
      return [0x80, 0x9f];
    case 0xf0:
      return [0x90, 0xbf];
    case 0xf4:
      return [0x80, 0x8f];
    default:
      return [0x80, 0xbf];
  }
}
