// What a connection sends: all that one event of the event loop makes leaves in one write, streams
// take turns, and nothing is taken from them while the client does not read, so that what waits
// for it is counted where it was made.
import type { Socket } from 'node:net';
import { Fifo } from '@holdfast/base/fifo';
import { LinkedList } from '@holdfast/base/linked-list';

import { frameBytesAtFirst, windowAtFirst } from './frame.ts';
import { OutputBatch } from './output-batch.ts';
import type { ServerStream } from './server-stream.ts';
import type { SendRoom } from './stream-sender.ts';

/** With so much that the kernel has not taken, nothing more is written. */
const unwrittenBytesMax = 64 * 1024;
/** Of frames that are about no message, while nothing is written. */
const controlBytesMax = 64 * 1024;

const batch = new OutputBatch();

export type OutgoingOptions = {
  readonly socket: Socket;
  /** All that it had has been written. */
  readonly onSent: (stream: ServerStream) => void;
  /** Nothing waits. */
  readonly onIdle: () => void;
  /** It reads nothing, and makes us say more and more. */
  readonly onOverflow: () => void;
};

export class Outgoing implements SendRoom {
  readonly batch = batch;
  window = windowAtFirst;
  sentBytes = 0;
  frameBytesMax = frameBytesAtFirst;
  readonly #options: OutgoingOptions;
  #control: Uint8Array[] = [];
  #controlBytes = 0;
  /** Streams with something to send, in the order of their turns. */
  readonly #ready = new LinkedList<ServerStream>();
  /** Those for which the connection's window has no room. */
  #starved = new Set<ServerStream>();
  /** All of what these had is in the batch. */
  readonly #sent = new Fifo<ServerStream>();
  #isScheduled = false;
  #sentFrames = 0;

  constructor(options: OutgoingOptions) {
    this.#options = options;
    options.socket.on('drain', () => this.flush());
  }

  /** Frames of calls that have left since this was asked last. */
  takeSentFrames(): number {
    const frames = this.#sentFrames;
    this.#sentFrames = 0;
    return frames;
  }

  /** A frame that is about no message; it goes before them. */
  say(frame: Uint8Array): void {
    this.#control.push(frame);
    this.#controlBytes += frame.length;
    this.flushSoon();
    if (this.#controlBytes > controlBytesMax && this.#isBlocked) this.#options.onOverflow();
  }

  wake(stream: ServerStream): void {
    this.#ready.add(stream.turn);
    this.flushSoon();
  }

  /** It is gone. */
  forget(stream: ServerStream): void {
    this.#ready.remove(stream.turn);
    this.#starved.delete(stream);
  }

  /** False: the window would be larger than may be. */
  grow(bytes: number): boolean {
    this.window += bytes;
    if (this.window >= 2 ** 31) return false;
    const starved = this.#starved;
    this.#starved = new Set();
    for (const stream of starved) this.wake(stream);
    return true;
  }

  flush(): void {
    const { socket, onIdle } = this.#options;
    this.#isScheduled = false;
    while (this.#hasWork && !this.#isBlocked && socket.writable) {
      batch.begin();
      this.#fill();
      this.#sentFrames += batch.callFrames;
      batch.send(socket);
      this.#tell();
    }
    if (!this.#hasWork) onIdle();
  }

  /** When the event is over that goes on now. */
  flushSoon(): void {
    if (this.#isScheduled || this.#isBlocked) return;
    this.#isScheduled = true;
    process.nextTick(flushOf, this);
  }

  get #hasWork(): boolean {
    return this.#control.length > 0 || this.#ready.length > 0;
  }

  get #isBlocked(): boolean {
    return this.#options.socket.writableLength >= unwrittenBytesMax;
  }

  #fill(): void {
    this.#fillControl();
    while (!batch.isFull) {
      const stream = this.#ready.shift();
      if (!stream) return;
      this.#turn(stream);
    }
  }

  #fillControl(): void {
    let written = 0;
    for (const frame of this.#control) {
      if (batch.isFull) break;
      batch.frame(frame);
      this.#controlBytes -= frame.length;
      written += 1;
    }
    if (written > 0) this.#control = this.#control.slice(written);
  }

  #turn(stream: ServerStream): void {
    const sent = stream.write(this);
    if (sent === 'turn') this.#ready.add(stream.turn);
    else if (sent === 'no-connection-window') this.#starved.add(stream);
    else if (sent !== 'no-window') this.#sent.push(stream);
  }

  /** Only now: whoever is told may send, which has to find the batch at its end. */
  #tell(): void {
    this.#sent.drain(this.#options.onSent);
  }
}

const flushOf = (outgoing: Outgoing): void => outgoing.flush();
