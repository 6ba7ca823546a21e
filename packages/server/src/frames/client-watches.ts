// The watches of one client's connection: opened, paid for and cancelled by its orders, each by its
// number. They are told what comes in turns, a read of one of them at a time, and only while the
// client reads its connection: so however many there are, and however few of them are read, the
// connection's other requests are answered, and those of others.
import type { Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { Fifo } from '@holdfast/base/fifo';
import { revision } from '@holdfast/base/ids';
import { AccessError } from '@holdfast/domain/access-error';
import { rangeRequest } from '@holdfast/domain/requests';
import type { PulledWatches } from '@holdfast/engine/engine';
import { type WatchOpen, type WatchOrder, WatchOrders } from '@holdfast/proto/client';
import { decodePayload } from '@holdfast/transport/decode-payload';

import { operatingErrorOf } from '../errors.ts';
import { requireFewParts } from '../field-count.ts';
import type { HttpContext } from '../http/http-context.ts';
import { kvKeyspace } from '../http/kv-view.ts';
import type { Caller } from './caller.ts';
import { ClientWatch, type WatchGround } from './client-watch.ts';
import { failure, invalid } from './frame-call.ts';
import { FreshWatches } from './fresh-watches.ts';
import { ReportOutlet, type ReportOutletOptions } from './report-outlet.ts';
import { ordersShape } from './request-shape.ts';
import type { WatchCount } from './watch-count.ts';
import { EncodedEvents } from './watch-events.ts';

/** Of one frame. */
const ordersMax = 128 * 1024;
/** Between two looks at who is to be told of progress. */
const progressLookMs = 1000;

/** Of all connections of this process: it is keyed by what the store shares. */
const encodedEvents = new EncodedEvents();

export type ClientWatchesOptions = ReportOutletOptions & {
  readonly context: HttpContext;
  readonly caller: () => Caller;
  /** Whether what the client has shown still counts, as far as that is a matter of time. */
  readonly isProven: () => boolean;
  /** What the client has shown does not count any more. */
  readonly onUnproven: () => void;
  /** Of all connections of the member. */
  readonly count: WatchCount;
};

export class ClientWatches {
  readonly #options: ClientWatchesOptions;
  readonly #outlet: ReportOutlet;
  readonly #watches = new Map<number, ClientWatch>();
  readonly #fresh: FreshWatches;
  /** Those that wait for a revision before they begin: it may never come. */
  readonly #waiting = new Map<ClientWatch, AbortController>();
  /** Those that have more to tell. */
  readonly #ready = new Fifo<ClientWatch>();
  #ground: WatchGround | undefined;
  #ticker: Timer | undefined;
  #isAsked = false;
  #isOver = false;

  constructor(options: ClientWatchesOptions) {
    this.#options = options;
    this.#outlet = new ReportOutlet(options);
    this.#fresh = new FreshWatches(options.context.freshStreams, (watch, reason) =>
      this.#fail(watch, reason),
    );
  }

  /** Throws `corrupt`, which ends the connection. */
  heed(payload: Uint8Array): void {
    requireFewParts(payload, ordersShape, { max: ordersMax, what: 'orders' });
    const { orders } = decodePayload(WatchOrders, payload, 'a frame of orders for watches');
    for (const order of orders) {
      if (this.#isOver) return; // By one of them: nobody would end what begins now.
      this.#carryOut(order);
    }
  }

  /** What waited in the link has left. */
  drained(): void {
    this.#ask();
  }

  /** What was told leaves at once. */
  flush(): void {
    this.#outlet.flush();
  }

  /** The connection is over. */
  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    for (const watch of [...this.#watches.values()]) this.#remove(watch);
    this.#ready.clear();
    this.#leave();
    this.#outlet.close();
  }

  #carryOut({ id, order }: WatchOrder): void {
    const watch = this.#watches.get(id);
    switch (order?.$case) {
      case 'open':
        // Two of one number could never be told apart again.
        if (watch) throw twice(id);
        return this.#open(id, order.value);
      case 'credit':
        // One that has ended meanwhile is owed nothing.
        if (watch) this.#attempt(watch, (ground) => watch.pay(order.value.bytes, ground));
        return;
      case 'cancel':
        if (watch) this.#remove(watch);
        return;
      default:
        this.#refuse(id, invalid('an order for a watch that this version does not know'));
    }
  }

  // ---------------------------------------------------------------- their lives

  #open(id: number, order: WatchOpen): void {
    const { context, count, isProven } = this.#options;
    if (!isProven()) return this.#refuse(id, new AccessError('proof-ended'));
    if (count.isFull) return this.#refuse(id, tooMany(count.max));
    try {
      const watch = new ClientWatch(id, order);
      if (order.maxAgeMs > 0) this.#fresh.add(watch, order.maxAgeMs);
      if (this.#watches.size === 0) context.streams.add(this.#endAll);
      this.#watches.set(id, watch);
      count.add(1);
      if (order.minRevision === 0) this.#begin(watch);
      else void this.#beginLater(watch, order.minRevision); // Tells its own errors.
    } catch (thrown) {
      this.#refuse(id, operatingErrorOf(thrown));
    }
  }

  /** At once, unless it has to be found out first whether the client may watch what it asks for. */
  #begin(watch: ClientWatch): void {
    this.#attempt(watch, (ground) => {
      const admission = watch.admit(ground);
      if (admission)
        void this.#beginAfter(watch, admission); // Tells its own errors.
      else this.#start(watch, ground);
    });
  }

  #start(watch: ClientWatch, ground: WatchGround): void {
    const seen = watch.begin(ground);
    watch.toldMs = this.#options.context.clock.monotonicMs();
    this.#outlet.tell(watch.id, { $case: 'started', value: { revision: seen } });
    if (watch.progressMs > 0) this.#ticker ??= this.#tickLater();
  }

  /** Never rejects. */
  async #beginAfter(watch: ClientWatch, admission: Promise<unknown>): Promise<void> {
    try {
      await admission;
    } catch (thrown) {
      return this.#fail(watch, thrown);
    }
    if (!watch.isOver) this.#attempt(watch, (ground) => this.#start(watch, ground));
  }

  /** Never rejects. */
  async #beginLater(watch: ClientWatch, minRevision: number): Promise<void> {
    const { context, caller } = this.#options;
    const { signal } = this.#newWait(watch);
    const anything = rangeRequest({ keyspace: kvKeyspace, key: new Uint8Array(1) });
    // For the wait alone: what the client may see is judged when the watch begins.
    const asker = { actor: caller().actor, subject: 'own', signal } as const;
    const read = { ...asker, minRevision: revision(minRevision) };
    try {
      await context.slot.engine.range(anything, { ...read, consistency: { level: 'stale' } });
      this.#waiting.delete(watch);
      if (!watch.isOver) this.#begin(watch);
    } catch (thrown) {
      this.#fail(watch, thrown);
    }
  }

  #newWait(watch: ClientWatch): AbortController {
    const wait = new AbortController();
    this.#waiting.set(watch, wait);
    return wait;
  }

  /** What goes wrong ends the watch, and its client is told. */
  #attempt(watch: ClientWatch, deed: (ground: WatchGround) => void): void {
    try {
      deed(this.#standing());
      if (watch.hasMore) this.#isReady(watch);
    } catch (thrown) {
      this.#fail(watch, thrown);
    }
  }

  /** Throws while there is no engine. */
  #standing(): WatchGround {
    this.#ground ??= this.#newGround();
    return this.#ground;
  }

  #newGround(): WatchGround {
    const { context, caller } = this.#options;
    const onFail = (reason: HoldfastError): void => {
      if (this.#ground?.watches === watches) this.#forgetGround();
      this.#endAll(reason);
    };
    const watches: PulledWatches = context.slot.engine.pull(onFail, caller().subject);
    const onReady = (watch: ClientWatch): void => this.#isReady(watch);
    return { watches, events: encodedEvents, outlet: this.#outlet, onReady };
  }

  /** The member ends, or is in doubt of its state: they go on elsewhere. */
  readonly #endAll = (reason: HoldfastError): void => {
    for (const watch of [...this.#watches.values()]) this.#fail(watch, reason);
  };

  #fail(watch: ClientWatch, thrown: unknown): void {
    if (watch.isOver) return;
    this.#remove(watch);
    this.#refuse(watch.id, operatingErrorOf(thrown));
  }

  #refuse(id: number, error: HoldfastError): void {
    const { context, onUnproven } = this.#options;
    context.failures.add(error.code);
    if (error.code === 'internal') context.onFault(error.cause, 'frames, watch');
    this.#outlet.tell(id, { $case: 'failure', value: failure(error) });
    if (error.code === 'unauthenticated') onUnproven();
  }

  #remove(watch: ClientWatch): void {
    watch.close();
    this.#fresh.remove(watch);
    this.#waiting.get(watch)?.abort();
    this.#waiting.delete(watch);
    if (this.#watches.delete(watch.id)) this.#options.count.add(-1);
    if (this.#watches.size === 0) this.#leave();
  }

  /** Nobody watches any more. */
  #leave(): void {
    this.#options.context.streams.delete(this.#endAll);
    this.#ticker?.cancel();
    this.#ticker = undefined;
    this.#ground?.watches.close();
    this.#forgetGround();
  }

  /** A turn that was asked for there never comes. */
  #forgetGround(): void {
    this.#ground = undefined;
    this.#isAsked = false;
  }

  // ---------------------------------------------------------------- turns

  #isReady(watch: ClientWatch): void {
    if (watch.isReady || watch.isOver) return;
    watch.isReady = true;
    this.#ready.push(watch);
    this.#ask();
  }

  #ask(): void {
    if (this.#isAsked || this.#ready.length === 0 || !this.#outlet.hasRoom) return;
    if (!this.#ground) return;
    this.#isAsked = true;
    this.#ground.watches.askTurn(this.#turn);
  }

  readonly #turn = (): number => {
    this.#isAsked = false;
    const watch = this.#ready.shift();
    if (!watch) return 0;
    watch.isReady = false;
    let told = 0;
    if (!watch.isOver) {
      this.#attempt(watch, (ground) => {
        told = watch.tell(ground);
        if (told > 0) watch.toldMs = this.#options.context.clock.monotonicMs();
      });
    }
    this.#ask();
    return told;
  };

  // ---------------------------------------------------------------- progress

  #tickLater(): Timer {
    return this.#options.context.clock.schedule(progressLookMs, () => this.#tick());
  }

  #tick(): void {
    this.#ticker = this.#tickLater();
    const nowMs = this.#options.context.clock.monotonicMs();
    const ground = this.#ground;
    for (const watch of this.#watches.values()) {
      if (!ground || !this.#outlet.hasRoom) return;
      const isDue = watch.progressMs > 0 && nowMs - watch.toldMs >= watch.progressMs;
      if (isDue && watch.tellProgress(ground)) watch.toldMs = nowMs;
    }
  }
}

const tooMany = (max: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${max} watches of clients are open on this member: watch on another one`,
  );

const twice = (id: number): HoldfastError =>
  new HoldfastError('corrupt', `watch ${id} is open already`);
