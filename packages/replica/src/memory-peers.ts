// The memory twin of the connections between members: a network to which each boot of a member is
// attached. In order for each pair, through the clock, best effort; a pair can be cut in silence,
// and a member that closes refuses, as its machine would.
import { type Clock, sleep } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { OutgoingSnapshot, PeerEvent, PeerHandler, PeerTransport } from './ports.ts';

export type MemoryPeersOptions = {
  readonly clock: Clock;
  /** One-way delay of everything. Default: 0, which is still a turn of its own. */
  readonly latencyMs?: number;
};

type Attached = {
  readonly id: MemberId;
  readonly bootEpoch: number;
  readonly handler: PeerHandler;
};

export class MemoryPeers {
  readonly #clock: Clock;
  readonly #latencyMs: number;
  readonly #attached = new Map<MemberId, Attached>();
  readonly #cuts = new Set<string>();

  constructor(options: MemoryPeersOptions) {
    this.#clock = options.clock;
    this.#latencyMs = options.latencyMs ?? 0;
  }

  /** The network as one boot of one member sees it. */
  transport(id: MemberId, bootEpoch: number): PeerTransport {
    return new MemoryPeerTransport(this, { id, bootEpoch });
  }

  /** Nothing passes between the two any more, and nobody is told. */
  cut(a: MemberId, b: MemberId): void {
    this.#cuts.add(pairOf(a, b));
  }

  /** The pair connects anew. */
  heal(a: MemberId, b: MemberId): void {
    if (!this.#cuts.delete(pairOf(a, b))) return;
    const [one, other] = [this.#attached.get(a), this.#attached.get(b)];
    if (!one || !other) return;
    for (const [self, peer] of [
      [one, other],
      [other, one],
    ] as const) {
      this.#tell(self, { type: 'unreachable', peer: peer.id, refused: false });
      this.#tell(self, { type: 'connected', peer: peer.id, bootEpoch: peer.bootEpoch });
    }
  }

  isLinked(from: Attached, to: MemberId): boolean {
    return (
      this.#attached.get(from.id) === from &&
      this.#attached.has(to) &&
      !this.#cuts.has(pairOf(from.id, to))
    );
  }

  attach(self: Attached): void {
    for (const peer of this.#attached.values()) {
      if (this.#cuts.has(pairOf(self.id, peer.id))) continue;
      this.#tell(self, { type: 'connected', peer: peer.id, bootEpoch: peer.bootEpoch });
      this.#tell(peer, { type: 'connected', peer: self.id, bootEpoch: self.bootEpoch });
    }
    this.#attached.set(self.id, self);
  }

  /** The process is gone: whoever can reach its machine is told so. */
  detach(self: Attached): void {
    if (this.#attached.get(self.id) !== self) return;
    this.#attached.delete(self.id);
    for (const peer of this.#attached.values()) {
      if (this.#cuts.has(pairOf(self.id, peer.id))) continue;
      this.#tell(peer, { type: 'unreachable', peer: self.id, refused: true });
    }
  }

  /** Runs in the receiver's process, unless one of the two ends before, or the pair is cut. */
  deliver(from: Attached, to: MemberId, run: (receiver: Attached) => void): void {
    const receiver = this.#attached.get(to);
    if (!receiver || !this.isLinked(from, to)) return;
    this.#clock.schedule(this.#latencyMs, () => {
      if (this.isLinked(from, to) && this.#attached.get(to) === receiver) run(receiver);
    });
  }

  /** A stream from one to the other: it breaks with the link. */
  async *stream(
    from: Attached,
    to: MemberId,
    chunks: AsyncIterable<Uint8Array>,
  ): AsyncGenerator<Uint8Array> {
    for await (const chunk of chunks) {
      await sleep(this.#clock, this.#latencyMs);
      if (!this.isLinked(from, to)) throw brokeOff();
      yield chunk.slice();
    }
  }

  handlerOf(id: MemberId): PeerHandler | undefined {
    return this.#attached.get(id)?.handler;
  }

  #tell(whom: Attached, event: PeerEvent): void {
    this.#clock.schedule(this.#latencyMs, () => {
      if (this.#attached.get(whom.id) === whom) whom.handler.onPeerEvent(event);
    });
  }
}

class MemoryPeerTransport implements PeerTransport {
  readonly #peers: MemoryPeers;
  readonly #who: { readonly id: MemberId; readonly bootEpoch: number };
  #self: Attached | undefined;

  constructor(peers: MemoryPeers, who: { readonly id: MemberId; readonly bootEpoch: number }) {
    this.#peers = peers;
    this.#who = who;
  }

  async start(handler: PeerHandler): Promise<void> {
    this.#self = { ...this.#who, handler };
    this.#peers.attach(this.#self);
  }

  send: PeerTransport['send'] = (message) => {
    if (!this.#self) return;
    this.#peers.deliver(this.#self, message.to, ({ handler }) => handler.onMessage(message));
  };

  forward: PeerTransport['forward'] = (to, requests) => {
    const self = this.#self;
    if (!self || !this.#peers.isLinked(self, to)) return false;
    // Bytes of another process: what happens to them there is not seen here.
    const copies = requests.map((request) => ({ ...request, body: request.body.slice() }));
    this.#peers.deliver(self, to, ({ handler }) => handler.onForward(self.id, copies));
    return true;
  };

  forwarded: PeerTransport['forwarded'] = (to, responses) => {
    const self = this.#self;
    if (self)
      this.#peers.deliver(self, to, ({ handler }) => handler.onForwarded(self.id, responses));
  };

  async sendSnapshot({ to, snapshot, chunksFrom, signal }: OutgoingSnapshot): Promise<void> {
    const self = this.#self;
    signal.throwIfAborted();
    if (!self || !this.#peers.isLinked(self, to)) throw brokeOff();
    await this.#peers.handlerOf(to)?.onSnapshot({
      from: self.id,
      snapshot,
      chunksFrom: (offset) => this.#peers.stream(self, to, chunksFrom(offset)),
    });
    if (!this.#peers.isLinked(self, to)) throw brokeOff();
  }

  isConnected(peer: MemberId): boolean {
    return this.#self !== undefined && this.#peers.isLinked(this.#self, peer);
  }

  async close(): Promise<void> {
    if (this.#self) this.#peers.detach(this.#self);
    this.#self = undefined;
  }
}

const pairOf = (a: MemberId, b: MemberId): string => (a < b ? `${a}-${b}` : `${b}-${a}`);

const brokeOff = (): HoldfastError => new HoldfastError('unavailable', 'the connection broke off');
