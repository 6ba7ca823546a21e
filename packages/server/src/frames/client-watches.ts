// The watches of one client's connection: opened, paid for and cancelled by its orders, each by
// its number. However many there are, and however few of them are read, the connection's other
// requests are answered.
import { HoldfastError } from '@holdfast/base/errors';
import { type WatchOpen, type WatchOrder, WatchOrders } from '@holdfast/proto/client';
import { decodePayload } from '@holdfast/transport/decode-payload';

import type { HttpContext } from '../http/http-context.ts';
import { ClientWatch, type WatchGround } from './client-watch.ts';
import { requireFewFields } from './field-count.ts';
import { failure, invalid } from './frame-call.ts';
import { ReportOutlet, type ReportOutletOptions } from './report-outlet.ts';
import { EncodedEvents } from './watch-events.ts';

/** Orders of one frame that there may be for each watch of a connection. */
const ordersPerWatch = 4;

/** Of all connections of this process: it is keyed by what the store shares. */
const encodedEvents = new EncodedEvents();

export type ClientWatchesOptions = ReportOutletOptions & {
  readonly context: HttpContext;
  readonly actor: () => string;
};

export class ClientWatches {
  readonly #options: ClientWatchesOptions;
  readonly #outlet: ReportOutlet;
  readonly #ground: WatchGround;
  readonly #watches = new Map<number, ClientWatch>();

  constructor(options: ClientWatchesOptions) {
    const { context, actor } = options;
    this.#options = options;
    this.#outlet = new ReportOutlet(options);
    this.#ground = {
      engine: () => context.slot.engine,
      actor,
      events: encodedEvents,
      outlet: this.#outlet,
      guardFresh: (maxAgeMs, end) => context.freshStreams.guard(maxAgeMs, end),
    };
  }

  /** Throws `corrupt`, which ends the connection. */
  heed(payload: Uint8Array): void {
    const { watchesMax } = this.#options.context.limits;
    requireFewFields(payload, watchesMax * ordersPerWatch, 'orders');
    const { orders } = decodePayload(WatchOrders, payload, 'a frame of orders for watches');
    for (const order of orders) this.#carryOut(order);
  }

  /** What waited in the link has left. */
  drained(): void {
    this.#outlet.drained();
  }

  /** What was told leaves at once. */
  flush(): void {
    this.#outlet.flush();
  }

  /** The connection is over. */
  close(): void {
    this.#options.context.streams.delete(this.#endAll);
    for (const watch of this.#watches.values()) watch.cancel();
    this.#watches.clear();
    this.#outlet.close();
  }

  #carryOut({ id, order }: WatchOrder): void {
    switch (order?.$case) {
      case 'open':
        return this.#open(id, order.value);
      case 'credit':
        // One that has ended meanwhile is owed nothing.
        return this.#watches.get(id)?.credit(order.value.bytes);
      case 'cancel':
        this.#watches.get(id)?.cancel();
        this.#watches.delete(id);
        return;
      default:
        this.#refuse(id, invalid('an order for a watch that this version does not know'));
    }
  }

  #open(id: number, order: WatchOpen): void {
    // Two of one number could never be told apart again.
    if (this.#watches.has(id)) throw twice(id);
    const { limits, streams } = this.#options.context;
    const { watchesMax } = limits;
    if (this.#watches.size >= watchesMax) return this.#refuse(id, tooMany(watchesMax));
    if (this.#watches.size === 0) streams.add(this.#endAll);
    const watch = new ClientWatch(id, order, this.#ground);
    this.#watches.set(id, watch);
    void this.#run(id, watch); // Tells its own errors.
  }

  async #run(id: number, watch: ClientWatch): Promise<void> {
    const { failures, onFault } = this.#options.context;
    const failed = await watch.run();
    if (this.#watches.get(id) === watch) this.#watches.delete(id);
    if (!failed) return;
    failures.add(failed.code);
    if (failed.code === 'internal') onFault(failed.cause, 'frames, watch');
  }

  /** The member ends: they go on elsewhere. */
  readonly #endAll = (reason: HoldfastError): void => {
    for (const watch of [...this.#watches.values()]) watch.end(reason);
  };

  #refuse(id: number, error: HoldfastError): void {
    this.#options.context.failures.add(error.code);
    this.#outlet.tell(id, { $case: 'failure', value: failure(error) });
  }
}

const tooMany = (watchesMax: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${watchesMax} watches of this connection are open: cancel some, or open another one`,
  );

const twice = (id: number): HoldfastError =>
  new HoldfastError('corrupt', `watch ${id} is open already`);
