// The memory twin of tcp-link.ts: hosts by name, links between them, all delivery through a Clock.
// It behaves as TCP does under the faults that matter: a blocked direction holds bytes back and
// delivers them after it heals, a killed host ends its links and refuses, a frozen one is just
// silent.
import { assert } from '@holdfast/base/assert';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { formatAddress, parseAddress } from './address.ts';
import {
  dialError,
  type Link,
  type LinkEnd,
  type LinkHandler,
  type LinkListener,
  type LinkNetwork,
} from './link.ts';

export type MemoryNetworkOptions = {
  /** One-way delay of what is sent now. Default: 0. */
  readonly latencyMs?: (from: string, to: string) => number;
  /** Sends are delivered in pieces of at most this many bytes. Default: whole. */
  readonly pieceBytesMax?: number;
  /**
   * What was held back is sent again when a kernel would: after 0.2 s, then after twice as long
   * each time, a dial after 1 s and so on. Default: as soon as the direction heals.
   */
  readonly retransmits?: boolean;
};

/** RFC 6298, as Linux has it: of data on a quick way, and of a connection request. */
const dataAgainMs = 200;
const dialAgainMs = 1000;

/** How long until something that has been sent in vain since then is sent again, doubling. */
function untilSentAgainMs(sinceMs: number, nowMs: number, firstMs: number): number {
  let dueMs = sinceMs + firstMs;
  for (let gapMs = firstMs * 2; dueMs < nowMs; gapMs *= 2) dueMs += gapMs;
  return dueMs - nowMs;
}

type Accept = (link: Link) => void;

export class MemoryNetwork {
  readonly clock: Clock;
  readonly #options: MemoryNetworkOptions;
  readonly #listeners = new Map<string, Accept>();
  readonly #blocked = new Set<string>();
  readonly #links = new Set<MemoryLink>();
  /** Since when. */
  readonly #waitingDials = new Map<() => void, number>();
  #lastPort = 40_000;
  #sendingAgain = 0;

  constructor(clock: Clock, options: MemoryNetworkOptions = {}) {
    this.clock = clock;
    this.#options = options;
  }

  /** The network as the machine named `host` sees it. */
  host(host: string): LinkNetwork {
    return {
      dial: (address, signal) => this.#dial(host, address, signal),
      listen: (address, onLink) => this.#listen(address, onLink),
      endOfTurn: (action) => void this.clock.schedule(0, action),
      afterEvent: (action) => void this.clock.schedule(0, action),
    };
  }

  /** Holds back everything that `from` sends to `to`, dials included, until unblock. */
  block(from: string, to: string): void {
    this.#blocked.add(`${from}>${to}`);
  }

  unblock(from: string, to: string): void {
    this.#blocked.delete(`${from}>${to}`);
    for (const link of this.#links) link.pump();
    for (const [retry, sinceMs] of [...this.#waitingDials]) {
      const again = (): void => {
        if (this.#waitingDials.has(retry)) retry();
      };
      this.sendAgain(sinceMs, again, dialAgainMs);
    }
  }

  /** The process at `host` dies: its links end with a goodbye, and it listens no more. */
  kill(host: string): void {
    for (const address of [...this.#listeners.keys()]) {
      if (parseAddress(address).host === host) this.#listeners.delete(address);
    }
    for (const link of [...this.#links]) {
      if (link.localHost === host) link.vanish({ type: 'ended' });
    }
  }

  /** Every link between the two fails, at both ends. */
  reset(a: string, b: string): void {
    for (const link of [...this.#links]) {
      const { localHost: local, remoteHost: remote } = link;
      if ((local === a && remote === b) || (local === b && remote === a)) {
        link.fail('connection reset');
      }
    }
  }

  /** Ends of links that live. */
  get linkCount(): number {
    return [...this.#links].filter((link) => !link.isOver).length;
  }

  isBlocked(from: string, to: string): boolean {
    return this.#blocked.has(`${from}>${to}`);
  }

  latencyMs(from: string, to: string): number {
    return this.#options.latencyMs?.(from, to) ?? 0;
  }

  /** Timers of the kernels, not of anybody who uses the network. */
  get sendingAgain(): number {
    return this.#sendingAgain;
  }

  /** After a heal, for what was held back since then: does it when it is next sent. */
  sendAgain(sinceMs: number, send: () => void, firstMs = dataAgainMs): void {
    const nowMs = this.clock.monotonicMs();
    const retransmits = this.#options.retransmits === true;
    this.#sendingAgain += 1;
    this.clock.schedule(retransmits ? untilSentAgainMs(sinceMs, nowMs, firstMs) : 0, () => {
      this.#sendingAgain -= 1;
      send();
    });
  }

  get pieceBytesMax(): number {
    return this.#options.pieceBytesMax ?? Number.POSITIVE_INFINITY;
  }

  forget(link: MemoryLink): void {
    this.#links.delete(link);
  }

  #listen(address: string, onLink: Accept): Promise<LinkListener> {
    const { host, port } = parseAddress(address);
    const bound = formatAddress({ host, port: port === 0 ? ++this.#lastPort : port });
    if (this.#listeners.has(bound)) {
      const text = `cannot listen on ${bound}: another process listens there`;
      return Promise.reject(
        new HoldfastError('failed-precondition', text, {
          details: { address: bound, inUse: true },
        }),
      );
    }
    this.#listeners.set(bound, onLink);
    const close = (): Promise<void> => {
      if (this.#listeners.get(bound) === onLink) this.#listeners.delete(bound);
      return Promise.resolve();
    };
    return Promise.resolve({ address: bound, close });
  }

  /** A connection needs both directions: a request that is lost is sent again after one heals. */
  #dial(from: string, address: string, signal: AbortSignal): Promise<Link> {
    const to = parseAddress(address).host;
    return new Promise((resolve, reject) => {
      const finish = (settle: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        this.#waitingDials.delete(attempt);
        settle();
      };
      const onAbort = (): void => finish(() => reject(signal.reason));
      const attempt = (): void => {
        if (this.isBlocked(from, to) || this.isBlocked(to, from)) return;
        this.#waitingDials.delete(attempt);
        const roundTripMs = this.latencyMs(from, to) + this.latencyMs(to, from);
        this.clock.schedule(roundTripMs, () => {
          if (signal.aborted) return;
          finish(() => this.#connect({ from, address, resolve, reject }));
        });
      };
      if (signal.aborted) return reject(signal.reason);
      signal.addEventListener('abort', onAbort, { once: true });
      this.#waitingDials.set(attempt, this.clock.monotonicMs());
      attempt();
    });
  }

  #connect(dial: {
    readonly from: string;
    readonly address: string;
    readonly resolve: (link: Link) => void;
    readonly reject: (error: unknown) => void;
  }): void {
    const accept = this.#listeners.get(dial.address);
    if (!accept) {
      dial.reject(dialError({ address: dial.address, refused: true }, 'ECONNREFUSED'));
      return;
    }
    const to = parseAddress(dial.address).host;
    const near = new MemoryLink(this, dial.from, dial.address);
    const far = new MemoryLink(
      this,
      to,
      formatAddress({ host: dial.from, port: ++this.#lastPort }),
    );
    near.join(far);
    far.join(near);
    this.#links.add(near).add(far);
    accept(far);
    dial.resolve(near);
  }
}

type Delivery = { readonly bytes: Uint8Array } | { readonly end: LinkEnd };

class MemoryLink implements Link {
  readonly localHost: string;
  readonly remoteHost: string;
  readonly remoteAddress: string;
  readonly #network: MemoryNetwork;
  #other: MemoryLink | undefined;
  #handler: LinkHandler | undefined;
  /** Sent by this end, not yet arrived at the other. */
  #outgoing: Delivery[] = [];
  #pendingBytes = 0;
  #lastArrivalMs = 0;
  /** Arrived here before open(). */
  #early: Delivery[] = [];
  #state: 'open' | 'closing' | 'over' = 'open';
  /** Since when its bytes have been sent in vain. */
  #stuckSinceMs: number | undefined;

  constructor(network: MemoryNetwork, localHost: string, remoteAddress: string) {
    this.#network = network;
    this.localHost = localHost;
    this.remoteAddress = remoteAddress;
    this.remoteHost = parseAddress(remoteAddress).host;
  }

  join(other: MemoryLink): void {
    this.#other = other;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  get isOver(): boolean {
    return this.#state === 'over';
  }

  open(handler: LinkHandler): void {
    assert(this.#handler === undefined, 'a link is opened once');
    this.#handler = handler;
    for (const delivery of this.#early.splice(0)) this.#deliver(delivery);
  }

  send(parts: readonly Uint8Array[]): void {
    if (this.#state !== 'open') return;
    for (const part of parts) {
      const piece = Math.min(this.#network.pieceBytesMax, Math.max(1, part.length));
      for (let at = 0; at < part.length; at += piece) {
        this.#transmit({ bytes: part.subarray(at, Math.min(part.length, at + piece)) });
      }
    }
  }

  close(): void {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    this.#transmit({ end: { type: 'ended' } });
  }

  destroy(): void {
    this.#handler = undefined;
    this.vanish({ type: 'failed', reason: 'connection reset' });
  }

  /** This end is gone at once, with what it had not delivered; the other hears `end`. */
  vanish(end: LinkEnd): void {
    if (this.#state === 'over') return;
    this.#outgoing = [];
    this.#pendingBytes = 0;
    this.#state = 'over';
    this.#handler = undefined;
    this.#transmit({ end });
  }

  fail(reason: string): void {
    this.#receive({ end: { type: 'failed', reason } });
  }

  /** Lets held bytes go on their way after a direction has healed. */
  pump(): void {
    if (this.#outgoing.length === 0 || this.#stuckSinceMs === undefined) return;
    const sinceMs = this.#stuckSinceMs;
    this.#network.sendAgain(sinceMs, () => {
      // It may have been stuck, freed and stuck again since then.
      if (this.#stuckSinceMs !== sinceMs) return;
      if (this.#network.isBlocked(this.localHost, this.remoteHost)) return;
      this.#stuckSinceMs = undefined;
      this.#arrive(this.#outgoing.length);
    });
  }

  #transmit(delivery: Delivery): void {
    const { clock } = this.#network;
    this.#outgoing.push(delivery);
    if ('bytes' in delivery) this.#pendingBytes += delivery.bytes.length;
    const delayMs = this.#network.latencyMs(this.localHost, this.remoteHost);
    // A later send never arrives before an earlier one, however the latency moves.
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, clock.monotonicMs() + delayMs);
    clock.schedule(this.#lastArrivalMs - clock.monotonicMs(), () => this.#arrive(1));
  }

  #arrive(count: number): void {
    for (let n = 0; n < count; n += 1) {
      if (this.#network.isBlocked(this.localHost, this.remoteHost)) {
        this.#stuckSinceMs ??= this.#network.clock.monotonicMs();
      }
      // Nothing overtakes what is stuck.
      if (this.#stuckSinceMs !== undefined) return;
      const delivery = this.#outgoing.shift();
      if (!delivery) break;
      if ('bytes' in delivery) this.#pendingBytes -= delivery.bytes.length;
      if (this.#other) this.#other.#receive(delivery);
      if ('bytes' in delivery && this.#pendingBytes === 0) this.#handler?.onDrain?.();
    }
    if (this.isOver && this.#outgoing.length === 0) this.#network.forget(this);
  }

  #receive(delivery: Delivery): void {
    if (this.#handler) this.#deliver(delivery);
    else this.#early.push(delivery);
  }

  #deliver(delivery: Delivery): void {
    if (this.#state === 'over') return;
    if ('bytes' in delivery) {
      this.#handler?.onBytes(delivery.bytes);
      return;
    }
    // A goodbye is answered by one: only then has the side that closes certainly been heard.
    const end: LinkEnd = this.#state === 'closing' ? { type: 'closed' } : delivery.end;
    this.#state = 'over';
    this.#transmit({ end: { type: 'ended' } });
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.onEnd(end);
  }
}
