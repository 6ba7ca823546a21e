// The sessions in an image, in the order of their registration, each with the answers it keeps:
//
//   u64 id   f64 ttl ms   f64 last active, ms of the log   u64 lowest   u32 answers   u32 zero
//   then for each answer:  u64 sequence   u32 bytes   u32 counted bytes   the bytes, zeros up to 8
import { checkImage, type ImageSection, sectionBytesMax, sectionKinds } from './image-format.ts';
import type { FrozenSession, KeptResult } from './session-table.ts';

const sessionHeaderBytes = 40;
const resultHeaderBytes = 16;

const paddedTo8 = (bytes: number): number => (bytes + 7) & ~7;

export function* sessionSections(
  sessions: readonly FrozenSession[],
): Generator<ImageSection, void, void> {
  let part: FrozenSession[] = [];
  let bytes = 0;
  for (const session of sessions) {
    const more = sessionBytes(session);
    if (part.length > 0 && bytes + more > sectionBytesMax) {
      yield encodeSessions(part, bytes);
      part = [];
      bytes = 0;
    }
    part.push(session);
    bytes += more;
  }
  if (part.length > 0) yield encodeSessions(part, bytes);
}

const sessionBytes = ({ results }: FrozenSession): number =>
  results.reduce(
    (sum, { bytes }) => sum + resultHeaderBytes + paddedTo8(bytes.length),
    sessionHeaderBytes,
  );

function encodeSessions(sessions: readonly FrozenSession[], bytes: number): ImageSection {
  const payload = new Uint8Array(bytes);
  let at = 0;
  for (const session of sessions) at = encodeSession(session, payload, at);
  return { kind: sectionKinds.sessions, items: sessions.length, payload };
}

/** Answers where the next one goes. */
function encodeSession(session: FrozenSession, payload: Uint8Array, from: number): number {
  const view = new DataView(payload.buffer);
  view.setBigUint64(from, session.id, true);
  view.setFloat64(from + 8, session.ttlMs, true);
  view.setFloat64(from + 16, session.lastActiveMs, true);
  view.setBigUint64(from + 24, session.lowest, true);
  view.setUint32(from + 32, session.results.length, true);
  let at = from + sessionHeaderBytes;
  session.results.forEach(({ bytes, countedBytes }, n) => {
    view.setBigUint64(at, session.sequences[n] as bigint, true);
    view.setUint32(at + 8, bytes.length, true);
    view.setUint32(at + 12, countedBytes, true);
    payload.set(bytes, at + resultHeaderBytes);
    at += resultHeaderBytes + paddedTo8(bytes.length);
  });
  return at;
}

/** Throws `corrupt`. */
export function decodeSessions({ payload, items }: ImageSection): FrozenSession[] {
  const reader = new SessionReader(payload);
  const sessions = Array.from({ length: items }, () => reader.read());
  checkImage(reader.isAtEnd, 'bytes follow its sessions');
  return sessions;
}

class SessionReader {
  readonly #payload: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(payload: Uint8Array) {
    this.#payload = payload;
    this.#view = new DataView(payload.buffer, payload.byteOffset, payload.byteLength);
  }

  get isAtEnd(): boolean {
    return this.#at === this.#payload.length;
  }

  read(): FrozenSession {
    const at = this.#take(sessionHeaderBytes);
    const count = this.#view.getUint32(at + 32, true);
    const sequences: bigint[] = [];
    const results: KeptResult[] = [];
    for (let n = 0; n < count; n += 1) {
      const header = this.#take(resultHeaderBytes);
      const length = this.#view.getUint32(header + 8, true);
      const lo = this.#take(paddedTo8(length));
      sequences.push(this.#view.getBigUint64(header, true));
      // A copy: a view would keep the whole chunk in memory.
      const bytes = this.#payload.slice(lo, lo + length);
      results.push({ bytes, countedBytes: this.#view.getUint32(header + 12, true) });
    }
    return {
      id: this.#view.getBigUint64(at, true),
      ttlMs: this.#view.getFloat64(at + 8, true),
      lastActiveMs: this.#view.getFloat64(at + 16, true),
      lowest: this.#view.getBigUint64(at + 24, true),
      sequences,
      results,
    };
  }

  /** Where the next `bytes` begin. */
  #take(bytes: number): number {
    const at = this.#at;
    checkImage(at + bytes <= this.#payload.length, 'its sessions are cut short');
    this.#at += bytes;
    return at;
  }
}
