// Frames over a link: preface, parser, coalescing writer, and the answers to pings. Both ends of a
// connection use it. It owns its link, and knows neither members nor time.
import { emptyBytes } from '@holdfast/base/bytes';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { CertificateVerdict } from './certificate-verdict.ts';
import { CoalescingWriter } from './coalescing-writer.ts';
import {
  encodePreface,
  type Frame,
  type FrameDialect,
  FrameParser,
  frameHeaderBytes,
  frameKinds,
  payloadBytesMax,
} from './frame.ts';
import type { Link, LinkEnd } from './link.ts';
import { type LinkCounters, noLinkCounters } from './link-counters.ts';

export interface FrameHandler {
  /** Not called for pings. A HoldfastError that it throws ends the connection with its text. */
  onFrame(frame: Frame): void;
  /** Before the frames in them: any byte is a sign of life (safety.md 17). */
  onHeard?(): void;
  /** See LinkHandler: what was sent has left this process. */
  onDrain?(): void;
  /** Exactly once, unless this side destroyed the link. */
  onEnd(end: LinkEnd): void;
}

export type FrameLinkOptions = {
  readonly link: Link;
  readonly afterEvent: (action: () => void) => void;
  readonly queueBytesMax: number;
  /** The largest payload until `trust`. */
  readonly strangerBytesMax: number;
  /** Default: of members among themselves. */
  readonly dialect?: FrameDialect;
};

export class FrameLink {
  readonly counters: LinkCounters = { ...noLinkCounters };
  readonly #link: Link;
  readonly #writer: CoalescingWriter;
  readonly #parser: FrameParser;
  readonly #preface: Uint8Array;
  #handler: FrameHandler | undefined;
  #unansweredPings = 0;
  /** `undefined` while it lives. */
  #end: LinkEnd | undefined;

  constructor(options: FrameLinkOptions) {
    const { link, afterEvent, queueBytesMax, dialect } = options;
    this.#link = link;
    this.#writer = new CoalescingWriter({ link, afterEvent, queueBytesMax });
    const strangers = { payloadBytesMax: options.strangerBytesMax };
    this.#parser = new FrameParser(dialect ? { ...strangers, dialect } : strangers);
    this.#preface = encodePreface(dialect);
  }

  /** Says the preface, and begins to listen. */
  open(handler: FrameHandler): void {
    this.#handler = handler;
    this.#link.send([this.#preface]);
    this.#link.open({
      onBytes: (bytes) => this.#receive(bytes),
      onDrain: () => this.#handler?.onDrain?.(),
      onEnd: (end) => this.#finish(end),
    });
  }

  get remoteAddress(): string {
    return this.#link.remoteAddress;
  }

  /** See Link.verdict: known when the first frame arrives. */
  get verdict(): CertificateVerdict | undefined {
    return this.#link.verdict;
  }

  get pendingBytes(): number {
    return this.#writer.pendingBytes;
  }

  /** False: as send(). */
  ping(): boolean {
    const isSent = this.send(frameKinds.ping, emptyBytes);
    if (isSent) this.#unansweredPings += 1;
    return isSent;
  }

  /** All that was sent before the last ping has arrived; no other word of the peer tells that. */
  get isAnswered(): boolean {
    return this.#unansweredPings === 0;
  }

  /**
   * The other side is known now: another handler, and frames of every size, or up to what
   * `bytesMax` says at each.
   */
  trust(handler: FrameHandler, bytesMax = (): number => payloadBytesMax): void {
    this.#handler = handler;
    this.#parser.payloadBytesMax = bytesMax;
    // It may have ended between the last frame and this call.
    if (this.#end) handler.onEnd(this.#end);
  }

  /** Until the end: frames are dropped, and may be no longer than before. */
  listenNoMore(onEnd: (end: LinkEnd) => void): void {
    this.#handler = { onFrame: () => undefined, onEnd };
    if (this.#end) onEnd(this.#end);
  }

  /**
   * All or nothing. False: the queue is full or the link is over, and they certainly did not leave.
   */
  send(kind: number, ...payloads: readonly Uint8Array[]): boolean {
    const size = payloads.reduce((sum, { length }) => sum + frameHeaderBytes + length, 0);
    if (this.#end || !this.#writer.hasRoom(size)) return false;
    for (const payload of payloads) this.#writer.write({ kind, flags: 0, group: 0, payload });
    this.counters.framesSent += payloads.length;
    this.counters.bytesSent += size;
    return true;
  }

  /** Sends what waits, then says goodbye. */
  close(): void {
    if (this.#end) return;
    this.#writer.flush();
    this.#link.close();
  }

  destroy(): void {
    this.#end ??= { type: 'closed' };
    this.#handler = undefined;
    this.#link.destroy();
  }

  #receive(bytes: Uint8Array): void {
    this.counters.bytesReceived += bytes.length;
    this.#handler?.onHeard?.();
    try {
      this.#parser.push(bytes, (frame) => this.#route(frame));
    } catch (error) {
      // What another process sent ends its connection, never this process; an invariant passes on.
      if (!(error instanceof HoldfastError)) throw error;
      this.#fail(error.message);
    }
  }

  #route(frame: Frame): void {
    if (this.#end) return;
    this.counters.framesReceived += 1;
    if (frame.kind === frameKinds.ping) this.send(frameKinds.pong, emptyBytes);
    else if (frame.kind === frameKinds.pong) this.#answered();
    else this.#handler?.onFrame(frame);
  }

  #answered(): void {
    if (this.#unansweredPings > 0) this.#unansweredPings -= 1;
  }

  #fail(reason: string): void {
    this.#link.destroy();
    this.#finish({ type: 'failed', reason, isSpoken: true });
  }

  #finish(end: LinkEnd): void {
    if (this.#end) return;
    this.#end = end;
    this.#handler?.onEnd(end);
  }
}

/** Sends what waits and says goodbye; over when the other side has, or after the grace. */
export function closeWithin(clock: Clock, graceMs: number, link: FrameLink): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      timer.cancel();
      link.destroy();
      resolve();
    };
    const timer = clock.schedule(graceMs, finish);
    link.listenNoMore(finish);
    link.close();
  });
}
