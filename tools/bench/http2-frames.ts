// Frames of HTTP/2 (RFC 9113, section 6), as few of them as a client of gRPC on clear text needs.

export const frameTypes = {
  data: 0,
  headers: 1,
  resetStream: 3,
  settings: 4,
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

export const settingIds = { headerTableSize: 1, enablePush: 2, initialWindowSize: 4 } as const;

export const frameHeadBytes = 9;
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export type FrameHead = {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
};

export function frameOf({ type, flags, stream }: FrameHead, payload: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(frameHeadBytes + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes[3] = type;
  bytes[4] = flags;
  bytes.writeUInt32BE(stream, 5);
  bytes.set(payload, frameHeadBytes);
  return bytes;
}

/** Pairs of an id and a value. */
export function settingsFrame(settings: readonly (readonly [number, number])[]): Buffer {
  const payload = Buffer.alloc(settings.length * 6);
  for (const [at, [id, value]] of settings.entries()) {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  }
  return frameOf({ type: frameTypes.settings, flags: 0, stream: 0 }, payload);
}

export function windowUpdateFrame(stream: number, increment: number): Buffer {
  const payload = Buffer.alloc(4);
  payload.writeUInt32BE(increment);
  return frameOf({ type: frameTypes.windowUpdate, flags: 0, stream }, payload);
}

const noBytes = Buffer.alloc(0);

/**
 * A cursor over the frames in what came: after `next` said true, its fields tell the frame, whose
 * payload is [lo, hi) of `bytes` until the next push. No object is made for a frame.
 */
export class FrameReader {
  type = 0;
  flags = 0;
  stream = 0;
  bytes: Buffer = noBytes;
  lo = 0;
  hi = 0;
  /** Where the next frame begins. */
  #at = 0;

  push(part: Buffer): void {
    const isRead = this.#at === this.bytes.length;
    this.bytes = isRead ? part : Buffer.concat([this.bytes.subarray(this.#at), part]);
    this.#at = 0;
  }

  /** False when no whole frame is left. Throws on what nobody sends who heeds our settings. */
  next(): boolean {
    const { bytes } = this;
    const at = this.#at;
    if (bytes.length - at < frameHeadBytes) return false;
    const length = bytes.readUIntBE(at, 3);
    if (length > payloadBytesMax) throw new Error(`a frame of ${length} bytes`);
    const hi = at + frameHeadBytes + length;
    if (hi > bytes.length) return false;
    this.type = bytes[at + 3] as number;
    this.flags = bytes[at + 4] as number;
    this.stream = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    this.lo = at + frameHeadBytes;
    this.hi = hi;
    this.#at = hi;
    if (this.flags & (frameFlags.padded | frameFlags.priority)) this.#trim();
    return true;
  }

  /** Leaves out padding and priority, which tell a client nothing. */
  #trim(): void {
    const isHeaders = this.type === frameTypes.headers;
    if (!isHeaders && this.type !== frameTypes.data) return;
    if (this.flags & frameFlags.padded) {
      this.hi -= this.bytes[this.lo] as number;
      this.lo += 1;
    }
    if (isHeaders && this.flags & frameFlags.priority) this.lo += 5;
    if (this.lo > this.hi) throw new Error('a frame with more padding than bytes');
  }
}

/** As we leave SETTINGS_MAX_FRAME_SIZE at its default. */
const payloadBytesMax = 16_384;
