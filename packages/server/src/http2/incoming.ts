// What a client says, frame by frame: whether each may stand where it stands and is as long as it
// has to be (RFC 9113, 6), and what it says then. Throws an Http2Error, which ends the connection.
import { errorCodes, frameFlags, frameTypes, Http2Error, preface, protocolError } from './frame.ts';
import { FrameReader } from './frame-reader.ts';
import { HeaderBlock } from './header-block.ts';
import { HeaderDecoder } from './header-decoder.ts';
import type { HeaderList } from './header-list.ts';

/** What frames say. */
export interface FrameListener {
  /** The head of a call, or the end of what it says. */
  heedHead(stream: number, list: HeaderList, isEnd: boolean): void;
  /** [lo, hi) of the frame's bytes, of a stream that may be none. */
  heedData(frame: FrameReader, isEnd: boolean): void;
  heedReset(stream: number): void;
  /** Of all streams together: 0. */
  heedWindow(stream: number, bytes: number): void;
  heedSettings(payload: Buffer): void;
  heedSettingsAck(): void;
  heedPing(payload: Buffer): void;
  heedPingAck(): void;
  heedGoAway(): void;
  /** A frame that has no say here. */
  heedIdle(): void;
}

/** Frames that nobody knows, and that are longer, cost their client more than us. */
const cheapFrameBytes = 256;

export class Incoming {
  readonly #listener: FrameListener;
  readonly #reader = new FrameReader();
  readonly #decoder = new HeaderDecoder();
  #prefaceBytes = 0;
  #hasSettings = false;
  /** The head that goes on in the next frame. */
  #block: HeaderBlock | undefined;

  constructor(listener: FrameListener) {
    this.#listener = listener;
  }

  /** Not before all was heeded that was pushed before. */
  push(chunk: Buffer): void {
    this.#reader.push(this.#prefaceBytes < preface.length ? this.#takePreface(chunk) : chunk);
  }

  /** False: there is no whole frame. */
  heedNext(): boolean {
    const frame = this.#reader;
    if (!frame.next()) return false;
    const { type } = frame;
    if (this.#block && (type !== frameTypes.continuation || frame.stream !== this.#block.stream)) {
      throw protocolError('a frame within headers');
    }
    if (!this.#hasSettings && type !== frameTypes.settings) {
      throw protocolError('a frame before the settings');
    }
    if (type === frameTypes.data) {
      this.#listener.heedData(frame, (frame.flags & frameFlags.endStream) !== 0);
    } else if (type === frameTypes.headers) this.#heedHeaders(frame);
    else this.#heedOther(frame);
    return true;
  }

  #takePreface(chunk: Buffer): Buffer {
    const from = this.#prefaceBytes;
    const bytes = Math.min(chunk.length, preface.length - from);
    if (chunk.compare(preface, from, from + bytes, 0, bytes) !== 0) {
      throw protocolError('this is no preface of HTTP/2');
    }
    this.#prefaceBytes += bytes;
    return chunk.subarray(bytes);
  }

  #heedHeaders({ stream, flags, bytes, lo, hi }: FrameReader): void {
    if (stream % 2 === 0) throw protocolError('headers on a stream of no client');
    const isEnd = (flags & frameFlags.endStream) !== 0;
    if ((flags & frameFlags.endHeaders) !== 0) {
      this.#listener.heedHead(stream, this.#decoder.decode(bytes, lo, hi), isEnd);
      return;
    }
    this.#block = new HeaderBlock(stream, isEnd);
    this.#block.push(bytes.subarray(lo, hi));
  }

  #heedContinuation({ flags, bytes, lo, hi }: FrameReader): void {
    const block = this.#block;
    if (!block) throw protocolError('headers that go on and have not begun');
    block.push(bytes.subarray(lo, hi));
    if ((flags & frameFlags.endHeaders) === 0) return;
    this.#block = undefined;
    const whole = block.whole();
    const list = this.#decoder.decode(whole, 0, whole.length);
    this.#listener.heedHead(block.stream, list, block.isEnd);
  }

  #heedOther(frame: FrameReader): void {
    const { bytes, lo, wholeBytes } = frame;
    switch (frame.type) {
      case frameTypes.windowUpdate:
        checkLength(frame, 4);
        return this.#listener.heedWindow(frame.stream, bytes.readUInt32BE(lo) & 0x7fff_ffff);
      case frameTypes.resetStream:
        checkLength(frame, 4);
        return this.#listener.heedReset(frame.stream);
      case frameTypes.settings:
        return this.#heedSettings(frame);
      case frameTypes.ping:
        return this.#heedPing(frame);
      case frameTypes.continuation:
        return this.#heedContinuation(frame);
      case frameTypes.goAway:
        checkConnection(frame);
        if (wholeBytes < 8) checkLength(frame, 8);
        return this.#listener.heedGoAway();
      case frameTypes.priority:
        checkLength(frame, 5);
        if (frame.stream === 0) throw protocolError('a priority of no stream');
        return this.#listener.heedIdle();
      case frameTypes.pushPromise:
        throw protocolError('a client that pushes');
      default:
        if (wholeBytes < cheapFrameBytes) this.#listener.heedIdle();
    }
  }

  #heedSettings(frame: FrameReader): void {
    checkConnection(frame);
    if ((frame.flags & frameFlags.ack) === 0) {
      this.#hasSettings = true;
      return this.#listener.heedSettings(frame.bytes.subarray(frame.lo, frame.hi));
    }
    checkLength(frame, 0);
    if (!this.#hasSettings) throw protocolError('settings that are heard before they are said');
    this.#listener.heedSettingsAck();
  }

  #heedPing(frame: FrameReader): void {
    checkConnection(frame);
    checkLength(frame, 8);
    if ((frame.flags & frameFlags.ack) !== 0) this.#listener.heedPingAck();
    else this.#listener.heedPing(frame.bytes.subarray(frame.lo, frame.hi));
  }
}

function checkLength({ wholeBytes }: FrameReader, bytes: number): void {
  if (wholeBytes === bytes) return;
  throw new Http2Error(errorCodes.frameSizeError, `a frame of ${wholeBytes} bytes, not ${bytes}`);
}

function checkConnection({ stream }: FrameReader): void {
  if (stream !== 0) throw protocolError('a frame about the connection on a stream');
}
