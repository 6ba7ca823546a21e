// What a connection of HTTP/2 begins with, read up to its first headers, which are mended
// (host-of-headers.ts) before node:http2 gets the connection. Some clients say nothing until the
// server has said its settings, so empty ones are sent to them, and their acknowledgement is kept
// back: node:http2 knows of no settings but its own.
import type { Socket } from 'node:net';

import type { Clock } from '@holdfast/base/clock';

import { mendHost } from './host-of-headers.ts';

const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
const headBytes = 9;
const types = { headers: 1, priority: 2, settings: 4, windowUpdate: 8 };
const ackFlag = 1;
/** No settings, of stream 0. */
const emptySettings = Buffer.from([0, 0, 0, types.settings, 0, 0, 0, 0, 0]);
/** As long as nobody has agreed to longer ones. */
const frameBytesMax = 16_384;
/** More than a client may say of its own accord before it has seen an acknowledgement. */
const heldBytesMax = 256 * 1024;

/** Who has not introduced himself by then has no business here. */
const silentMs = 3000;
/** Who has asked for nothing by then is handed on as he is: there it is looked whether he lives. */
const quietMs = 30_000;

export type FirstFramesOptions = {
  readonly clock: Clock;
  /** The connection, paused, with all that was read put back. */
  readonly onReady: () => void;
  /** It was ended, as it did not introduce itself. */
  readonly onSilent: () => void;
};

/** Of a paused socket of which nothing was read; nobody is told if it ends before. */
export function mendFirstHeaders(socket: Socket, options: FirstFramesOptions): void {
  const { clock, onReady, onSilent } = options;
  const frames = new FirstFrames();
  const onError = (): void => undefined; // Its close follows, and there is nobody to tell.
  const onClose = (): void => timer.cancel();
  const handOn = (): void => {
    timer.cancel();
    socket.pause();
    socket.off('data', onData).off('error', onError).off('close', onClose);
    socket.unshift(frames.held);
    onReady();
  };
  const onData = (bytes: Buffer): void => {
    frames.take(bytes);
    if (frames.wantsSettings) {
      frames.settingsSent();
      socket.write(emptySettings);
    }
    if (frames.isReady) handOn();
  };
  let timer = clock.schedule(silentMs, () => {
    if (frames.isIntroduced) {
      timer = clock.schedule(quietMs, handOn);
      return;
    }
    socket.destroy();
    onSilent();
  });
  socket.on('error', onError).once('close', onClose).on('data', onData);
  socket.resume();
}

type Frame = { readonly type: number; readonly flags: number; readonly end: number };

class FirstFrames {
  #bytes: Buffer = Buffer.alloc(0);
  /** Of the frame that is looked at next. */
  #at = preface.length;
  #hasSettings = false;
  /** Something came that is more than an introduction. */
  #hasBegun = false;
  #isSettingsSent = false;
  #isAcknowledged = false;

  get held(): Buffer {
    return this.#bytes;
  }

  /** Its settings have come, and its acknowledgement where it owes one. */
  get isIntroduced(): boolean {
    return this.#hasSettings && (!this.#isSettingsSent || this.#isAcknowledged);
  }

  /** It has introduced itself, and waits. */
  get wantsSettings(): boolean {
    return this.#hasSettings && !this.#hasBegun && !this.#isSettingsSent;
  }

  settingsSent(): void {
    this.#isSettingsSent = true;
  }

  get isReady(): boolean {
    if (this.#bytes.length > heldBytesMax) return true;
    return this.#hasBegun && (!this.#isSettingsSent || this.#isAcknowledged);
  }

  take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    const { length: known } = this.#bytes;
    const isOther = !this.#bytes.subarray(0, preface.length).equals(preface.subarray(0, known));
    // What is no HTTP/2 is told so by node:http2.
    if (isOther) this.#hasBegun = true;
    while (this.#bytes.length >= this.#at + headBytes) {
      const length = this.#bytes.readUIntBE(this.#at, 3);
      const type = this.#bytes[this.#at + 3] as number;
      const flags = this.#bytes[this.#at + 4] as number;
      const end = this.#at + headBytes + length;
      if (length > frameBytesMax) this.#hasBegun = true;
      if (end > this.#bytes.length) return;
      this.#look({ type, flags, end });
    }
  }

  #look({ type, flags, end }: Frame): void {
    const isAck = type === types.settings && (flags & ackFlag) !== 0;
    if (isAck && this.#isSettingsSent && !this.#isAcknowledged) {
      this.#isAcknowledged = true;
      this.#bytes = Buffer.concat([this.#bytes.subarray(0, this.#at), this.#bytes.subarray(end)]);
      return;
    }
    if (type === types.settings) this.#hasSettings = true;
    else if (type !== types.windowUpdate && type !== types.priority) this.#hasBegun = true;
    if (type === types.headers) {
      mendHost(this.#bytes.subarray(this.#at + headBytes, end), flags);
    }
    this.#at = end;
  }
}
