// Answers to watches that were made and that nobody has read yet, over all streams of a member. A
// stream makes no other one before the last was taken, so each holds little; together they stay
// within a bound, because beyond it the stream that has waited longest is ended. Its client, if it
// ever reads again, goes on from the last revision that it was given.

/** What a stream takes before it says that there is no room (node:http2's high water mark). */
const roomBytes = 16 * 1024;

export type UnreadStream = {
  /** Ends the call at once, with all that was not read. */
  giveUp(): void;
};

export class UnreadAnswers {
  readonly #bytesMax: number;
  /** In the order in which they ran out of room. */
  readonly #waiting = new Map<UnreadStream, number>();
  #bytes = 0;
  #givenUp = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /** At the most: some of it may have left meanwhile. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Streams that were ended for their room. */
  get givenUp(): number {
    return this.#givenUp;
  }

  /** A stream had no room after these bytes, or was given them in spite of it. */
  add(stream: UnreadStream, bytes: number): void {
    const held = this.#waiting.get(stream);
    const more = held === undefined ? roomBytes + bytes : bytes;
    this.#waiting.set(stream, (held ?? 0) + more);
    this.#bytes += more;
    while (this.#bytes > this.#bytesMax) this.#giveUpLongest();
  }

  /** It was read, or is over. */
  remove(stream: UnreadStream): void {
    this.#bytes -= this.#waiting.get(stream) ?? 0;
    this.#waiting.delete(stream);
  }

  #giveUpLongest(): void {
    const [longest] = this.#waiting.keys();
    if (!longest) return;
    this.remove(longest);
    this.#givenUp += 1;
    longest.giveUp();
  }
}
