// Answers to watches that were made and that nobody has read yet, over all streams of a member.
// Each stream makes no other one before it has room again; all together stay within a bound. At the
// bound nobody makes more until something was read, and streams that are read too slowly, or not at
// all, are ended, the slowest first, until a quarter is free: their clients, if they ever read on,
// begin after what they have seen. Those that read at a pace are never ended for the others.
import type { Clock, Timer } from '@holdfast/base/clock';
import { LinkedList, ListLink } from '@holdfast/base/linked-list';

import { ReadPace } from '../grpc/read-pace.ts';

export type UnreadStream = {
  /** Of what was sent: what has not left for the client. */
  unsentBytes(): number;
  /** After a `mayMake` that was false: it may be true again. */
  makeOn(): void;
  /** Ends the call at once, with all that was not read. */
  giveUp(): void;
};

export type UnreadEventsOptions = {
  readonly clock: Clock;
  /** Exceeded by one answer at the most. */
  readonly bytesMax: number;
};

/** Between two looks while it is tight and somebody waits: most that is read is read in silence. */
const tickMs = 25;
/** A look all the same, and one for those that are too slow, comes each so many ticks. */
const ticksPerLook = 10;
/** So many come before: a member that was held up itself has not heard who reads. */
const ticksMin = 4 * ticksPerLook;
/** Whoever finds the room used up looks what was read meanwhile, if that was not seen just now. */
const seenMs = 10;
/** Of those that wait, more are told to go on the more room there is, by what an answer may be. */
const wokenBytes = 4 * 1024;
const wokenMin = 16;

export class UnreadEvents {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  /** From the bound down to here it is tight. */
  readonly #easyBytes: number;
  /** Those that hold something, as far as is known. */
  readonly #holders = new LinkedList<UnreadShare>();
  readonly #waiting = new LinkedList<UnreadShare>();
  #bytes = 0;
  #givenUp = 0;
  #lookedMs = Number.NEGATIVE_INFINITY;
  /** While it is tight. */
  #timer: Timer | undefined;
  #ticks = 0;

  constructor({ clock, bytesMax }: UnreadEventsOptions) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
    this.#easyBytes = bytesMax * 0.75;
  }

  join(stream: UnreadStream): UnreadShare {
    return new UnreadShare(this, stream);
  }

  /** Asks each stream: for people. */
  get bytes(): number {
    this.#look();
    return this.#bytes;
  }

  /** Streams that were ended for their room. */
  get givenUp(): number {
    return this.#givenUp;
  }

  /** For the shares' own use, as the next three. */
  sent(share: UnreadShare, bytes: number): void {
    if (share.bytes === 0) {
      share.pace.begin(this.#clock.monotonicMs(), bytes);
      this.#holders.add(share.holding);
    }
    share.bytes += bytes;
    this.#bytes += bytes;
  }

  shrunk(share: UnreadShare, toBytes: number): void {
    this.#bytes -= share.bytes - toBytes;
    share.bytes = toBytes;
    if (toBytes === 0) this.#holders.remove(share.holding);
  }

  mayMake(share: UnreadShare): boolean {
    if (!this.#isFull) return true;
    if (this.#clock.monotonicMs() - this.#lookedMs >= seenMs) this.#look();
    if (!this.#isFull) return true;
    this.#waiting.add(share.waiting);
    if (!this.#timer) this.#beginTight();
    return false;
  }

  /** Something was read, or somebody has gone. */
  moved(share: UnreadShare): void {
    this.#waiting.remove(share.waiting);
    this.#settle();
  }

  get #isFull(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  #beginTight(): void {
    this.#ticks = 0;
    this.#tickLater();
  }

  #tickLater(): void {
    this.#timer = this.#clock.schedule(tickMs, () => {
      this.#tickLater();
      this.#ticks += 1;
      const isLook = this.#ticks % ticksPerLook === 0;
      if (isLook || this.#waiting.length > 0) this.#look();
      if (isLook && this.#ticks >= ticksMin) this.#giveUpSlow();
      this.#settle();
    });
  }

  /** What each stream holds by now. */
  #look(): void {
    this.#lookedMs = this.#clock.monotonicMs();
    this.#holders.each((share) => {
      const bytes = share.stream.unsentBytes();
      if (bytes >= share.bytes) return;
      share.pace.take(share.bytes - bytes, this.#lookedMs, bytes);
      this.shrunk(share, bytes);
    });
  }

  #giveUpSlow(): void {
    const nowMs = this.#clock.monotonicMs();
    const slow: UnreadShare[] = [];
    this.#holders.each((share) => {
      if (share.pace.isSlow(nowMs)) slow.push(share);
    });
    slow.sort((a, b) => a.pace.compare(b.pace, nowMs));
    for (const { stream } of slow) {
      if (this.#bytes < this.#easyBytes) return;
      this.#givenUp += 1;
      stream.giveUp(); // Which leaves.
    }
  }

  /** Lets others make more where there is room, and looks no more where there is enough. */
  #settle(): void {
    if (this.#isFull) return;
    this.#wake();
    if (!this.#timer || this.#waiting.length > 0 || this.#bytes >= this.#easyBytes) return;
    this.#timer.cancel();
    this.#timer = undefined;
  }

  /** Who waits longest first; all at once would mostly ask in vain. */
  #wake(): void {
    let count = Math.max(wokenMin, (this.#bytesMax - this.#bytes) / wokenBytes);
    for (; count > 0; count -= 1) {
      const share = this.#waiting.shift();
      if (!share) return;
      share.stream.makeOn();
    }
  }
}

/** Of one stream. */
export class UnreadShare {
  readonly stream: UnreadStream;
  /** Its places among those that hold something, and among those that wait. */
  readonly holding = new ListLink<UnreadShare>(this);
  readonly waiting = new ListLink<UnreadShare>(this);
  /** Sent and, as far as is known, not read. */
  bytes = 0;
  /** At which it is read. */
  readonly pace = new ReadPace();
  readonly #all: UnreadEvents;

  constructor(all: UnreadEvents, stream: UnreadStream) {
    this.#all = all;
    this.stream = stream;
  }

  /** Whether there is room for another answer; if not, the stream is told when to ask again. */
  get mayMake(): boolean {
    return this.#all.mayMake(this);
  }

  sent(bytes: number): void {
    this.#all.sent(this, bytes);
  }

  /** All was read, or the stream is over. */
  clear(): void {
    this.#all.shrunk(this, 0);
    this.#all.moved(this);
  }
}
