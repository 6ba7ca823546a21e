// The header of a command in the log: who asked, when the leader took it, in which session, and the
// body as received. Hand-written because every write passes here; fields are fixed from the first
// commit on (docs/formats.md), those that nothing uses yet are zero.
//
//   0  u8   format version (1)        1  u8   actor length in bytes
//   2  u16  pending span (below)      4  f64  proposedAtMs, wall clock of the leader
//  12  u64  session id (0 = none)    20  u64  sequence in the session
//  28  u64  trace id                 36  u64  auth revision
//  44  actor (UTF-8), then the body: an encoded Command, to the end
//
// Pending span: sequence minus the lowest sequence of the session whose answer its client still
// waits for. What lies below is forgotten (safety.md 21); few are in flight, so 16 bits hold it.

import { type Encoder, encode } from './encode.ts';

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
const headerBytes = 44;
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

/** Whether the bytes are long enough to be one, and of a known format. */
export const isEntryEnvelope = (bytes: Uint8Array): boolean =>
  bytes.length >= headerBytes &&
  bytes[0] === entryEnvelopeFormat &&
  bytes.length >= headerBytes + (bytes[1] as number);

/** The time alone: the leader reads it to keep the log's time from going back. */
export function entryProposedAtMs(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).getFloat64(4, true);
}

/** Whether the entry was written in a session: apply then looks for its sequence first. */
export function hasSession(bytes: Uint8Array): boolean {
  for (let at = 12; at < 20; at += 1) if (bytes[at] !== 0) return true;
  return false;
}

/** The command alone: apply reads it and the time, and of most entries nothing else. */
export function entryBody(bytes: Uint8Array): Uint8Array {
  if (bytes.length < headerBytes) throw new RangeError('an entry is shorter than its header');
  return bytes.subarray(headerBytes + (bytes[1] as number));
}

/** Stamps an envelope in place; only before the entry is accepted by a log. */
export function stampEntryEnvelope(bytes: Uint8Array, proposedAtMs: number): void {
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setFloat64(4, proposedAtMs, true);
}
