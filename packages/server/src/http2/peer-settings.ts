// What a client says of itself in its settings (RFC 9113, 6.5.2), as far as answers depend on it:
// they keep no headers in its table, and push nothing.
import {
  errorCodes,
  frameBytesAtFirst,
  frameBytesMost,
  Http2Error,
  settingIds,
  windowAtFirst,
  windowMost,
} from './frame.ts';

const pairBytes = 6;

export class PeerSettings {
  frameBytesMax = frameBytesAtFirst;
  streamWindow = windowAtFirst;

  /** Throws on what may not be said. */
  take(payload: Buffer): void {
    if (payload.length % pairBytes !== 0) {
      throw new Http2Error(errorCodes.frameSizeError, 'settings of no whole number');
    }
    for (let at = 0; at < payload.length; at += pairBytes) {
      this.#takeOne(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
    }
  }

  #takeOne(id: number, value: number): void {
    if (id === settingIds.initialWindowSize) {
      if (value > windowMost) {
        throw new Http2Error(errorCodes.flowControlError, `a window of ${value} bytes`);
      }
      this.streamWindow = value;
    } else if (id === settingIds.maxFrameSize) {
      if (value < frameBytesAtFirst || value > frameBytesMost) throw wrong(id, value);
      this.frameBytesMax = value;
    } else if (id === settingIds.enablePush && value > 1) throw wrong(id, value);
  }
}

const wrong = (id: number, value: number): Http2Error =>
  new Http2Error(errorCodes.protocolError, `a setting ${id} of ${value}`);
