// The replica's PeerTransport over the connections of @holdfast/transport: it gives messages their
// bytes, chooses the connection that each belongs on, and judges what peers send by who sent it.
// Time, chance and the network come in as ports, so the same file runs on sockets and in memory.
import { unreachable } from '@holdfast/base/assert';
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { index, type MemberId, requestId, term } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { encode } from '@holdfast/proto/encode';
import {
  ForwardRequests,
  ForwardResponses,
  type SnapshotBegin,
  type ForwardRequest as WireForwardRequest,
  type ForwardResponse as WireForwardResponse,
} from '@holdfast/proto/peer';
import type { Message } from '@holdfast/raft/message';
import {
  connectionOf,
  decodeMessage,
  decodeSnapshotMeta,
  encodeMessage,
  encodeSnapshotMeta,
} from '@holdfast/replica/message-codec';
import type {
  ForwardRequest,
  ForwardResponse,
  MemberIdentity,
  OutgoingSnapshot,
  PeerHandler,
  PeerTransport,
} from '@holdfast/replica/ports';
import { type Frame, frameKinds, payloadBytesMax } from '@holdfast/transport/frame';
import type { VerifyPeer } from '@holdfast/transport/handshake';
import type { LinkNetwork } from '@holdfast/transport/link';
import type { LinkNote } from '@holdfast/transport/link-note';
import type { AskOptions } from '@holdfast/transport/peer-calls';
import type { PeerLinkEvent } from '@holdfast/transport/peer-link-status';
import { type PeerAddress, PeerMesh, type PeerMeshStatus } from '@holdfast/transport/peer-mesh';
import type { TransportSettings } from '@holdfast/transport/transport-settings';
import { groupBySize } from './group-by-size.ts';

export type TcpPeerTransportOptions = {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  readonly random: Random;
  readonly identity: MemberIdentity;
  readonly name: string;
  /** HOST:PORT; port 0 takes any free one. */
  readonly listenAddress: string;
  /** HOST:PORT where the others reach this member; they are told in each handshake. */
  readonly advertiseAddress?: string;
  readonly peers: readonly PeerAddress[];
  /** What the cluster knows about who may be whom (safety.md 15); default: everybody is welcome. */
  readonly verifyPeer?: VerifyPeer;
  readonly settings?: Partial<TransportSettings>;
  /** For the log: somebody was turned away at the peer port. */
  readonly onStranger?: (remoteAddress: string, reason: string) => void;
  /** For the log: a peer can not be reached, or has turned this member away. */
  readonly onUnreachable?: (peer: MemberId, reason: string) => void;
  /** For the log: a peer, or a connection to it, is judged otherwise than before. */
  readonly onNote?: (note: LinkNote) => void;
  /** A peer says that the cluster has removed this member. */
  readonly onRemoved?: (reason: string) => void;
  /** Answers a question of a peer; default: nobody answers. */
  readonly onAsk?: (from: MemberId, body: Uint8Array) => Promise<Uint8Array>;
};

/** Bodies that travel in one frame of forwards; a single larger one travels alone. */
const forwardBytesMax = 1024 * 1024;

/** Of one answer; what goes around it is small. */
const answerBytesMax = payloadBytesMax - 1024;

export class TcpPeerTransport implements PeerTransport {
  readonly #mesh: PeerMesh;
  readonly #self: MemberId;
  readonly #onUnreachable: TcpPeerTransportOptions['onUnreachable'];
  readonly #onRemoved: TcpPeerTransportOptions['onRemoved'];
  readonly #onAsk: TcpPeerTransportOptions['onAsk'];

  constructor(options: TcpPeerTransportOptions) {
    const { identity, name, advertiseAddress: address, ...others } = options;
    const { onUnreachable, onRemoved, onAsk, ...rest } = others;
    this.#self = identity.memberId;
    this.#onUnreachable = onUnreachable;
    this.#onRemoved = onRemoved;
    this.#onAsk = onAsk;
    this.#mesh = new PeerMesh({ ...rest, identity: { ...identity, name, address } });
  }

  /** Rejects with `failed-precondition` when the address cannot be had. */
  async start(handler: PeerHandler): Promise<void> {
    await this.#mesh.start({
      onFrame: (from, frame) => this.#receive(handler, from, frame),
      onPeerEvent: (event) => {
        if (event.type === 'unreachable' && !event.isWanted) {
          this.#onUnreachable?.(event.peer, event.reason);
          if (event.code === 'removed') this.#onRemoved?.(event.reason);
        }
        handler.onPeerEvent(toPeerEvent(event));
      },
      ...(this.#onAsk ? { onAsk: this.#onAsk } : {}),
      onSnapshot: async (from, begin, chunksFrom) => {
        const { bytes, stateHash, checksum } = begin;
        const snapshot = { ...decodeSnapshotMeta(begin.snapshot), bytes, stateHash, checksum };
        await handler.onSnapshot({ from, snapshot, chunksFrom });
      },
    });
  }

  /** Where it listens, once started. */
  get address(): string | undefined {
    return this.#mesh.address;
  }

  get status(): PeerMeshStatus {
    return this.#mesh.status;
  }

  get settings(): TransportSettings {
    return this.#mesh.settings;
  }

  /** Holds from the next dial, ping, look or call on; connections that stand are not touched. */
  changeSettings(changes: Partial<TransportSettings>): void {
    this.#mesh.changeSettings(changes);
  }

  /** Ends the connections to that peer, or to all, for an operator. How many stood. */
  evict(peer?: MemberId): number {
    return this.#mesh.evict(peer, 'operator');
  }

  /** Closes that peer's breaker, or all: calls are let through again. */
  resetBreakers(peer?: MemberId): void {
    this.#mesh.resetBreakers(peer);
  }

  /** What `verifyPeer` answers may have changed: connections that it now refuses end. */
  judgeAgain(): void {
    this.#mesh.judgeAgain();
  }

  /** May change at any time: the configuration or an address has. */
  setPeers(peers: readonly PeerAddress[]): void {
    this.#mesh.setPeers(peers);
  }

  send(message: Message): void {
    const frame = { kind: frameKinds.message, payload: encodeMessage(message) };
    this.#mesh.send(message.to, connectionOf(message), frame);
  }

  forward(to: MemberId, requests: readonly ForwardRequest[]): boolean {
    const payloads = groupBySize(requests, forwardBytesMax, ({ body }) => body.length).map(
      (group) => encode(ForwardRequests, { requests: group.map(toWireRequest) }),
    );
    return this.#mesh.sendLogNow(to, frameKinds.forwardRequests, payloads);
  }

  forwarded(to: MemberId, responses: readonly ForwardResponse[]): void {
    const bytesOf = ({ result }: ForwardResponse): number => (result.ok ? result.body.length : 0);
    for (const group of groupBySize(responses, forwardBytesMax, bytesOf)) {
      const payload = encode(ForwardResponses, { responses: group.map(toWireResponse) });
      this.#mesh.send(to, 'log', { kind: frameKinds.forwardResponses, payload });
    }
  }

  async sendSnapshot({ to, snapshot, chunksFrom, signal }: OutgoingSnapshot): Promise<void> {
    const { bytes, stateHash, checksum } = snapshot;
    const begin: SnapshotBegin = {
      snapshot: encodeSnapshotMeta(snapshot),
      bytes,
      stateHash,
      checksum,
    };
    await this.#mesh.sendSnapshot({ peer: to, begin }, chunksFrom, signal);
  }

  /** See PeerMesh.ask. */
  ask(peer: MemberId, body: Uint8Array, options: AskOptions): Promise<Uint8Array> {
    return this.#mesh.ask(peer, body, options);
  }

  isConnected(peer: MemberId): boolean {
    return this.#mesh.isConnected(peer);
  }

  close(): Promise<void> {
    return this.#mesh.close();
  }

  #receive(handler: PeerHandler, from: MemberId, { kind, payload }: Frame): void {
    if (kind === frameKinds.message) handler.onMessage(this.#addressed(from, payload));
    else if (kind === frameKinds.forwardRequests) {
      handler.onForward(from, decodeForwardRequests(payload));
    } else if (kind === frameKinds.forwardResponses) {
      handler.onForwarded(from, decodeForwardResponses(payload));
    } else throw new HoldfastError('version-mismatch', `frame kind ${kind} is not known here`);
  }

  /** Nobody speaks for another member, whatever the message says. */
  #addressed(from: MemberId, payload: Uint8Array): Message {
    const message = decodeMessage(payload);
    if (message.from !== from || message.to !== this.#self) {
      throw new HoldfastError('corrupt', 'a message names another sender or receiver');
    }
    return message;
  }
}

function toPeerEvent(event: PeerLinkEvent): Parameters<PeerHandler['onPeerEvent']>[0] {
  switch (event.type) {
    case 'connected':
      return event;
    case 'unreachable':
      return { type: 'unreachable', peer: event.peer, refused: event.refused };
    default:
      return unreachable(event);
  }
}

const toWireRequest = (request: ForwardRequest): WireForwardRequest => {
  const { requestId, term: meant, body, isQuestion } = request;
  return { requestId, term: meant, body, question: isQuestion ?? false };
};

function toWireResponse({ requestId, result: given }: ForwardResponse): WireForwardResponse {
  const result = thatFits(given);
  if (!result.ok) {
    const { code, outcome, message } = result;
    return { requestId, ok: false, index: 0, body: new Uint8Array(), code, outcome, message };
  }
  const { index, body } = result;
  return { requestId, ok: true, index, body, code: '', outcome: '', message: '' };
}

/** What was done has an answer that no frame has room for: that it was done is told without it. */
function thatFits(result: ForwardResponse['result']): ForwardResponse['result'] {
  if (!result.ok || result.body.length <= answerBytesMax) return result;
  const message =
    `the request was carried out by the leader, but its answer of ${result.body.length} bytes is ` +
    'too large to be passed on: ask for less at a time, or ask the leader';
  return { ok: false, code: 'too-large', outcome: 'applied', message };
}

/** Throws `corrupt`. */
function decodeForwardRequests(payload: Uint8Array): readonly ForwardRequest[] {
  return decoded(() =>
    ForwardRequests.decode(payload).requests.map((request) => ({
      requestId: requestId(request.requestId),
      term: term(request.term),
      body: request.body,
      isQuestion: request.question,
    })),
  );
}

/** Throws `corrupt`. */
function decodeForwardResponses(payload: Uint8Array): readonly ForwardResponse[] {
  return decoded(() => ForwardResponses.decode(payload).responses.map(fromWireResponse));
}

function fromWireResponse(response: WireForwardResponse): ForwardResponse {
  const { ok, body, code, outcome, message } = response;
  const id = requestId(response.requestId);
  if (ok) return { requestId: id, result: { ok, index: index(response.index), body } };
  return { requestId: id, result: { ok, code, outcome, message } };
}

function decoded<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw new HoldfastError('corrupt', 'a frame of forwards does not decode', { cause: error });
  }
}
