// The header of a command in the log: who asked, when the leader took it, in which session, and the
// body as received. Hand-written because every write passes here; fields are fixed from the first
// commit on (docs/formats.md), those that nothing uses yet are zero.
//
//   0  u8   format version (1)        1  u8   actor length in bytes
//   2  u16  pending span (below)      4  f64  proposedAtMs, wall clock of the leader
//  12  u64  session id (0 = none)    20  u64  sequence in the session
//  28  u64  trace id                 36  u64  auth revision (below)
//  44  actor (UTF-8), then the body: an encoded Command, to the end
//
// A group holds the commands of one turn of the leader, each with its own head, so that what an
// entry costs on its way is paid once for all of them:
//
//   0  u8   format version (2)        1  u8   zero
//   2  u16  number of commands        4  f64  proposedAtMs, of them all
//  12  each: u32 length, then its envelope, whose own time is zero
//
// Pending span: sequence minus the lowest sequence of the session whose answer its client still
// waits for. What lies below is forgotten (safety.md 21); few are in flight, so 16 bits hold it.
//
// Auth revision: of the access rules under which the command was allowed; 0 where there were none
// in force, all ones for the cluster's own work. Apply refuses what was allowed under other rules.

import { type Encoder, encode } from './encode.ts';
import type { PutRequest } from './generated/holdfast/internal.ts';
import { encodePlainPut } from './put-encoder.ts';

export type EntryHead = {
  /** The only time that apply may use; never decreases along the log. */
  readonly proposedAtMs: number;
  readonly sessionId: bigint;
  readonly sequence: bigint;
  /** Sequence minus the session's lowest pending one; 0 to 65,535. */
  readonly pendingSpan: number;
  readonly traceId: bigint;
  readonly authRevision: bigint;
  readonly actor: string;
};

export type EntryEnvelope = EntryHead & { readonly body: Uint8Array };

export const entryEnvelopeFormat = 1;
export const entryGroupFormat = 2;
/** As the auth revision: nobody asked for it. */
export const ownAuthRevision = 0xffff_ffff_ffff_ffffn;
const headerBytes = 44;
const groupHeaderBytes = 12;
/** Of a command in a group: its length. */
const lengthBytes = 4;
/** Longer actors are cut: the length is one byte. */
export const actorBytesMax = 255;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The head is written into memory of its own, valid until the next: one copy of the body. */
const head = new Uint8Array(headerBytes + actorBytesMax);
const headView = new DataView(head.buffer);
/** Of the actor that stands in it. */
let headActor: { readonly name: string; readonly bytes: number } = { name: '', bytes: 0 };

export function encodeEntryEnvelope({ body, ...of }: EntryEnvelope): Uint8Array {
  const before = writeHead(of);
  const bytes = new Uint8Array(before.length + body.length);
  bytes.set(before);
  bytes.set(body, before.length);
  return bytes;
}

/** As encodeEntryEnvelope, with a body that is encoded right into its place. */
export function encodeEntry<T>(of: EntryHead, encoder: Encoder<T>, body: T): Uint8Array {
  return encode(encoder, body, writeHead(of));
}

/** As encodeEntry of a Command, of a plain put alone; undefined: it is none (put-encoder.ts). */
export function encodePutEntry(of: EntryHead, request: PutRequest): Uint8Array | undefined {
  return encodePlainPut(request, writeHead(of));
}

function writeHead(of: EntryHead): Uint8Array {
  if (of.actor !== headActor.name) headActor = { name: of.actor, bytes: writeActor(of.actor) };
  headView.setUint8(0, entryEnvelopeFormat);
  headView.setUint8(1, headActor.bytes);
  headView.setUint16(2, of.pendingSpan, true);
  headView.setFloat64(4, of.proposedAtMs, true);
  headView.setBigUint64(12, of.sessionId, true);
  headView.setBigUint64(20, of.sequence, true);
  headView.setBigUint64(28, of.traceId, true);
  headView.setBigUint64(36, of.authRevision, true);
  return head.subarray(0, headerBytes + headActor.bytes);
}

function writeActor(name: string): number {
  const actor = encoder.encode(name).subarray(0, actorBytesMax);
  head.set(actor, headerBytes);
  return actor.length;
}

/**
 * Throws a RangeError on a format that this version does not know: such an entry is never skipped.
 */
export function decodeEntryEnvelope(bytes: Uint8Array): EntryEnvelope {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const format = view.getUint8(0);
  if (format !== entryEnvelopeFormat) {
    throw new RangeError(`entry format ${format} is unknown: a newer version wrote this log`);
  }
  const bodyAt = headerBytes + view.getUint8(1);
  return {
    proposedAtMs: view.getFloat64(4, true),
    sessionId: view.getBigUint64(12, true),
    sequence: view.getBigUint64(20, true),
    pendingSpan: view.getUint16(2, true),
    traceId: view.getBigUint64(28, true),
    authRevision: view.getBigUint64(36, true),
    actor: decoder.decode(bytes.subarray(headerBytes, bodyAt)),
    body: bytes.subarray(bodyAt),
  };
}

/** A group of at most 65,535, in the order in which they are applied. */
export function encodeEntryGroup(envelopes: readonly Uint8Array[]): Uint8Array {
  let length = groupHeaderBytes;
  for (const envelope of envelopes) length += lengthBytes + envelope.length;
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  bytes[0] = entryGroupFormat;
  view.setUint16(2, envelopes.length, true);
  let at = groupHeaderBytes;
  for (const envelope of envelopes) {
    view.setUint32(at, envelope.length, true);
    bytes.set(envelope, at + lengthBytes);
    at += lengthBytes + envelope.length;
  }
  return bytes;
}

export const isEntryGroup = (bytes: Uint8Array): boolean => bytes[0] === entryGroupFormat;

/** Of an entry that is a command or a group of them. */
export const commandsIn = (bytes: Uint8Array): number =>
  isEntryGroup(bytes) && bytes.length >= groupHeaderBytes
    ? (bytes[2] as number) | ((bytes[3] as number) << 8)
    : 1;

/**
 * Where the envelopes of a group lie: for each of them where it begins, and behind its end. Throws
 * a RangeError on bytes that are none.
 */
export function spansOfGroup(bytes: Uint8Array): Uint32Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const spans = new Uint32Array(2 * view.getUint16(2, true));
  let at = groupHeaderBytes;
  for (let n = 0; n < spans.length; n += 2) {
    const from = at + lengthBytes;
    at = from + view.getUint32(at, true);
    if (at > bytes.length || !isEnvelopeAt(bytes, from, at)) throw new RangeError('a group is cut');
    spans[n] = from;
    spans[n + 1] = at;
  }
  if (at !== bytes.length) throw new RangeError('a group has bytes behind its last command');
  return spans;
}

/** The envelopes in a group, as views; throws as spansOfGroup. */
export function entriesOfGroup(bytes: Uint8Array): readonly Uint8Array[] {
  const spans = spansOfGroup(bytes);
  const envelopes: Uint8Array[] = [];
  for (let n = 0; n < spans.length; n += 2) envelopes.push(bytes.subarray(spans[n], spans[n + 1]));
  return envelopes;
}

/** Whether the bytes are long enough to be one, and of a known format. */
export const isEntryEnvelope = (bytes: Uint8Array): boolean => isEnvelopeAt(bytes, 0, bytes.length);

const isEnvelopeAt = (bytes: Uint8Array, from: number, to: number): boolean =>
  to - from >= headerBytes &&
  bytes[from] === entryEnvelopeFormat &&
  to - from >= headerBytes + (bytes[from + 1] as number);

/**
 * The time alone, of a command or a group: the leader reads it to keep the log's time from going
 * back.
 */
export function entryProposedAtMs(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(4, true);
}

/**
 * Whether the command whose envelope begins at `from` was written in a session: apply then looks
 * for its sequence first.
 */
export function hasSession(bytes: Uint8Array, from = 0): boolean {
  for (let at = from + 12; at < from + 20; at += 1) if (bytes[at] !== 0) return true;
  return false;
}

/** The auth revision of the envelope that begins at `from`; -1 for the cluster's own work. */
export function entryAuthRevision(bytes: Uint8Array, from = 0): number {
  const low = word(bytes, from + 36);
  const high = word(bytes, from + 40);
  if (low === 0xffff_ffff && high === 0xffff_ffff) return -1;
  return high * 0x1_0000_0000 + low;
}

const word = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)) >>>
  0;

/** The command alone: apply reads it and the time, and of most entries nothing else. */
export const entryBody = (bytes: Uint8Array): Uint8Array => bytes.subarray(entryBodyAt(bytes));

/** Where it begins, of the envelope that begins at `from`. Throws a RangeError where none does. */
export function entryBodyAt(bytes: Uint8Array, from = 0): number {
  if (bytes.length - from < headerBytes) {
    throw new RangeError('an entry is shorter than its header');
  }
  return from + headerBytes + (bytes[from + 1] as number);
}

/** Stamps an envelope or a group in place; only before the entry is accepted by a log. */
export function stampEntryEnvelope(bytes: Uint8Array, proposedAtMs: number): void {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setFloat64(4, proposedAtMs, true);
}
