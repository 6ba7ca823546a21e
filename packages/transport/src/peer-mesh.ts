// All connections between this member and its peers: one PeerLink a peer for what goes out, one
// PeerListener for what comes in, and what the two know about each other. Frames are bytes here;
// their meaning belongs to the owner of the mesh.
import { emptyBytes } from '@holdfast/base/bytes';
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { encode } from '@holdfast/proto/encode';
import { AskRequest, AskResponse, type SnapshotBegin } from '@holdfast/proto/peer';
import { isAddress } from './address.ts';
import { ConnectionChecker } from './connection-checker.ts';
import { decodePayload } from './decode-payload.ts';
import { type Frame, frameKinds } from './frame.ts';
import type { PeerIdentity, Purpose, VerifyPeer } from './handshake.ts';
import type { LinkNetwork } from './link.ts';
import type { LinkNote } from './link-note.ts';
import type { EvictionReason } from './link-record.ts';
import { LinkCounter, type LinkTally } from './link-tally.ts';
import type { AskOptions } from './peer-calls.ts';
import type { MemberContext } from './peer-dialer.ts';
import { PeerEpochs } from './peer-epochs.ts';
import { PeerLink } from './peer-link.ts';
import type { PeerLinkEvent, PeerLinkStatus } from './peer-link-status.ts';
import { type ListenerCounters, PeerListener } from './peer-listener.ts';
import type { ChunksFrom } from './snapshot-receiver.ts';
import { defaultTransportSettings, type TransportSettings } from './transport-settings.ts';

/** Where a peer's process listens for other members. */
export type PeerAddress = {
  readonly memberId: MemberId;
  readonly address: string;
  /** Where else it may be: tried in turn while it can not be had. */
  readonly others?: readonly string[];
};

export type PeerMeshOptions = {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: Omit<PeerIdentity, 'bootId'>;
  readonly listenAddress: string;
  readonly peers: readonly PeerAddress[];
  /** Asked for every finished handshake, of both directions; default: everybody is welcome. */
  readonly verifyPeer?: VerifyPeer;
  readonly settings?: Partial<TransportSettings>;
  /** For the log: somebody was turned away at the peer port. */
  readonly onStranger?: (remoteAddress: string, reason: string) => void;
  /** For the log: a peer, or a connection to it, is judged otherwise than before. */
  readonly onNote?: (note: LinkNote) => void;
};

export interface PeerMeshHandler {
  /** A HoldfastError that it throws ends the connection. */
  onFrame(from: MemberId, frame: Frame): void;
  onPeerEvent(event: PeerLinkEvent): void;
  /** Answers a peer's question; an error that it rejects with is told to the peer. */
  onAsk?(from: MemberId, body: Uint8Array): Promise<Uint8Array>;
  onSnapshot(from: MemberId, begin: SnapshotBegin, chunksFrom: ChunksFrom): Promise<void>;
}

export type PeerMeshStatus = {
  readonly address: string | undefined;
  readonly peers: readonly PeerLinkStatus[];
  readonly inbound: Readonly<ListenerCounters>;
  readonly tally: LinkTally;
};

/** Newcomers at one time are few; a crowd that calls itself members may not fill the memory. */
const guestsMax = 16;

export class PeerMesh {
  readonly #options: PeerMeshOptions;
  readonly #context: MemberContext;
  readonly #listener: PeerListener;
  readonly #links = new Map<MemberId, PeerLink>();
  /** Those of them of whom this member was told by nobody but themselves. */
  readonly #guests = new Set<MemberId>();
  readonly #checker: ConnectionChecker;
  readonly #counter: LinkCounter;
  #looking: Timer | undefined;
  #settings: TransportSettings;
  #handler: PeerMeshHandler | undefined;
  #address: string | undefined;
  #state: 'new' | 'running' | 'closed' = 'new';

  constructor(options: PeerMeshOptions) {
    this.#options = options;
    const { network, clock, random } = options;
    const identity = { ...options.identity, bootId: random.identity() };
    const epochs = new PeerEpochs();
    this.#settings = { ...defaultTransportSettings, ...options.settings };
    const verifyPeer = options.verifyPeer ?? (() => undefined);
    const settingsNow = (): TransportSettings => this.#settings;
    this.#context = {
      ...{ network, clock, identity, verifyPeer, epochs },
      partsNow: {
        breaker: () => this.#settings.breaker,
        slowBreaker: () => this.#settings.slowBreaker,
        calls: () => this.#settings.calls,
      },
      get settings() {
        return settingsNow();
      },
    };
    this.#counter = new LinkCounter(clock);
    this.#checker = new ConnectionChecker({
      clock,
      settings: () => this.#settings.checker,
      ownLagMs: () => this.#settings.silence.ownLagMs,
      pingWaitMs: () => this.#settings.silence.pingWaitMs,
      links: () => [...this.#links.values()].flatMap((link) => link.checked),
    });
    this.#listener = new PeerListener(this.#context, {
      onHello: ({ hello, purpose, address }) => {
        if (purpose === 'control') this.#met(hello.memberId, address);
      },
      onHeard: (peer) => this.#links.get(peer)?.noteHeard(),
      onFrame: (peer, frame) => this.#route(peer, frame),
      onSnapshot: (peer, begin, chunksFrom) => this.#receiveSnapshot(peer, begin, chunksFrom),
      onLost: (peer, purpose, reason) => this.#inboundLost(peer, purpose, reason),
      onStranger: (address, reason) => options.onStranger?.(address, reason),
    });
    epochs.onNewer((peer) => {
      this.#listener.endOlderBoots(peer);
      this.#links.get(peer)?.renew();
    });
    this.setPeers(options.peers);
  }

  /** Listens, then dials every peer in the background. Rejects when it cannot listen. */
  async start(handler: PeerMeshHandler): Promise<void> {
    this.#handler = handler;
    this.#address = await this.#listener.listen(this.#options.listenAddress);
    if (this.#state === 'closed') return this.#listener.close();
    this.#state = 'running';
    for (const link of this.#links.values()) link.start();
    this.#checker.start();
    this.#lookLater();
  }

  /** Where it listens, once started. */
  get address(): string | undefined {
    return this.#address;
  }

  /** Whom to keep connections to; may change at any time. This member itself is left out. */
  setPeers(peers: readonly PeerAddress[]): void {
    const wanted = new Map(peers.map((peer) => [peer.memberId, peer]));
    wanted.delete(this.#context.identity.memberId);
    for (const peer of [...this.#links.keys()]) {
      if (!wanted.has(peer) && !this.#guests.has(peer)) this.#dropLink(peer);
    }
    for (const [peer, { address, others = [] }] of wanted) {
      this.#guests.delete(peer);
      const link = this.#links.get(peer) ?? this.#addLink(peer, address);
      link.mayBeAt([address, ...others]);
    }
  }

  /** Holds from the next dial, ping, look or call on; connections that stand are not touched. */
  changeSettings(changes: Partial<TransportSettings>): void {
    this.#settings = { ...this.#settings, ...changes };
    if (this.#state === 'running') this.#checker.start();
  }

  get settings(): TransportSettings {
    return this.#settings;
  }

  /** Ends the connections to that peer, or to all; they are dialled anew. How many stood. */
  evict(peer?: MemberId, reason: EvictionReason = 'operator'): number {
    const standing = this.#chosen(peer)
      .flatMap((link) => link.checked)
      .filter(({ record }) => record.openSinceMs !== undefined);
    for (const one of standing) one.evict(reason);
    return standing.length;
  }

  /** Closes that peer's breaker, or all: calls are let through again. */
  resetBreakers(peer?: MemberId): void {
    for (const link of this.#chosen(peer)) link.resetBreaker();
  }

  /** What the cluster knows about who may be whom has changed (safety.md 15). */
  judgeAgain(): void {
    this.#listener.judgeAgain();
    for (const link of this.#links.values()) link.judgeAgain();
  }

  /** Best effort, in order on each connection; an unknown peer gets nothing. */
  send(to: MemberId, on: 'control' | 'log', frame: Pick<Frame, 'kind' | 'payload'>): void {
    const link = this.#links.get(to);
    if (on === 'control') link?.sendControl(frame.kind, frame.payload);
    else link?.sendLog(frame.kind, frame.payload);
  }

  /** All frames or none. False: they certainly did not leave. */
  sendLogNow(to: MemberId, kind: number, payloads: readonly Uint8Array[]): boolean {
    return this.#links.get(to)?.sendLogNow(kind, payloads) ?? false;
  }

  /** See PeerCalls.ask; rejects with `not-found` for an unknown peer. */
  async ask(peer: MemberId, body: Uint8Array, options: AskOptions): Promise<Uint8Array> {
    const link = this.#links.get(peer);
    if (!link) throw new HoldfastError('not-found', `no address of member ${formatId(peer)}`);
    return link.ask(body, options);
  }

  /** See PeerLink.sendSnapshot; rejects with `not-found` for an unknown peer. */
  async sendSnapshot(
    to: { readonly peer: MemberId; readonly begin: SnapshotBegin },
    chunksFrom: ChunksFrom,
    signal: AbortSignal,
  ): Promise<void> {
    const link = this.#links.get(to.peer);
    if (!link) throw new HoldfastError('not-found', `no address of member ${formatId(to.peer)}`);
    await link.sendSnapshot(to.begin, chunksFrom, signal);
  }

  /** Whether a control connection to the peer stands, as far as its pings tell. */
  isConnected(peer: MemberId): boolean {
    return this.#links.get(peer)?.isConnected ?? false;
  }

  get status(): PeerMeshStatus {
    return {
      address: this.#address,
      peers: [...this.#links.values()].map((link) => link.status),
      inbound: this.#listener.counters,
      tally: this.#counter.tally,
    };
  }

  /** Lets pending frames leave within the grace. Nothing is told to the handler any more. */
  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#checker.close();
    this.#looking?.cancel();
    this.#handler = undefined;
    const links = [...this.#links.values()];
    await Promise.all([...links.map((link) => link.close()), this.#listener.close()]);
  }

  #lookLater(): void {
    this.#looking = this.#options.clock.schedule(this.#settings.linkLookMs, () => {
      for (const link of this.#links.values()) link.look();
      this.#lookLater();
    });
  }

  #addLink(peer: MemberId, address: string): PeerLink {
    const { random } = this.#options;
    const onEvent = (event: PeerLinkEvent): void => this.#handler?.onPeerEvent(event);
    const onNote = (note: LinkNote): void => {
      this.#counter.count(note);
      this.#options.onNote?.(note);
    };
    const link = new PeerLink({ context: this.#context, random, peer, address, onEvent, onNote });
    this.#links.set(peer, link);
    if (this.#state === 'running') link.start();
    return link;
  }

  #dropLink(peer: MemberId): void {
    this.#links.get(peer)?.destroy();
    this.#links.delete(peer);
    this.#context.epochs.forget(peer);
  }

  /**
   * A member may lag behind the change that took a newcomer in, and the newcomer need its vote: so
   * whoever was let in is answered, for as long as it holds a connection.
   */
  #welcome(peer: MemberId, address: string): PeerLink | undefined {
    if (!isAddress(address) || this.#guests.size >= guestsMax) return undefined;
    this.#guests.add(peer);
    return this.#addLink(peer, address);
  }

  /** It can be had, and knows best where: its cluster may not have heard yet that it has moved. */
  #met(peer: MemberId, address: string): void {
    const link = this.#links.get(peer) ?? this.#welcome(peer, address);
    if (isAddress(address)) link?.moveTo(address);
    link?.probe();
  }

  #chosen(peer: MemberId | undefined): readonly PeerLink[] {
    if (peer === undefined) return [...this.#links.values()];
    const link = this.#links.get(peer);
    return link ? [link] : [];
  }

  #route(peer: MemberId, frame: Frame): void {
    if (frame.kind === frameKinds.askResponse) this.#links.get(peer)?.answered(frame.payload);
    else if (frame.kind !== frameKinds.askRequest) this.#handler?.onFrame(peer, frame);
    else void this.#answer(peer, decodePayload(AskRequest, frame.payload, 'a question'));
  }

  /** A peer whose question can not be answered hears why: that, too, is an answer. */
  async #answer(peer: MemberId, { id, body }: AskRequest): Promise<void> {
    const answer: AskResponse = { id, code: '', message: '', body: emptyBytes };
    try {
      const handler = this.#handler;
      if (!handler?.onAsk) throw new HoldfastError('unimplemented', 'nobody answers here');
      answer.body = await handler.onAsk(peer, body);
      if (answer.body.length > this.#settings.calls.bodyBytesMax) throw tooLong();
    } catch (error) {
      answer.code = error instanceof HoldfastError ? error.code : 'internal';
      answer.message = messageOf(error);
      answer.body = emptyBytes;
    }
    const payload = encode(AskResponse, answer);
    this.#links.get(peer)?.sendControl(frameKinds.askResponse, payload);
  }

  #receiveSnapshot(peer: MemberId, begin: SnapshotBegin, chunksFrom: ChunksFrom): Promise<void> {
    if (this.#handler) return this.#handler.onSnapshot(peer, begin, chunksFrom);
    return Promise.reject(new HoldfastError('shutting-down', 'this member is closing'));
  }

  /** Answers to what this member forwarded may have been on it. */
  #inboundLost(peer: MemberId, purpose: Purpose, reason: string): void {
    if (purpose === 'control' && this.#guests.delete(peer)) this.#dropLink(peer);
    if (purpose !== 'log') return;
    this.#context.network.endOfTurn(() =>
      this.#handler?.onPeerEvent({ type: 'unreachable', peer, refused: false, reason }),
    );
  }
}

const tooLong = (): HoldfastError =>
  new HoldfastError('too-large', 'the answer is longer than one frame may be');
