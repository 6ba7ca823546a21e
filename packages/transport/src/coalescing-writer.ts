// Gathers the frames that one event of the event loop, or its promises, write in a row, and hands
// them to the link in one call: without it each answer costs a system call of 15 to 20 µs
// (speed.md, choice 3). Not those of a whole turn: what an event of its end sends would wait for
// the next one. It says whether there is room; who finds none drops or refuses.
import { type Frame, frameHeaderBytes, writeFrameHeader } from './frame.ts';
import type { Link } from './link.ts';

export type CoalescingWriterOptions = {
  readonly link: Pick<Link, 'send' | 'pendingBytes'>;
  readonly afterEvent: (action: () => void) => void;
  /** Bytes that wait here and in the link. A single larger frame still fits an empty queue. */
  readonly queueBytesMax: number;
};

/** Smaller payloads are copied side by side into one block; larger ones travel as they lie. */
const copyBytesMax = 16 * 1024;

export class CoalescingWriter {
  readonly #options: CoalescingWriterOptions;
  #frames: Frame[] = [];
  #bytes = 0;
  #scheduled = false;

  constructor(options: CoalescingWriterOptions) {
    this.#options = options;
  }

  /** Bytes that have not left this process. */
  get pendingBytes(): number {
    return this.#bytes + this.#options.link.pendingBytes;
  }

  /** Whether frames of `bytes` fit, headers included; an empty queue takes anything. */
  hasRoom(bytes: number): boolean {
    const pending = this.pendingBytes;
    return pending === 0 || pending + bytes <= this.#options.queueBytesMax;
  }

  /** The caller has asked hasRoom. */
  write(frame: Frame): void {
    this.#frames.push(frame);
    this.#bytes += frameHeaderBytes + frame.payload.length;
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#options.afterEvent(() => this.flush());
  }

  /** Sends now what waits for the end of the event. */
  flush(): void {
    this.#scheduled = false;
    if (this.#frames.length === 0) return;
    const frames = this.#frames;
    this.#frames = [];
    this.#bytes = 0;
    this.#options.link.send(toParts(frames));
  }
}

/** Blocks of headers and small payloads, with the large payloads between them. */
function toParts(frames: readonly Frame[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let block = new Uint8Array(blockBytes(frames));
  let at = 0;
  const cut = (): void => {
    if (at > 0) parts.push(block.subarray(0, at));
    block = block.subarray(at);
    at = 0;
  };
  for (const frame of frames) {
    const { payload } = frame;
    writeFrameHeader(block, at, frame);
    at += frameHeaderBytes;
    if (payload.length <= copyBytesMax) {
      block.set(payload, at);
      at += payload.length;
    } else {
      cut();
      parts.push(payload);
    }
  }
  cut();
  return parts;
}

function blockBytes(frames: readonly Frame[]): number {
  let bytes = 0;
  for (const { payload } of frames) {
    bytes += frameHeaderBytes + (payload.length <= copyBytesMax ? payload.length : 0);
  }
  return bytes;
}
