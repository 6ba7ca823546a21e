// What was answered and is not read yet. Answers of one connection may wait for their reader up to
// a bound, and those of all together up to another one; whoever wants more waits until there is
// room, in order, so that nothing is made for which there is none. A reader that takes nothing for
// a while, though much waits for it, is given up; where others wait for room, so is one that takes
// too little, the slowest first, until there is room again. Of the answers that are made in pieces
// one grows at a time, in the order in which they were begun.
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { LinkedList, ListLink } from '@holdfast/base/linked-list';

import { LongTurns, type Waiter } from './long-turns.ts';
import { ReadPace } from './read-pace.ts';

/** Of one connection; one answer may go beyond it. */
const connectionBytesMax = 8 * 1024 * 1024;
/** With less than this a connection is not asked whether its client reads at all. */
const watchedBytes = 64 * 1024;
/** Between two looks at what a reader has taken. */
const lookMs = 1000;
/** Connections that are asked at a time whether they can go on; the others have their turn next. */
const triesMax = 16;
/** Where others wait for room, who has taken nothing for so long makes way for them. */
const makeWayMs = 2000;

export type UnreadAnswersOptions = {
  readonly clock: Clock;
  readonly bytesMax: number;
};

/** Of all connections. */
export class UnreadAnswers {
  readonly #clock: Clock;
  readonly #bytesMax: number;
  /** Connections with answers that wait for room here, in order; who has read before goes first. */
  readonly #readers = new Set<ConnectionAnswers>();
  readonly #strangers = new Set<ConnectionAnswers>();
  /** Those that have something to read. */
  readonly #holders = new LinkedList<ConnectionAnswers>();
  #bytes = 0;
  /** Goes on, and has not said with how much: nobody else does before. */
  #starting: object | undefined;
  /** The call whose answer is made in pieces now, and those that wait for it, in order. */
  #growing: object | undefined;
  readonly #turns = new LongTurns();
  /** While somebody waits, and a little longer. */
  #timer: Timer | undefined;

  constructor({ clock, bytesMax }: UnreadAnswersOptions) {
    this.#clock = clock;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isAwaited(): boolean {
    return this.#readers.size + this.#strangers.size + this.#turns.size > 0;
  }

  /** Whether a connection with so much of its own may be answered. */
  hasRoom(ownBytes: number): boolean {
    if (this.#bytes < this.#bytesMax) return true;
    // Others' readers that are slow are nothing to one that has read all, as far as that goes.
    return ownBytes === 0 && this.#bytes < 2 * this.#bytesMax;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  enqueue(connection: ConnectionAnswers): void {
    (connection.hasRead ? this.#readers : this.#strangers).add(connection);
    if (!this.#timer) this.#lookLater();
  }

  /** Answers whether it is the turn of an answer in pieces; it is until `endTurn`. */
  takeTurn(call: object): boolean {
    if (!this.#growing && this.#turns.size === 0 && this.hasRoom(0)) this.#growing = call;
    return this.#growing === call;
  }

  awaitTurn(call: object, waiter: Waiter, hasRead: boolean): void {
    this.#turns.add(call, waiter, hasRead);
    if (!this.#timer) this.#lookLater();
  }

  /** Its answer is whole, or it does not wait any more. */
  endTurn(call: object): void {
    this.#turns.take(call)?.refuse(clientGone());
    if (this.#growing === call) this.#growing = undefined;
    this.hasStarted(call);
    this.startNext();
  }

  leave(connection: ConnectionAnswers): void {
    this.#readers.delete(connection);
    this.#strangers.delete(connection);
  }

  /** It has said with how much, or ended. */
  hasStarted(who: object): void {
    if (this.#starting === who) this.#starting = undefined;
  }

  startNext(): void {
    this.#giveTurn();
    if (this.#starting || this.#readers.size + this.#strangers.size === 0) return;
    this.#starting = startOneOf(this.#readers) ?? startOneOf(this.#strangers);
  }

  hold(connection: ConnectionAnswers): void {
    this.#holders.add(connection.holding);
  }

  release(connection: ConnectionAnswers): void {
    this.#holders.remove(connection.holding);
  }

  get #isTight(): boolean {
    if (this.#turns.size > 0 && !this.hasRoom(0)) return true;
    return this.#readers.size + this.#strangers.size > 0 && this.#bytes >= this.#bytesMax;
  }

  #giveTurn(): void {
    if (this.#growing || !this.hasRoom(0)) return;
    const call = this.#turns.next();
    if (!call) return;
    this.#growing = call;
    this.#turns.take(call)?.start();
  }

  #lookLater(): void {
    const dueMs = this.#clock.monotonicMs() + lookMs;
    this.#timer = this.#clock.schedule(lookMs, () => {
      this.#timer = undefined;
      if (!this.isAwaited) return;
      this.#lookLater();
      if (this.#isTight) this.#look(dueMs);
    });
  }

  #look(dueMs: number): void {
    const nowMs = this.#clock.monotonicMs();
    const slow: ConnectionAnswers[] = [];
    this.#holders.each((connection) => {
      connection.look(nowMs);
      if (connection.isInTheWay(nowMs)) slow.push(connection);
    });
    // A member that was held up itself has not heard who reads.
    if (nowMs - dueMs > lookMs) return;
    this.#giveUp(slow.sort((a, b) => a.pace.compare(b.pace, nowMs)));
  }

  #giveUp(slow: readonly ConnectionAnswers[]): void {
    for (const connection of slow) {
      if (!this.#isTight) return;
      connection.giveUp();
    }
  }
}

/** Who has no room yet goes behind the others. */
function startOneOf(waiting: Set<ConnectionAnswers>): object | undefined {
  let tries = 0;
  for (const next of waiting) {
    const started = next.start();
    if (started || ++tries === triesMax) return started;
    waiting.delete(next);
    waiting.add(next);
  }
  return undefined;
}

export type ConnectionAnswersOptions = {
  readonly whole: UnreadAnswers;
  readonly clock: Clock;
  /** A reader that takes nothing for so long is given up. */
  readonly unreadMs: number;
  /** Of answers, and of nothing else: who answers pings has read none. */
  readonly sentBytes: () => number;
  readonly giveUp: () => void;
  /** It has read before it was known here. */
  readonly hasRead?: boolean;
};

/** A call is named by an object of its own. */
export class ConnectionAnswers {
  /** Its place among those that have something to read. For the use of `UnreadAnswers`. */
  readonly holding = new ListLink<ConnectionAnswers>(this);
  /** At which it reads, as far as was looked. */
  readonly pace = new ReadPace();
  readonly #options: ConnectionAnswersOptions;
  /** By their calls, in order. */
  readonly #waiting = new Map<object, Waiter>();
  /** Those whose answers are made in pieces: nobody is let in before they are whole. */
  readonly #long = new Set<object>();
  /** Counted, and of that what has been made. */
  #bytes = 0;
  #madeBytes = 0;
  #hasRead: boolean;
  #timer: Timer | undefined;
  /** As it was looked at last; undefined: not since there is something to read. */
  #sent: number | undefined;
  #movedMs = 0;

  constructor(options: ConnectionAnswersOptions) {
    this.#options = options;
    this.#hasRead = options.hasRead ?? false;
  }

  /** It has once taken all that there was for it. */
  get hasRead(): boolean {
    return this.#hasRead;
  }

  /** Nothing more may be made before something was read. */
  get isFull(): boolean {
    return this.#waiting.size > 0 || this.#long.size > 0 || !this.#hasRoom;
  }

  /** Rejects with `resource-exhausted` when its time is over. `change` or `end` has to follow. */
  wait(call: object, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting.delete(call);
        signal?.removeEventListener('abort', onAbort);
        this.#place();
      };
      const refuse = (reason: unknown): void => {
        leave();
        reject(reason);
      };
      const onAbort = (): void => refuse(unread(this.#bytes));
      const start = (): void => {
        leave();
        resolve();
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.set(call, { start, refuse });
      this.#place();
    });
  }

  /**
   * The call's answer is made in pieces. Answers whether it is its turn; if not, `turn` tells when.
   * `endLong` has to follow.
   */
  beginLong(call: object): boolean {
    const { whole } = this.#options;
    this.#long.add(call);
    this.#place();
    const isItsTurn = whole.takeTurn(call);
    whole.hasStarted(call); // It has: with nothing as long as it waits.
    whole.startNext();
    return isItsTurn;
  }

  /** Rejects with the signal's reason. */
  turn(call: object, signal?: AbortSignal): Promise<void> {
    const { whole } = this.#options;
    return new Promise((resolve, reject) => {
      if (whole.takeTurn(call)) return resolve();
      const onAbort = (): void => {
        reject(signal?.reason);
        whole.endTurn(call);
      };
      const leave = (): void => signal?.removeEventListener('abort', onAbort);
      const start = (): void => {
        leave();
        resolve();
      };
      const refuse = (reason: unknown): void => {
        leave();
        reject(reason);
      };
      if (signal?.aborted) return onAbort();
      signal?.addEventListener('abort', onAbort, { once: true });
      whole.awaitTurn(call, { start, refuse }, this.#hasRead);
    });
  }

  /** It is whole, or nothing more is made of it. */
  endLong(call: object): void {
    if (!this.#long.delete(call)) return;
    this.#place();
    this.#options.whole.endTurn(call);
  }

  /** The call's answer grows, or shrinks, by so much. */
  change(call: object, bytes: number): void {
    const { whole } = this.#options;
    this.#bytes += bytes;
    whole.add(bytes);
    if (bytes < 0 && this.#bytes === 0) this.#hasRead = true;
    if (this.#waiting.size > 0) this.#place();
    whole.hasStarted(call);
    whole.startNext();
  }

  /** So much of what was counted is there to be read, or is no more. */
  made(bytes: number): void {
    const { whole, clock } = this.#options;
    this.#madeBytes += bytes;
    if (this.#madeBytes === 0) {
      whole.release(this);
      this.#sent = undefined;
      return;
    }
    whole.hold(this);
    if (this.#madeBytes < watchedBytes || this.#timer) return;
    this.look(clock.monotonicMs());
    this.#lookLater();
  }

  /** What it has taken by now. */
  look(nowMs: number): void {
    const sent = this.#options.sentBytes();
    if (this.#sent === undefined) {
      this.#movedMs = nowMs;
      this.pace.begin(nowMs, this.#madeBytes);
    } else if (sent > this.#sent) {
      this.#movedMs = nowMs;
      this.pace.take(sent - this.#sent, nowMs, this.#madeBytes);
    }
    this.#sent = sent;
  }

  /** Of others who wait for room. */
  isInTheWay(nowMs: number): boolean {
    const patienceMs = Math.min(makeWayMs, this.#options.unreadMs);
    return nowMs - this.#movedMs >= patienceMs || this.pace.isSlow(nowMs);
  }

  giveUp(): void {
    this.#letGo();
    this.#options.giveUp();
  }

  /** The call is over, with so much of its answer counted. */
  end(call: object, bytes: number): void {
    this.#waiting.get(call)?.refuse(clientGone());
    this.change(call, -bytes);
  }

  /** Answers which call goes on, if one has room. */
  start(): object | undefined {
    const [next] = this.#waiting;
    if (next === undefined || this.#long.size > 0 || !this.#hasRoom) return undefined;
    const [call, waiter] = next;
    waiter.start();
    return call;
  }

  /** Nobody reads here any more. */
  close(): void {
    this.#letGo();
    for (const waiter of this.#waiting.values()) waiter.refuse(clientGone());
  }

  /** Its pace is of no matter any more. */
  #letGo(): void {
    this.#timer?.cancel();
    this.#options.whole.release(this);
  }

  get #hasRoom(): boolean {
    return this.#bytes < connectionBytesMax && this.#options.whole.hasRoom(this.#bytes);
  }

  /** One that is full itself waits for its own reader, and no other has to make way for it. */
  #place(): void {
    const { whole } = this.#options;
    const isServable = this.#long.size === 0 && this.#bytes < connectionBytesMax;
    if (this.#waiting.size > 0 && isServable) whole.enqueue(this);
    else whole.leave(this);
  }

  #lookLater(): void {
    this.#timer = this.#options.clock.schedule(lookMs, () => {
      this.#timer = undefined;
      if (this.#madeBytes < watchedBytes) return;
      const { clock, unreadMs } = this.#options;
      const nowMs = clock.monotonicMs();
      this.look(nowMs);
      if (nowMs - this.#movedMs >= unreadMs) this.giveUp();
      else this.#lookLater();
    });
  }
}

const unread = (bytes: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${bytes} bytes of answers wait to be read on this connection: read them first`,
  );

export const clientGone = (): HoldfastError =>
  new HoldfastError('cancelled', 'the client has gone');
