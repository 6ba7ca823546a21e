// Frames: what travels on a link between two Holdfast processes, be they members or a member and a
// client (docs/formats.md, "Peer frames" and "Client frames").
//
//   preface, once:  "HFP1" or "HFC1"  u16 version  u16 zero
//   each frame:     0 u32 payload bytes   4 u8 kind   5 u8 flags   6 u16 group
//                   8 u32 CRC-32 of bytes 0 to 7 and the payload  12 payload        little-endian
//
// The parser never holds more than one frame, and copies a payload at most once: not at all where
// it arrived in one piece. The checksum guards messages; log entries carry their own as well.
import { assert } from '@holdfast/base/assert';
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { isTlsHello } from './tls-words.ts';

export type Frame = {
  readonly kind: number;
  readonly flags: number;
  readonly group: number;
  readonly payload: Uint8Array;
};

/**
 * 1 to 15: the link's own. 16 to 31: messages. 32 to 47: snapshots. 64 to 79: clients. Never used
 * again for another meaning.
 */
export const frameKinds = {
  handshake: 1,
  handshakeResponse: 2,
  ping: 3,
  pong: 4,
  message: 16,
  forwardRequests: 17,
  forwardResponses: 18,
  askRequest: 19,
  askResponse: 20,
  snapshotBegin: 32,
  snapshotChunk: 33,
  snapshotEnd: 34,
  snapshotProgress: 35,
  snapshotResult: 36,
  clientHello: 64,
  clientHelloResponse: 65,
  clientRequests: 66,
  clientResponses: 67,
  clientWatchOrders: 68,
  clientWatchReports: 69,
} as const;

export const frameVersion = 1;
/** Raised when clients and members of two versions could no longer understand each other. */
export const clientProtocolVersion = 1;
/** Bits in both hellos: what the sender understands beyond the first members and clients. */
export const clientFeatures = {
  watches: 1,
  /** Compaction, lists, leases and sessions. */
  moreRequests: 2,
} as const;
export const knownClientFeatures = clientFeatures.watches | clientFeatures.moreRequests;
export const prefaceBytes = 8;
export const frameHeaderBytes = 12;
/** One append-entries of the largest proposals must fit. */
export const payloadBytesMax = 20 * 1024 * 1024;

/** Who speaks with whom: each begins in its own way, so that neither is taken for the other. */
export type FrameDialect = {
  readonly magic: readonly number[];
  /** Where neither speaks TLS, and the other side does. */
  readonly overTls: string;
  /** What a stray speaker is told. */
  readonly stray: string;
};

export const peerDialect: FrameDialect = {
  magic: [0x48, 0x46, 0x50, 0x31], // "HFP1"
  overTls: 'the other side speaks TLS, and this member was started without (--tls-peer-cert)',
  stray: 'this is the port of Holdfast members among themselves; clients have another one',
};

/** The same for whoever has dialled: the stray one is the other side. */
export const dialledPeerDialect: FrameDialect = {
  ...peerDialect,
  stray:
    'this is no port of Holdfast members among themselves, but one for clients, ' +
    'or of another program',
};

export const clientDialect: FrameDialect = {
  magic: [0x48, 0x46, 0x43, 0x31], // "HFC1"
  overTls: 'the other side speaks TLS, and clients are asked in clear text here',
  stray: 'what answers there does not speak as a member of Holdfast does with its clients',
};

export function encodePreface({ magic } = peerDialect): Uint8Array {
  const bytes = new Uint8Array(prefaceBytes);
  bytes.set(magic);
  new DataView(bytes.buffer).setUint16(4, frameVersion, true);
  return bytes;
}

/** Throws `failed-precondition` for a stray client, `version-mismatch` for another Holdfast. */
function checkPreface(bytes: Uint8Array, { magic, overTls, stray }: FrameDialect): void {
  if (isTlsHello(bytes[0])) throw new HoldfastError('unauthenticated', overTls);
  if (magic.some((byte, at) => bytes[at] !== byte)) {
    throw new HoldfastError('failed-precondition', stray);
  }
  const version = new DataView(bytes.buffer, bytes.byteOffset).getUint16(4, true);
  if (version !== frameVersion) {
    const text = `the other side speaks frame version ${version}, this one ${frameVersion}`;
    throw new HoldfastError('version-mismatch', text);
  }
}

/** Writes the header into `target` at `at`. The payload is the caller's to place or to send. */
export function writeFrameHeader(target: Uint8Array, at: number, frame: Frame): void {
  const { kind, flags, group, payload } = frame;
  assert(payload.length <= payloadBytesMax, 'a frame that is sent is within the limit');
  const view = new DataView(target.buffer, target.byteOffset + at, frameHeaderBytes);
  view.setUint32(0, payload.length, true);
  view.setUint8(4, kind);
  view.setUint8(5, flags);
  view.setUint16(6, group, true);
  const checksum = crc32(payload, crc32(target.subarray(at, at + 8)));
  view.setUint32(8, checksum, true);
}

export function encodeFrame(frame: Frame): Uint8Array {
  const bytes = new Uint8Array(frameHeaderBytes + frame.payload.length);
  writeFrameHeader(bytes, 0, frame);
  bytes.set(frame.payload, frameHeaderBytes);
  return bytes;
}

type Stage = 'preface' | 'header' | 'payload' | 'broken';

/** Bytes in, frames out. After a throw it takes nothing more: the stream's rhythm is lost. */
export class FrameParser {
  #payloadBytesMax: () => number;
  readonly #dialect: FrameDialect;
  #stage: Stage = 'preface';
  /** The part that is being gathered when it comes in several chunks. */
  #part: Uint8Array | undefined;
  #filled = 0;
  #header: Uint8Array = new Uint8Array(frameHeaderBytes);

  constructor(options: { readonly payloadBytesMax: number; readonly dialect?: FrameDialect }) {
    const { payloadBytesMax: bytesMax } = options;
    this.#payloadBytesMax = () => bytesMax;
    this.#dialect = options.dialect ?? peerDialect;
  }

  /** Small until the other side is known, so that a stranger cannot make this member allocate. */
  set payloadBytesMax(bytesMax: () => number) {
    this.#payloadBytesMax = bytesMax;
  }

  /** Throws `corrupt`, `too-large`, `failed-precondition` or `version-mismatch`. */
  push(chunk: Uint8Array, onFrame: (frame: Frame) => void): void {
    let at = 0;
    for (;;) {
      assert(this.#stage !== 'broken', 'a broken stream is parsed no further');
      const wanted = this.#wantedBytes() - this.#filled;
      const taken = Math.min(wanted, chunk.length - at);
      const piece = chunk.subarray(at, at + taken);
      at += taken;
      if (taken < wanted) {
        this.#keep(piece);
        return;
      }
      this.#advance(this.#complete(piece), onFrame);
    }
  }

  #wantedBytes(): number {
    if (this.#stage === 'preface') return prefaceBytes;
    return this.#stage === 'header' ? frameHeaderBytes : this.#payloadLength();
  }

  #keep(piece: Uint8Array): void {
    if (piece.length === 0) return;
    this.#part ??= new Uint8Array(this.#wantedBytes());
    this.#part.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  #complete(piece: Uint8Array): Uint8Array {
    const part = this.#part;
    if (part === undefined) return piece;
    part.set(piece, this.#filled);
    this.#part = undefined;
    this.#filled = 0;
    return part;
  }

  #advance(part: Uint8Array, onFrame: (frame: Frame) => void): void {
    const stage = this.#stage;
    this.#stage = 'broken'; // Stands if a check below throws.
    if (stage === 'preface') {
      checkPreface(part, this.#dialect);
      this.#stage = 'header';
    } else if (stage === 'header') {
      this.#header = part;
      this.#checkLength();
      this.#stage = 'payload';
    } else {
      const frame = this.#checkedFrame(part);
      this.#stage = 'header';
      onFrame(frame);
    }
  }

  #payloadLength(): number {
    const header = this.#header;
    return new DataView(header.buffer, header.byteOffset).getUint32(0, true);
  }

  #checkLength(): void {
    const length = this.#payloadLength();
    const bytesMax = this.#payloadBytesMax();
    if (length > bytesMax) {
      const text = `a frame announces ${length} bytes, the limit is ${bytesMax}`;
      throw new HoldfastError('too-large', text);
    }
  }

  #checkedFrame(payload: Uint8Array): Frame {
    const header = this.#header;
    const view = new DataView(header.buffer, header.byteOffset, frameHeaderBytes);
    if (crc32(payload, crc32(header.subarray(0, 8))) !== view.getUint32(8, true)) {
      throw new HoldfastError('corrupt', "a frame's checksum does not match its bytes");
    }
    const kind = view.getUint8(4);
    return { kind, flags: view.getUint8(5), group: view.getUint16(6, true), payload };
  }
}
