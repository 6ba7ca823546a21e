// The watches of one connection that speaks frames. Each has room for what its reader has not taken
// yet, and the member is given credit for no more than that: a watch that nobody reads costs its
// room, and keeps nothing else of the connection.
import { HoldfastError } from '@holdfast/base/errors';
import { Fifo } from '@holdfast/base/fifo';
import {
  type WatchEvent,
  WatchEvents,
  type WatchOpen,
  type WatchOrder,
  WatchOrders,
  type WatchReport,
} from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';
import { decodePayload } from '@holdfast/transport/decode-payload';
import { payloadBytesMax } from '@holdfast/transport/frame';

import { errorOfFailure } from './errors.ts';

/** Everything but the credit, which the connection gives. */
export type FrameWatchOrder = Omit<WatchOpen, 'credit'>;

/** All events of a revision; or that below it nothing is owed. */
export type FrameWatchItem =
  | {
      readonly type: 'events';
      readonly revision: number;
      readonly events: readonly WatchEvent[];
    }
  | { readonly type: 'progress'; readonly revision: number };

/** Bytes of events that a watch has room for, and a part of a revision beyond that. */
const roomBytes = 256 * 1024;
/** Orders of one frame, and their bytes before another one is begun. */
const ordersMax = 4096;
const ordersBytesAim = 1024 * 1024;
/** What an order takes beside its key and its end, at the most. */
const orderBytes = 96;

export type FrameWatchesOptions = {
  /** False: it certainly did not leave, and is tried again when something has. */
  readonly send: (payload: Uint8Array) => boolean;
  /** A watch is open, or none any more. */
  readonly onBusy: () => void;
};

export class FrameWatches {
  readonly #options: FrameWatchesOptions;
  readonly #watches = new Map<number, FrameWatch>();
  #orders: WatchOrder[] = [];
  #isFlushing = false;
  #number = 0;
  #frameBytesMax = payloadBytesMax;

  constructor(options: FrameWatchesOptions) {
    this.#options = options;
  }

  /** As the member says. */
  set frameBytesMax(bytes: number) {
    this.#frameBytesMax = bytes;
  }

  takes(order: FrameWatchOrder): boolean {
    return openBytes(order) <= this.#frameBytesMax;
  }

  get count(): number {
    return this.#watches.size;
  }

  open(order: FrameWatchOrder): FrameWatch {
    this.#number += 1;
    const id = this.#number;
    const watch = new FrameWatch({
      pay: (bytes) => this.#send({ id, order: { $case: 'credit', value: { bytes } } }),
      leave: () => {
        if (!this.#watches.delete(id)) return;
        this.#send({ id, order: { $case: 'cancel', value: {} } });
        this.#options.onBusy();
      },
    });
    this.#watches.set(id, watch);
    this.#send({ id, order: { $case: 'open', value: { ...order, credit: roomBytes } } });
    this.#options.onBusy();
    return watch;
  }

  /** Throws `corrupt`, which ends the connection. */
  heed({ id, report }: WatchReport): void {
    const watch = this.#watches.get(id);
    // What was on its way when it was cancelled; and a member of a newer kind.
    if (!watch || !report) return;
    watch.heed(report);
    if (report.$case !== 'failure') return;
    this.#watches.delete(id);
    this.#options.onBusy();
  }

  /** There is room again. */
  drained(): void {
    this.#flush();
  }

  fail(reason: HoldfastError): void {
    const watches = [...this.#watches.values()];
    this.#watches.clear();
    this.#orders = [];
    for (const watch of watches) watch.end(reason);
    this.#options.onBusy();
  }

  #send(order: WatchOrder): void {
    this.#orders.push(order);
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    queueMicrotask(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#orders.length > 0) {
      const count = this.#fitting();
      const orders = this.#orders.slice(0, count);
      if (!this.#options.send(encode(WatchOrders, { orders }))) return;
      this.#orders = this.#orders.slice(count);
    }
  }

  /** How many of the next orders go into one frame: one at least. */
  #fitting(): number {
    const bytesAim = Math.min(ordersBytesAim, this.#frameBytesMax);
    let [count, bytes] = [0, 0];
    for (const order of this.#orders) {
      bytes += sizeOf(order);
      if (count === ordersMax || (count > 0 && bytes > bytesAim)) break;
      count += 1;
    }
    return count;
  }
}

type Ties = { readonly pay: (bytes: number) => void; readonly leave: () => void };

type Queued = { readonly item: FrameWatchItem; readonly bytes: number };

export class FrameWatch {
  /** The revision up to which nothing is told. Rejects as the watch fails. */
  readonly started: Promise<number>;
  readonly #ties: Ties;
  readonly #queue = new Fifo<Queued>();
  #settleStart: { resolve: (revision: number) => void; reject: (reason: unknown) => void };
  /** Of a revision whose rest has not come yet. */
  #parts: WatchEvent[] = [];
  #partBytes = 0;
  /** Taken by the reader, and not told to the member yet. */
  #unpaid = 0;
  #waiting:
    | { resolve: (item: FrameWatchItem) => void; reject: (reason: unknown) => void }
    | undefined;
  #ended: unknown;
  #isOver = false;

  constructor(ties: Ties) {
    this.#ties = ties;
    this.#settleStart = { resolve: () => undefined, reject: () => undefined };
    this.started = new Promise((resolve, reject) => {
      this.#settleStart = { resolve, reject };
    });
    this.started.catch(() => undefined); // Whoever reads on is told the same.
  }

  /**
   * The next item, for one reader. Rejects with what the watch ended with, when all that came
   * before has been taken.
   */
  next(): Promise<FrameWatchItem> {
    const queued = this.#queue.first;
    if (queued) {
      this.#queue.shift();
      this.#taken(queued.bytes);
      return Promise.resolve(queued.item);
    }
    if (this.#isOver) return Promise.reject(this.#ended as Error);
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Nobody reads it any more; whoever waits for an item is told this reason. */
  close(reason: unknown = closed()): void {
    if (this.#isOver) return;
    this.#ties.leave();
    this.#queue.takeAll();
    this.end(reason);
  }

  /** For its connection: it is over, for this reason. */
  end(reason: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#ended = reason;
    this.#parts = [];
    this.#settleStart.reject(reason);
    this.#waiting?.reject(reason);
    this.#waiting = undefined;
  }

  /** For its connection. */
  heed(report: NonNullable<WatchReport['report']>): void {
    switch (report.$case) {
      case 'started':
        return this.#settleStart.resolve(report.value.revision);
      case 'progress':
        return this.#add({ type: 'progress', revision: report.value.revision }, 0);
      case 'failure':
        return this.end(errorOfFailure(report.value));
      default:
        this.#addEvents(report.value);
    }
  }

  #addEvents(bytes: Uint8Array): void {
    const { revision, events, hasMore } = decodePayload(WatchEvents, bytes, "a watch's events");
    this.#partBytes += bytes.length;
    if (!hasMore && this.#parts.length === 0) {
      this.#add({ type: 'events', revision, events }, this.#partBytes);
      this.#partBytes = 0;
      return;
    }
    for (const event of events) this.#parts.push(event);
    // A revision is told whole, so that all of it has to come, whatever is read.
    this.#taken(this.#partBytes);
    this.#partBytes = 0;
    if (hasMore) return;
    this.#add({ type: 'events', revision, events: this.#parts }, 0);
    this.#parts = [];
  }

  #add(item: FrameWatchItem, bytes: number): void {
    const waiting = this.#waiting;
    if (!waiting) {
      this.#queue.push({ item, bytes });
      return;
    }
    this.#waiting = undefined;
    this.#taken(bytes);
    waiting.resolve(item);
  }

  #taken(bytes: number): void {
    this.#unpaid += bytes;
    if (this.#unpaid < roomBytes / 2 || this.#isOver) return;
    this.#ties.pay(this.#unpaid);
    this.#unpaid = 0;
  }
}

const sizeOf = ({ order }: WatchOrder): number =>
  order?.$case === 'open' ? openBytes(order.value) : orderBytes;

const openBytes = ({ key, rangeEnd }: FrameWatchOrder): number =>
  orderBytes + key.length + rangeEnd.length;

const closed = (): HoldfastError => new HoldfastError('cancelled', 'the watch was closed');
