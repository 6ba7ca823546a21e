// What a client of HTTP/2 owes its peer beside the calls: settings, pings, room to send. Room is
// given once for about as long as a bench lasts, so that nothing is told twice.
import {
  frameFlags,
  frameOf,
  frameTypes,
  numberFrame,
  preface,
  settingIds,
  settingsFrame,
  windowAtFirst,
  windowMost,
} from '@holdfast/server/http2/frame';
import type { FrameReader } from '@holdfast/server/http2/frame-reader';

const tableBytesAtFirst = 4096;
/** Of one stream: a watch is told no more than that. */
const streamWindow = 2 ** 30;

export class Http2Control {
  static readonly opening = Buffer.concat([
    preface,
    settingsFrame([
      [settingIds.headerTableSize, 0],
      [settingIds.enablePush, 0],
      [settingIds.initialWindowSize, streamWindow],
    ]),
    numberFrame(frameTypes.windowUpdate, 0, windowMost - windowAtFirst),
  ]);
  /** Bytes that may be sent on all streams together. */
  sendWindow = windowAtFirst;
  /** And on a new one. */
  streamSendWindow = windowAtFirst;
  readonly #reply: (bytes: Buffer) => void;
  #receivedBytes = 0;

  constructor(reply: (bytes: Buffer) => void) {
    this.#reply = reply;
  }

  /** To be told of each frame of data. */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#receivedBytes < windowMost / 2) return;
    this.#reply(numberFrame(frameTypes.windowUpdate, 0, this.#receivedBytes));
    this.#receivedBytes = 0;
  }

  /** Of frames that are about no call. Throws where the connection is at its end. */
  heed(frame: FrameReader): void {
    const { type, flags, stream, bytes, lo, hi } = frame;
    if (type === frameTypes.settings) {
      if (!(flags & frameFlags.ack)) this.#settings(bytes.subarray(lo, hi));
    } else if (type === frameTypes.ping) {
      const head = { type, flags: frameFlags.ack, stream: 0 };
      if (!(flags & frameFlags.ack)) this.#reply(frameOf(head, bytes.subarray(lo, hi)));
    } else if (type === frameTypes.windowUpdate) {
      if (stream === 0) this.sendWindow += bytes.readUInt32BE(lo);
    } else if (type === frameTypes.goAway) {
      const words = bytes.toString('latin1', lo + 8, hi);
      throw new Error(`sent away: code ${bytes.readUInt32BE(lo + 4)} ${words}`);
    } else if (type === frameTypes.continuation) {
      throw new Error('headers in several frames are not taken here');
    }
  }

  #settings(payload: Buffer): void {
    for (let at = 0; at < payload.length; at += 6) {
      const value = payload.readUInt32BE(at + 2);
      const id = payload.readUInt16BE(at);
      if (id === settingIds.initialWindowSize) this.streamSendWindow = value;
      if (id === settingIds.headerTableSize && value < tableBytesAtFirst) {
        throw new Error(`a peer that keeps headers in ${value} bytes is not served here`);
      }
    }
    const head = { type: frameTypes.settings, flags: frameFlags.ack, stream: 0 };
    this.#reply(frameOf(head));
  }
}
