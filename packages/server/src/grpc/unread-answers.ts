// What was answered and is not read yet. Answers of one connection may wait for their reader up to
// a bound, and those of all together up to another one; whoever wants more waits until there is
// room, in order, so that nothing is made for which there is none. A reader that takes nothing for
// a while, though much waits for it, is given up.
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';

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

/** Of all connections. */
export class UnreadAnswers {
  readonly #bytesMax: number;
  /** Connections with answers that wait for room here, in order; who has read before goes first. */
  readonly #readers = new Set<ConnectionAnswers>();
  readonly #strangers = new Set<ConnectionAnswers>();
  #bytes = 0;
  /** Goes on, and has not said with how much: nobody else does before. */
  #starting: object | undefined;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get isAwaited(): boolean {
    return this.#readers.size + this.#strangers.size > 0;
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
    if (this.#starting || !this.isAwaited) return;
    this.#starting = startOneOf(this.#readers) ?? startOneOf(this.#strangers);
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
  /** Bytes that have left, of all kinds. */
  readonly writtenBytes: () => number;
  readonly giveUp: () => void;
};

type Waiter = { readonly start: () => void; readonly refuse: (reason: unknown) => void };

/** A call is named by an object of its own. */
export class ConnectionAnswers {
  readonly #options: ConnectionAnswersOptions;
  /** By their calls, in order. */
  readonly #waiting = new Map<object, Waiter>();
  #bytes = 0;
  #hasRead = false;
  #timer: Timer | undefined;
  #written = 0;
  #movedMs = 0;

  constructor(options: ConnectionAnswersOptions) {
    this.#options = options;
  }

  /** It has once taken all that there was for it. */
  get hasRead(): boolean {
    return this.#hasRead;
  }

  /** Nothing more may be made before something was read. */
  get isFull(): boolean {
    return this.#waiting.size > 0 || !this.#hasRoom;
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

  /** The call's answer grows, or shrinks, by so much. */
  change(call: object, bytes: number): void {
    const { whole } = this.#options;
    this.#bytes += bytes;
    whole.add(bytes);
    if (bytes < 0 && this.#bytes === 0) this.#hasRead = true;
    if (this.#bytes >= watchedBytes && !this.#timer) this.#watch();
    if (this.#waiting.size > 0) this.#place();
    whole.hasStarted(call);
    whole.startNext();
  }

  /** The call is over, with so much of its answer counted. */
  end(call: object, bytes: number): void {
    this.#waiting.get(call)?.refuse(clientGone());
    this.change(call, -bytes);
  }

  /** Answers which call goes on, if one has room. */
  start(): object | undefined {
    const [next] = this.#waiting;
    if (next === undefined || !this.#hasRoom) return undefined;
    const [call, waiter] = next;
    waiter.start();
    return call;
  }

  /** Nobody reads here any more. */
  close(): void {
    this.#timer?.cancel();
    for (const waiter of this.#waiting.values()) waiter.refuse(clientGone());
  }

  get #hasRoom(): boolean {
    return this.#bytes < connectionBytesMax && this.#options.whole.hasRoom(this.#bytes);
  }

  /** One that is full itself waits for its own reader, and no other has to make way for it. */
  #place(): void {
    const { whole } = this.#options;
    if (this.#waiting.size > 0 && this.#bytes < connectionBytesMax) whole.enqueue(this);
    else whole.leave(this);
  }

  #watch(): void {
    const { clock, writtenBytes } = this.#options;
    this.#written = writtenBytes();
    this.#movedMs = clock.monotonicMs();
    this.#timer = clock.schedule(lookMs, () => this.#look());
  }

  #look(): void {
    this.#timer = undefined;
    if (this.#bytes < watchedBytes) return;
    const { clock, writtenBytes, unreadMs, whole, giveUp } = this.#options;
    if (writtenBytes() > this.#written) return this.#watch();
    const patienceMs = whole.isAwaited ? Math.min(makeWayMs, unreadMs) : unreadMs;
    if (clock.monotonicMs() - this.#movedMs >= patienceMs) return giveUp();
    this.#timer = clock.schedule(lookMs, () => this.#look());
  }
}

const unread = (bytes: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${bytes} bytes of answers wait to be read on this connection: read them first`,
  );

export const clientGone = (): HoldfastError =>
  new HoldfastError('cancelled', 'the client has gone');
