// The replica's PeerTransport over the simulated network. Consensus messages go through the real
// codec, so what is sent is bytes; everything arrives in the receiver's process at the network's
// time.
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { Message } from '@holdfast/raft/message';
import { connectionOf, decodeMessage, encodeMessage } from '@holdfast/replica/message-codec';
import type {
  ForwardRequest,
  ForwardResponse,
  MemberIdentity,
  OutgoingSnapshot,
  PeerHandler,
  PeerTransport,
  StoredSnapshot,
} from '@holdfast/replica/ports';
import type { Attachment, Frame, Network } from './network.ts';
import { SnapshotStream } from './snapshot-stream.ts';
import type { VirtualClock } from './virtual-clock.ts';

export type SimulatedTransportOptions = {
  readonly identity: MemberIdentity;
  readonly clock: VirtualClock;
  readonly network: Network;
  /** Whether this data directory may speak for that member (safety.md 15). */
  readonly acceptsStore: (member: MemberId, storeId: bigint) => boolean;
  /** Finds the transport behind an attachment. */
  readonly registry: TransportRegistry;
  /** Of every message as it leaves. */
  readonly onSent: (message: Message) => void;
};

/** Which transport stands behind which attachment; one for a whole world. */
export type TransportRegistry = WeakMap<Attachment, SimulatedTransport>;

/** A snapshot that has not arrived after so long is given up. */
const snapshotTimeoutMs = 10_000;

type Outgoing = {
  /** The receiver wants the bytes from there on. */
  readonly ask: (offset: number) => void;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
};

export class SimulatedTransport implements PeerTransport {
  readonly attachment: Attachment;
  readonly #network: Network;
  readonly #onSent: (message: Message) => void;
  readonly #registry: TransportRegistry;
  readonly #clock: VirtualClock;
  readonly #outgoing = new Map<number, Outgoing>();
  readonly #incoming = new Map<string, SnapshotStream>();
  #handler: PeerHandler | undefined;
  #streams = 0;

  constructor(options: SimulatedTransportOptions) {
    const { identity, clock, network, registry, acceptsStore, onSent } = options;
    const { memberId: member, bootEpoch, storeId } = identity;
    this.#network = network;
    this.#onSent = onSent;
    this.#registry = registry;
    this.#clock = clock;
    this.attachment = {
      member,
      bootEpoch,
      clock,
      storeId,
      admits: (peer) => acceptsStore(peer.member, peer.storeId),
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
    this.#onSent(message);
    const bytes = encodeMessage(message);
    const lane = {
      connection: connectionOf(message),
      mayRepeat: true,
      isAnswer: message.type.endsWith('-response'),
      bytes: bytes.length,
    } as const;
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

  async sendSnapshot({ to, snapshot, chunksFrom, signal }: OutgoingSnapshot): Promise<void> {
    if (!this.isConnected(to)) throw new HoldfastError('unavailable', `no connection to ${to}`);
    this.#streams += 1;
    const stream = this.#streams;
    const from = this.attachment;
    const over = new Promise<undefined>((resolve, reject) => {
      const ask = (offset: number): void => {
        const pumping = this.#pump({ to, stream }, chunksFrom(offset));
        pumping.catch(reject); // The own file cannot be read: the stream ends with that.
      };
      this.#outgoing.set(stream, { ask, resolve: () => resolve(undefined), reject });
    });
    const timer = this.#clock.schedule(snapshotTimeoutMs, () => this.#give(stream, 'timed out'));
    const onAbort = (): void => this.#give(stream, 'given up');
    signal.addEventListener('abort', onAbort, { once: true });
    try {
      this.#post(to, bulk, (peer) => peer.transport.#begin(from, stream, snapshot));
      await over;
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

  /** Nothing is sent any more once the stream is over. */
  async #pump(
    { to, stream }: { readonly to: MemberId; readonly stream: number },
    chunks: AsyncIterable<Uint8Array>,
  ): Promise<void> {
    const from = this.attachment;
    let position = 0;
    for await (const chunk of chunks) {
      if (!this.#outgoing.has(stream)) return;
      const [at, copy] = [position, chunk.slice()];
      position += 1;
      this.#post(to, bulk, (peer) => peer.transport.#incomingOf(from, stream)?.take(at, copy));
    }
    const end = position;
    this.#post(to, bulk, (peer) => peer.transport.#incomingOf(from, stream)?.take(end, undefined));
  }

  #begin(from: Attachment, stream: number, snapshot: StoredSnapshot): void {
    const incoming = new SnapshotStream();
    const name = nameOf(from, stream);
    this.#incoming.set(name, incoming);
    const reply = (tell: (sender: SimulatedTransport) => void): void =>
      this.#post(from.member, bulk, (peer) => {
        if (peer.transport.attachment === from) tell(peer.transport);
      });
    // Who sends has given up by then, and its connection has ended; here that may be lost.
    const silence = this.#clock.schedule(snapshotTimeoutMs, () => incoming.fail('silence'));
    const answer = (failure: string | undefined): void => {
      silence.cancel();
      this.#incoming.delete(name);
      reply((sender) => sender.#give(stream, failure));
    };
    const chunksFrom = (offset: number): AsyncIterable<Uint8Array> => {
      reply((sender) => sender.#outgoing.get(stream)?.ask(offset));
      return incoming;
    };
    this.#handler?.onSnapshot({ from: from.member, snapshot, chunksFrom }).then(
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
    lane: Lane,
    deliver: (peer: { transport: SimulatedTransport; handler: PeerHandler }) => void,
  ): void {
    const { connection, mayRepeat, isAnswer, bytes } = lane;
    this.#network.carry({
      from: this.attachment,
      to,
      connection,
      mayRepeat,
      isAnswer,
      bytes,
      deliver: (receiver) => {
        const transport = this.#registry.get(receiver);
        const handler = transport ? transport.#handler : undefined;
        if (transport && handler) deliver({ transport, handler });
      },
    });
  }
}

type Lane = Pick<Frame, 'connection' | 'mayRepeat' | 'isAnswer' | 'bytes'>;

/** Their bytes are not counted: they are handed over as they are. */
const reliable = { mayRepeat: false, isAnswer: false, bytes: 0 } as const;
const reliableLog: Lane = { ...reliable, connection: 'log' };
const bulk: Lane = { ...reliable, connection: 'bulk' };

const nameOf = (from: Attachment, stream: number): string =>
  `${from.member} ${from.bootEpoch} ${stream}`;
