// A connection to one member in frames: any number of requests under way, those of one turn of the
// event loop in one frame, answers in whatever order they come. It never sends anything twice, and
// knows one member; who is asked, and what may be repeated, is decided above.
import type { Clock } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError, type Outcome } from '@holdfast/base/errors';
import { type ClusterId, clusterId, type MemberId, memberId } from '@holdfast/base/ids';
import {
  Hello,
  HelloResponse,
  type Request,
  Requests,
  type Response,
  Responses,
} from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';
import { decodePayload } from '@holdfast/transport/decode-payload';
import {
  clientDialect,
  clientProtocolVersion,
  type Frame,
  frameKinds,
} from '@holdfast/transport/frame';
import { FrameLink } from '@holdfast/transport/frame-link';
import { introduce } from '@holdfast/transport/introduction';
import type { LinkEnd, LinkNetwork } from '@holdfast/transport/link';

import { errorOfFailure } from './errors.ts';

/** What waits to leave; with more the call is refused, and nothing of it has left. */
const queueBytesMax = 32 * 1024 * 1024;
/** Requests in one frame. */
const batchMax = 512;

export type FrameConnectionOptions = {
  readonly network: LinkNetwork;
  readonly clock: Clock;
  /** HOST:PORT. */
  readonly address: string;
  /** Who asks, for the history; empty: not said. */
  readonly actor: string;
  /** For the dial and the hello. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
};

/** Everything but its number, which the connection gives. */
export type FrameRequest = Omit<Request, 'id'>;

type Waiting = {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: unknown) => void;
};

/** Neutral values of all that need not be said. */
export const noOptions: Omit<FrameRequest, 'request'> = {
  timeoutMs: 0,
  session: undefined,
  level: 0,
  maxAgeMs: 0,
  minRevision: 0,
};

export class FrameConnection {
  readonly address: string;
  readonly #link: FrameLink;
  readonly #waiting = new Map<number, Waiting>();
  #pending: Request[] = [];
  #number = 0;
  #clusterId = clusterId(0n);
  #memberId = memberId(0n);
  #inFlightMax = 0;
  #ended: HoldfastError | undefined;

  private constructor(address: string, link: FrameLink) {
    this.address = address;
    this.#link = link;
  }

  /** Rejects with `unavailable`, `deadline-exceeded`, or what the member refuses it with. */
  static async open(options: FrameConnectionOptions): Promise<FrameConnection> {
    const { network, clock, address, actor, timeoutMs, signal } = options;
    const deadline = startDeadline(clock, timeoutMs, signal);
    try {
      const dialled = await network.dial(address, deadline.signal);
      const link = new FrameLink({
        link: network.secure ? await network.secure(dialled, deadline.signal) : dialled,
        afterEvent: (action) => network.afterEvent(action),
        queueBytesMax,
        strangerBytesMax: 64 * 1024,
        dialect: clientDialect,
      });
      const connection = new FrameConnection(address, link);
      await introduce(link, {
        kind: frameKinds.clientHello,
        payload: encode(Hello, helloOf(actor)),
        heed: (frame) => connection.#welcome(frame),
        brokenOff: (end) => brokenOff(address, end, 'not-applied'),
        signal: deadline.signal,
      });
      return connection;
    } finally {
      deadline.dispose();
    }
  }

  /** Of the member; zero while that is starting. */
  get clusterId(): ClusterId {
    return this.#clusterId;
  }

  get memberId(): MemberId {
    return this.#memberId;
  }

  /** Requests that have no answer yet. */
  get underWay(): number {
    return this.#waiting.size;
  }

  /**
   * The member's answer, never a `failure`: that is thrown, as is `unavailable` with the outcome
   * `unknown` where the connection ends before it. `resource-exhausted`: too much is under way.
   */
  call(request: FrameRequest): Promise<Response> {
    if (this.#ended) return Promise.reject(this.#ended);
    if (this.#waiting.size >= this.#inFlightMax) return Promise.reject(tooMany(this.#inFlightMax));
    this.#number += 1;
    const id = this.#number;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#pending.push({ ...request, id });
      if (this.#pending.length === 1) queueMicrotask(() => this.#flush());
      else if (this.#pending.length >= batchMax) this.#flush();
    });
  }

  close(): void {
    this.#link.destroy();
    this.#fail(new HoldfastError('cancelled', 'the connection was closed', { outcome: 'unknown' }));
  }

  #welcome({ kind, payload }: Frame): void {
    if (kind !== frameKinds.clientHelloResponse) {
      throw new HoldfastError('corrupt', `the member answered a hello with kind ${kind}`);
    }
    const answer = decodePayload(HelloResponse, payload, "a hello's answer");
    if (answer.refusal) throw errorOfFailure(answer.refusal);
    this.#clusterId = clusterId(answer.clusterId);
    this.#memberId = memberId(answer.memberId);
    this.#inFlightMax = answer.inFlightMax;
    this.#link.trust({
      onFrame: (frame) => this.#heed(frame),
      onEnd: (end) => this.#fail(brokenOff(this.address, end, 'unknown')),
    });
  }

  #heed({ kind, payload }: Frame): void {
    if (kind !== frameKinds.clientResponses) {
      throw new HoldfastError('corrupt', `a member does not send kind ${kind} to its clients`);
    }
    for (const response of decodePayload(Responses, payload, 'a frame of answers').responses) {
      this.#settle(response);
    }
  }

  #settle(response: Response): void {
    const waiting = this.#waiting.get(response.id);
    if (!waiting) return;
    this.#waiting.delete(response.id);
    if (response.response?.$case === 'failure')
      waiting.reject(errorOfFailure(response.response.value));
    else waiting.resolve(response);
  }

  #flush(): void {
    const requests = this.#pending;
    this.#pending = [];
    if (requests.length === 0 || this.#ended) return;
    const payload = encode(Requests, { requests });
    if (this.#link.send(frameKinds.clientRequests, payload)) return;
    for (const { id } of requests) {
      this.#waiting.get(id)?.reject(noRoom());
      this.#waiting.delete(id);
    }
  }

  #fail(error: HoldfastError): void {
    this.#ended ??= error;
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(error);
  }
}

const helloOf = (actor: string): Hello => ({
  protocolVersion: clientProtocolVersion,
  actor,
  features: 0,
});

function brokenOff(address: string, end: LinkEnd, outcome: Outcome): HoldfastError {
  const why = end.type === 'failed' ? end.reason : 'the member hung up';
  return new HoldfastError('unavailable', `${address}: ${why}`, { outcome, details: { address } });
}

const tooMany = (max: number): HoldfastError =>
  new HoldfastError('resource-exhausted', `${max} requests are under way on this connection`);

const noRoom = (): HoldfastError =>
  new HoldfastError('resource-exhausted', 'too much waits to leave on this connection');
