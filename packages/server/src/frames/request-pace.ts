// How many requests of clients that speak frames are begun in a turn of the event loop. Thousands
// fit into one small frame, and a dozen connections that send such frames would hold the loop for
// as long as an election takes. What is too much for a turn waits as bytes, in order, and its
// connection is not read from meanwhile; whoever sends little finds its place in the turn.
import { Fifo } from '@holdfast/base/fifo';
import type { Request } from '@holdfast/proto/client';

/** Of all connections in one turn: ten milliseconds of puts, and some forty of refusals. */
const turnRequestsMax = 1024;
/** Of one connection, before it is another one's turn. */
const lineRequestsMax = 256;

export interface RequestLine {
  readonly hasMore: boolean;
  /** Begins so many at the most, and answers how many; a frame counts as one. */
  begin(max: number): number;
}

/** Of all connections. */
export class RequestPace {
  readonly #nextTurn: (action: () => void) => void;
  readonly #waiting = new Set<RequestLine>();
  #begun = 0;
  #isTurning = false;

  constructor(nextTurn: (action: () => void) => void = setImmediate) {
    this.#nextTurn = nextTurn;
  }

  /** There is something to begin: at once, if this turn has room and nobody waits before it. */
  enqueue(line: RequestLine): void {
    const isFirst = this.#waiting.size === 0;
    this.#waiting.add(line);
    if (isFirst) this.#serve();
  }

  forget(line: RequestLine): void {
    this.#waiting.delete(line);
  }

  #serve(): void {
    for (const line of this.#waiting) {
      const left = turnRequestsMax - this.#begun;
      if (left <= 0) break;
      this.#begun += line.begin(Math.min(left, lineRequestsMax));
      this.#waiting.delete(line);
      if (line.hasMore) this.#waiting.add(line); // Behind the others.
    }
    if (this.#isTurning) return;
    this.#isTurning = true;
    this.#nextTurn(() => this.#turn());
  }

  #turn(): void {
    this.#isTurning = false;
    this.#begun = 0;
    if (this.#waiting.size > 0) this.#serve();
  }
}

export type RequestQueueOptions = {
  readonly pace: RequestPace;
  readonly reading: { pause(): void; resume(): void };
  /** Throws what ends the connection. */
  readonly decode: (frame: Uint8Array) => readonly Request[];
  readonly take: (request: Request) => void;
  /** All of a frame was taken. */
  readonly onTaken: () => void;
  readonly onMistake: (error: unknown) => void;
};

/** The frames of one connection whose requests are not all begun. */
export class RequestQueue implements RequestLine {
  readonly #options: RequestQueueOptions;
  readonly #frames = new Fifo<Uint8Array>();
  #requests: readonly Request[] = [];
  #at = 0;
  #isPaused = false;

  constructor(options: RequestQueueOptions) {
    this.#options = options;
  }

  get hasMore(): boolean {
    return this.#at < this.#requests.length || this.#frames.length > 0;
  }

  push(frame: Uint8Array): void {
    this.#frames.push(frame);
    this.#options.pace.enqueue(this);
    if (!this.hasMore || this.#isPaused) return;
    this.#isPaused = true;
    this.#options.reading.pause();
  }

  begin(max: number): number {
    let begun = 0;
    try {
      while (begun < max && this.hasMore) begun += this.#beginOne();
    } catch (error) {
      this.close();
      this.#options.onMistake(error);
    }
    if (!this.hasMore && this.#isPaused) {
      this.#isPaused = false;
      this.#options.reading.resume();
    }
    return begun;
  }

  /** Nobody is there any more. */
  close(): void {
    this.#options.pace.forget(this);
    this.#frames.clear();
    this.#requests = [];
    this.#at = 0;
  }

  #beginOne(): number {
    const { decode, take, onTaken } = this.#options;
    if (this.#at === this.#requests.length) {
      this.#requests = decode(this.#frames.shift() as Uint8Array);
      this.#at = 0;
    }
    const request = this.#requests[this.#at];
    this.#at += 1;
    if (request) take(request);
    if (this.#at < this.#requests.length) return 1;
    this.#requests = [];
    this.#at = 0;
    onTaken();
    return 1;
  }
}
