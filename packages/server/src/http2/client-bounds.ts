// What a client may do so often and no more, as it costs it less than us. Throws what ends the
// connection.
import type { Clock } from '@holdfast/base/clock';

import { Allowance } from './allowance.ts';
import { errorCodes, Http2Error } from './frame.ts';

/** Streams that a client gives up, or breaks, before they are answered. */
const resets = { most: 1000, perSecond: 100 };
/** Frames that ask for nothing and bring nothing. */
const idleFrames = { most: 2000, perSecond: 500 };
/**
 * So many more for each frame of a call that was sent: a client may give its room back at once, to
 * the stream and to the connection, and ask how long the way takes.
 */
const idleFramesPerSent = 3;
/** Of these at a time: nobody may save them up. */
const owedMax = 32 * 1024;

export class ClientBounds {
  readonly #resets: Allowance;
  readonly #idleFrames: Allowance;
  /** What it may still say of what was sent to it. */
  #owed = 0;

  constructor(clock: Clock) {
    this.#resets = new Allowance({ clock, ...resets });
    this.#idleFrames = new Allowance({ clock, ...idleFrames });
  }

  /** A frame that asks for nothing, or one that costs as much as so many of them. */
  countIdle(count = 1): void {
    if (this.#owed >= count) {
      this.#owed -= count;
      return;
    }
    if (this.#idleFrames.take(count)) return;
    throw new Http2Error(errorCodes.enhanceYourCalm, 'too many frames that say nothing');
  }

  countReset(): void {
    if (this.#resets.take(1)) return;
    throw new Http2Error(errorCodes.enhanceYourCalm, 'too many calls that are given up');
  }

  /** So many frames of calls have been sent. */
  heedSent(frames: number): void {
    this.#owed = Math.min(owedMax, this.#owed + frames * idleFramesPerSent);
  }

  heedAnswer(): void {
    this.#resets.give(1);
  }
}
