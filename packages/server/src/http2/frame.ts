// Frames of HTTP/2 (RFC 9113): their numbers, and those that are made here beside the answers of
// calls. What is wrong with a connection is thrown as an Http2Error, what is wrong with a stream is
// said to it alone.

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  resetStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const frameFlags = {
  endStream: 1,
  ack: 1,
  endHeaders: 4,
  padded: 8,
  priority: 0x20,
} as const;

export const settingIds = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const errorCodes = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
} as const;

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes];

/** Ends the connection, which is told the code and the reason. */
export class Http2Error extends Error {
  override readonly name = 'Http2Error';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, reason: string) {
    super(reason);
    this.code = code;
  }
}

export const frameHeadBytes = 9;
export const preface: Buffer = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** Of a payload, until the peer allows more; what we allow always. */
export const frameBytesAtFirst = 16_384;
export const frameBytesMost = 2 ** 24 - 1;
/** Of a connection, and of streams before the first settings. */
export const windowAtFirst = 65_535;
export const windowMost = 2 ** 31 - 1;

export type FrameHead = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
};

export function writeUint32(to: Uint8Array, at: number, value: number): void {
  to[at] = value >>> 24;
  to[at + 1] = value >>> 16;
  to[at + 2] = value >>> 8;
  to[at + 3] = value;
}

export function frameOf(head: FrameHead, payload: Uint8Array = nothing): Buffer {
  const { length } = payload;
  const bytes = Buffer.allocUnsafe(frameHeadBytes + length);
  bytes[0] = length >>> 16;
  bytes[1] = length >>> 8;
  bytes[2] = length;
  bytes[3] = head.type;
  bytes[4] = head.flags;
  writeUint32(bytes, 5, head.stream);
  bytes.set(payload, frameHeadBytes);
  return bytes;
}

const nothing = new Uint8Array(0);

/** Pairs of an id and a value. */
export function settingsFrame(pairs: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(pairs.length * 6);
  for (const [at, [id, value]] of pairs.entries()) {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frameOf({ type: frameTypes.settings, flags: 0, stream: 0 }, payload);
}

/** A frame whose payload is one number: a window's growth, or why a stream was reset. */
export function numberFrame(type: number, stream: number, value: number): Buffer {
  const payload = new Uint8Array(4);
  writeUint32(payload, 0, value);
  return frameOf({ type, flags: 0, stream }, payload);
}

export function goAwayFrame(lastStream: number, code: number, reason = ''): Buffer {
  const payload = Buffer.alloc(8 + reason.length, reason, 'latin1');
  payload.writeUInt32BE(lastStream, 0);
  payload.writeUInt32BE(code, 4);
  payload.write(reason, 8, 'latin1');
  return frameOf({ type: frameTypes.goAway, flags: 0, stream: 0 }, payload);
}

export const protocolError = (reason: string): Http2Error =>
  new Http2Error(errorCodes.protocolError, reason);
