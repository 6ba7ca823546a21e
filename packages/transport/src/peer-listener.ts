// The listening side: everything that peers send to this member. It owns the accepted connections
// (at most one a peer and purpose, and a bounded number of strangers), and routes frames by
// purpose.
import { HoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { SnapshotBegin } from '@holdfast/proto/peer';
import { type Frame, frameKinds, peerDialect } from './frame.ts';
import type { Introduced, Purpose } from './handshake.ts';
import { InboundConnection } from './inbound-connection.ts';
import type { Link, LinkListener } from './link.ts';
import { type MemberContext, newFrameLink } from './peer-dialer.ts';
import { type ChunksFrom, SnapshotReceiver } from './snapshot-receiver.ts';

export interface PeerListenerHandler {
  /** A peer has dialled this member: it lives, whatever the own connections to it say. */
  onHello(introduced: Introduced): void;
  onHeard(peer: MemberId): void;
  /** On control and log connections. A HoldfastError that it throws ends the connection. */
  onFrame(peer: MemberId, frame: Frame): void;
  onSnapshot(peer: MemberId, begin: SnapshotBegin, chunksFrom: ChunksFrom): Promise<void>;
  /** What the peer had sent on it may be lost. */
  onLost(peer: MemberId, purpose: Purpose, reason: string): void;
  /** Somebody was turned away before it was known who it is. */
  onStranger(remoteAddress: string, reason: string): void;
}

export type ListenerCounters = {
  accepted: number;
  strangersRefused: number;
  framesReceived: number;
  bytesReceived: number;
};

type Served = {
  readonly connection: InboundConnection;
  readonly purpose: Purpose;
  readonly snapshot: SnapshotReceiver | undefined;
};

export class PeerListener {
  readonly counters: ListenerCounters = {
    accepted: 0,
    strangersRefused: 0,
    framesReceived: 0,
    bytesReceived: 0,
  };
  readonly #context: MemberContext;
  readonly #handler: PeerListenerHandler;
  readonly #strangers = new Set<InboundConnection>();
  readonly #served = new Map<InboundConnection, Served>();
  #listener: LinkListener | undefined;
  #closed = false;

  constructor(context: MemberContext, handler: PeerListenerHandler) {
    this.#context = context;
    this.#handler = handler;
  }

  /** Answers the address with the port that it got. Rejects with `failed-precondition`. */
  async listen(address: string): Promise<string> {
    const listener = await this.#context.network.listen(address, (link) => this.#accept(link));
    this.#listener = listener;
    return listener.address;
  }

  get strangerCount(): number {
    return this.#strangers.size;
  }

  /** Ends connections to a process of `peer` that was started before the one of `bootEpoch`. */
  endOlderBoots(peer: MemberId): void {
    for (const connection of [...this.#served.keys()]) {
      if (connection.peer === peer) connection.end('the peer was started again');
    }
  }

  /** Ends connections of whoever would be refused by what is known now. */
  judgeAgain(): void {
    for (const connection of [...this.#served.keys()]) {
      const refused = connection.hello && this.#context.verifyPeer(connection.hello);
      if (refused) connection.end(refused.message);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const connection of [...this.#strangers, ...this.#served.keys()]) {
      connection.end('this member is closing');
    }
    await this.#listener?.close();
  }

  #accept(raw: Link): void {
    if (this.#closed) {
      raw.destroy();
      return;
    }
    this.counters.accepted += 1;
    const link = newFrameLink(this.#context, raw, { purpose: 'control', dialect: peerDialect });
    const connection = new InboundConnection(this.#context, link, {
      onIntroduced: (one, introduced) => this.#introduced(one, introduced),
      onFrame: (one, frame) => this.#route(one, frame),
      onHeard: ({ peer }) => {
        if (peer !== undefined) this.#handler.onHeard(peer);
      },
      onOver: (one, reason) => this.#over(one, reason),
    });
    this.#strangers.add(connection);
    this.#boundStrangers();
    connection.open();
  }

  /** A crowd that says nothing must not keep a peer out: the oldest stranger makes room. */
  #boundStrangers(): void {
    if (this.#strangers.size <= this.#context.settings.strangersMax) return;
    const [oldest] = this.#strangers;
    oldest?.end('too many connections without a handshake');
  }

  #introduced(connection: InboundConnection, introduced: Introduced): void {
    const { hello, purpose } = introduced;
    this.#strangers.delete(connection);
    this.#replace(hello.memberId, purpose);
    const snapshot = purpose === 'bulk' ? this.#newReceiver(connection, hello.memberId) : undefined;
    this.#served.set(connection, { connection, purpose, snapshot });
    this.#handler.onHello(introduced);
  }

  /** The peer knows best which of its connections is the living one: the newest. */
  #replace(peer: MemberId, purpose: Purpose): void {
    for (const served of [...this.#served.values()]) {
      if (served.connection.peer === peer && served.purpose === purpose) {
        served.connection.end('the peer dialled again');
      }
    }
  }

  #newReceiver(connection: InboundConnection, peer: MemberId): SnapshotReceiver {
    return new SnapshotReceiver({
      windowBytes: this.#context.settings.snapshotWindowBytes,
      send: (kind, payload) => void connection.link.send(kind, payload),
      accept: (begin, chunksFrom) => this.#handler.onSnapshot(peer, begin, chunksFrom),
    });
  }

  #route(connection: InboundConnection, frame: Frame): void {
    const served = this.#served.get(connection);
    if (served === undefined || connection.peer === undefined) return;
    if (served.snapshot) served.snapshot.onFrame(frame);
    else if (allowed[served.purpose].has(frame.kind)) this.#handler.onFrame(connection.peer, frame);
    else {
      const text = `kind ${frame.kind} does not belong on a ${served.purpose} connection`;
      throw new HoldfastError('corrupt', text);
    }
  }

  #over(connection: InboundConnection, reason: string | undefined): void {
    const { counters } = connection.link;
    this.counters.framesReceived += counters.framesReceived;
    this.counters.bytesReceived += counters.bytesReceived;
    if (this.#strangers.delete(connection)) this.#strangerOver(connection, reason);
    const served = this.#served.get(connection);
    if (served === undefined || connection.peer === undefined || reason === undefined) return;
    this.#served.delete(connection);
    served.snapshot?.onLost(reason);
    this.#handler.onLost(connection.peer, served.purpose, reason);
  }

  /** Who leaves without a word wanted to know whether the way is lit, as a peer's probe does. */
  #strangerOver(connection: InboundConnection, reason: string | undefined): void {
    if (reason === undefined) return;
    this.counters.strangersRefused += 1;
    this.#handler.onStranger(connection.link.remoteAddress, reason);
  }
}

const allowed: Readonly<Record<Purpose, ReadonlySet<number>>> = {
  control: new Set([frameKinds.message, frameKinds.askRequest, frameKinds.askResponse]),
  log: new Set([frameKinds.message, frameKinds.forwardRequests, frameKinds.forwardResponses]),
  bulk: new Set(),
};
