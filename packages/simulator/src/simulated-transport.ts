// The replica's PeerTransport over the simulated network. Consensus messages go through the real
// codec, so what is sent is bytes; everything arrives in the receiver's process at the network's
// time.
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { Message } from '@holdfast/raft/message';
import { decodeMessage, encodeMessage } from '@holdfast/replica/message-codec';
import type {
  ForwardRequest,
  ForwardResponse,
  OutgoingSnapshot,
  PeerHandler,
  PeerTransport,
  StoredSnapshot,
} from '@holdfast/replica/ports';
import type { Attachment, Connection, Network } from './network.ts';
import { SnapshotStream } from './snapshot-stream.ts';
import type { VirtualClock } from './virtual-clock.ts';

export type SimulatedTransportOptions = {
  readonly member: MemberId;
  readonly bootEpoch: number;
  readonly clock: VirtualClock;
  readonly network: Network;
  /** Finds the transport behind an attachment. */
  readonly registry: TransportRegistry;
};

/** Which transport stands behind which attachment; one for a whole world. */
export type TransportRegistry = WeakMap<Attachment, SimulatedTransport>;

/** A snapshot that has not arrived after so long is given up. */
const snapshotTimeoutMs = 10_000;

type Outgoing = { readonly resolve: () => void; readonly reject: (error: unknown) => void };

export class SimulatedTransport implements PeerTransport {
  readonly attachment: Attachment;
  readonly #network: Network;
  readonly #registry: TransportRegistry;
  readonly #clock: VirtualClock;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #incoming = new Map<string, SnapshotStream>();
  #handler: PeerHandler | undefined;
  #streams = 0;

  constructor({ member, bootEpoch, clock, network, registry }: SimulatedTransportOptions) {
    this.#network = network;
    this.#registry = registry;
    this.#clock = clock;
    this.attachment = {
      member,
      bootEpoch,
      clock,
      onNews: (news) => {
        if (news.type === 'unreachable') this.#breakStreams(news.peer);
        this.#handler?.onPeerEvent(news);
      },
    };
    registry.set(this.attachment, this);
  }

  async start(handler: PeerHandler): Promise<void> {
    this.#handler = handler;
    this.#network.attach(this.attachment);
  }

  send(message: Message): void {
    const bytes = encodeMessage(message);
    const isLog = message.type === 'append-entries' || message.type === 'append-entries-response';
    const lane = { connection: isLog ? 'log' : 'control', mayRepeat: true } as const;
    this.#post(message.to, lane, ({ handler }) => handler.onMessage(decodeMessage(bytes)));
  }

  forward(to: MemberId, requests: readonly ForwardRequest[]): boolean {
    if (!this.isConnected(to)) return false;
    const { member } = this.attachment;
    this.#post(to, reliableLog, ({ handler }) => handler.onForward(member, requests));
    return true;
  }

  forwarded(to: MemberId, responses: readonly ForwardResponse[]): void {
    const { member } = this.attachment;
    this.#post(to, reliableLog, ({ handler }) => handler.onForwarded(member, responses));
  }

  async sendSnapshot({ to, snapshot, chunks, signal }: OutgoingSnapshot): Promise<void> {
    if (!this.isConnected(to)) throw new HoldfastError('unavailable', `no connection to ${to}`);
    this.#streams += 1;
    const stream = this.#streams;
    const from = this.attachment;
    const arrived = new Promise<void>((resolve, reject) => {
      this.#outgoing.set(stream, { resolve, reject });
    });
    arrived.catch(() => undefined); // Awaited below, unless sending itself fails first.
    const timer = this.#clock.schedule(snapshotTimeoutMs, () => this.#give(stream, 'timed out'));
    const onAbort = (): void => this.#give(stream, 'given up');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#post(to, bulk, (peer) => peer.transport.#begin(from, stream, snapshot));
      let position = 0;
      for await (const chunk of chunks) {
        const [at, copy] = [position, chunk.slice()];
        position += 1;
        this.#post(to, bulk, (peer) => peer.transport.#incomingOf(from, stream)?.take(at, copy));
      }
      const end = position;
      this.#post(to, bulk, (peer) =>
        peer.transport.#incomingOf(from, stream)?.take(end, undefined),
      );
      await arrived;
    } finally {
      timer.cancel();
      signal.removeEventListener('abort', onAbort);
      this.#outgoing.delete(stream);
    }
  }

  isConnected(peer: MemberId): boolean {
    return this.#network.believesUp(this.attachment.member, peer);
  }

  async close(): Promise<void> {
    this.#network.detach(this.attachment, 'refused');
    this.#handler = undefined;
  }

  #begin(from: Attachment, stream: number, snapshot: StoredSnapshot): void {
    const incoming = new SnapshotStream();
    const name = nameOf(from, stream);
    this.#incoming.set(name, incoming);
    const { last, configuration, stateHash } = snapshot;
    const answer = (failure: string | undefined): void => {
      this.#incoming.delete(name);
      this.#post(from.member, bulk, (peer) => {
        if (peer.transport.attachment === from) peer.transport.#give(stream, failure);
      });
    };
    const meta = { last, configuration };
    const received = { from: from.member, meta, stateHash, chunks: incoming };
    this.#handler?.onSnapshot(received).then(
      () => answer(undefined),
      (error: unknown) => answer(messageOf(error)),
    );
  }

  /** One of this member's own streams ended, well or not. */
  #give(stream: number, failure: string | undefined): void {
    const outgoing = this.#outgoing.get(stream);
    if (failure === undefined) outgoing?.resolve();
    else outgoing?.reject(new HoldfastError('unavailable', `snapshot not sent: ${failure}`));
  }

  #incomingOf(from: Attachment, stream: number): SnapshotStream | undefined {
    return this.#incoming.get(nameOf(from, stream));
  }

  #breakStreams(peer: MemberId): void {
    for (const [name, stream] of this.#incoming) {
      if (name.startsWith(`${peer} `)) stream.fail('the connection broke');
    }
  }

  #post(
    to: MemberId,
    lane: { readonly connection: Connection; readonly mayRepeat: boolean },
    deliver: (peer: { transport: SimulatedTransport; handler: PeerHandler }) => void,
  ): void {
    this.#network.carry({
      ...lane,
      from: this.attachment,
      to,
      deliver: (receiver) => {
        const transport = this.#registry.get(receiver);
        const handler = transport ? transport.#handler : undefined;
        if (transport && handler) deliver({ transport, handler });
      },
    });
  }
}

const reliableLog = { connection: 'log', mayRepeat: false } as const;
const bulk = { connection: 'bulk', mayRepeat: false } as const;

const nameOf = (from: Attachment, stream: number): string =>
  `${from.member} ${from.bootEpoch} ${stream}`;
