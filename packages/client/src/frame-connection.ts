// A connection to one member in frames: any number of requests under way and of watches open, what
// is said in one turn of the event loop in one frame. It never sends anything twice, and knows one
// member; who is asked, and what may be repeated, is decided above.
import type { Clock } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import { type ClusterId, clusterId, type MemberId, memberId } from '@holdfast/base/ids';
import {
  Hello,
  HelloResponse,
  type Request,
  type Response,
  Responses,
  WatchReports,
} from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';
import { decodePayload } from '@holdfast/transport/decode-payload';
import {
  clientDialect,
  clientFeatures,
  clientProtocolVersion,
  type Frame,
  frameKinds,
  knownClientFeatures,
  payloadBytesMax,
} from '@holdfast/transport/frame';
import { FrameLink } from '@holdfast/transport/frame-link';
import { introduce } from '@holdfast/transport/introduction';
import type { LinkEnd } from '@holdfast/transport/link';

import type { ClientUser } from './authorized-http.ts';
import { errorOfFailure } from './errors.ts';
import { FrameCalls, type FrameRequest } from './frame-calls.ts';
import type { FrameNetwork } from './frame-network.ts';
import { type FrameWatch, FrameWatches, type FrameWatchOrder } from './frame-watches.ts';
import { TransportFailure } from './http-port.ts';

export type { FrameRequest } from './frame-calls.ts';

/** What may wait to leave: as much as waits before no more is sent, and the longest frame. */
const queueBytesMax = 32 * 1024 * 1024;

export type FrameConnectionOptions = {
  readonly network: FrameNetwork;
  readonly clock: Clock;
  /** HOST:PORT. */
  readonly address: string;
  /** Who asks, for the history; empty: not said. */
  readonly actor: string;
  /** Who asks, where access control is on. */
  readonly user?: ClientUser | undefined;
  /** For the dial and the hello. */
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
  /** Bytes have come. */
  readonly onHeard?: (() => void) | undefined;
  /** Once, after all that was under way was told. */
  readonly onEnd?: ((reason: HoldfastError) => void) | undefined;
  /** A request or a watch is under way, or none any more. */
  readonly onBusy?: ((isBusy: boolean) => void) | undefined;
};

/** Neutral values of all that need not be said. */
export const noOptions: Omit<FrameRequest, 'request'> = {
  timeoutMs: 0,
  session: undefined,
  level: 0,
  maxAgeMs: 0,
  minRevision: 0,
};

/** What answers there is no member that speaks frames as this client does. */
export class OtherLanguage extends HoldfastError {
  constructor(address: string, why: string) {
    super('version-mismatch', `${address}: ${why}`, { details: { address } });
  }
}

export class FrameConnection {
  readonly address: string;
  readonly #options: FrameConnectionOptions;
  readonly #link: FrameLink;
  readonly #calls: FrameCalls;
  readonly #watches: FrameWatches;
  readonly #hold: (isHeld: boolean) => void;
  #pongs: (() => void)[] = [];
  #clusterId = clusterId(0n);
  #memberId = memberId(0n);
  #features = 0;
  #isBusy = false;
  #ended: HoldfastError | undefined;

  /** `hold`: whether this process has to wait for it. */
  private constructor(
    options: FrameConnectionOptions,
    link: FrameLink,
    hold: (isHeld: boolean) => void,
  ) {
    this.address = options.address;
    this.#options = options;
    this.#link = link;
    this.#hold = hold;
    this.#calls = new FrameCalls({
      pendingBytes: () => link.pendingBytes,
      send: (payload) => link.send(frameKinds.clientRequests, payload),
      onBusy: () => this.#tellBusy(),
    });
    this.#watches = new FrameWatches({
      send: (payload) => link.send(frameKinds.clientWatchOrders, payload),
      onBusy: () => this.#tellBusy(),
    });
  }

  /**
   * Rejects with `unavailable` or what the network says, `deadline-exceeded`, OtherLanguage, or
   * what the member refuses it with.
   */
  static async open(options: FrameConnectionOptions): Promise<FrameConnection> {
    const { network, clock, address, timeoutMs, signal } = options;
    const deadline = startDeadline(clock, timeoutMs, signal);
    try {
      const dialled = await network.dial(address, deadline.signal);
      const secured = network.secure ? await network.secure(dialled, deadline.signal) : dialled;
      const link = new FrameLink({
        link: secured,
        afterEvent: (action) => network.afterEvent(action),
        queueBytesMax,
        strangerBytesMax: 64 * 1024,
        dialect: clientDialect,
      });
      const hold = (isHeld: boolean): void => network.hold?.(secured, isHeld);
      const connection = new FrameConnection(options, link, hold);
      await introduce(link, {
        kind: frameKinds.clientHello,
        payload: encode(Hello, helloOf(options)),
        heed: (frame) => connection.#welcome(frame),
        brokenOff: (end) => notGreeted(address, end),
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
    return this.#calls.underWay;
  }

  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** What it ended with; undefined while it lives. */
  get ended(): HoldfastError | undefined {
    return this.#ended;
  }

  /** Whether the member has said that it knows such requests. */
  knows(request: Request['request']): boolean {
    return !isMore(request) || (this.#features & clientFeatures.moreRequests) !== 0;
  }

  /** Whether it knows watches, and takes an order of that length in a frame. */
  knowsWatch(order: FrameWatchOrder): boolean {
    return (this.#features & clientFeatures.watches) !== 0 && this.#watches.takes(order);
  }

  /**
   * The member's answer, which may be a failure. Rejects with a TransportFailure where the
   * connection ends before it, or with the signal's reason. Undefined: it is longer than what the
   * member takes in a frame.
   */
  ask(request: FrameRequest, signal?: AbortSignal): Promise<Response> | undefined {
    if (this.#ended) return Promise.reject(this.#ended);
    return this.#calls.ask(request, signal);
  }

  /** The member's answer, never a `failure`: that is thrown, as is `too-large`. */
  async call(request: FrameRequest, signal?: AbortSignal): Promise<Response> {
    const answer = await this.ask(request, signal);
    if (!answer) throw new HoldfastError('too-large', 'a request is longer than a frame may be');
    if (answer.response?.$case === 'failure') throw errorOfFailure(answer.response.value);
    return answer;
  }

  /** What the member says of it comes by the watch. */
  watch(order: FrameWatchOrder): FrameWatch {
    const watch = this.#watches.open(order);
    if (this.#ended) watch.end(this.#ended);
    return watch;
  }

  /** Resolves when bytes have come since. */
  ping(): Promise<void> {
    return new Promise((resolve) => {
      this.#pongs.push(resolve);
      this.#link.ping();
    });
  }

  /** Whoever waits is told this reason. */
  close(reason = closedByUs()): void {
    this.#link.destroy();
    this.#fail(reason, reason);
  }

  #welcome({ kind, payload }: Frame): void {
    if (kind !== frameKinds.clientHelloResponse) {
      throw new OtherLanguage(this.address, `the member answered a hello with kind ${kind}`);
    }
    const answer = decodePayload(HelloResponse, payload, "a hello's answer");
    if (answer.refusal?.code === 'version-mismatch') {
      throw new OtherLanguage(this.address, answer.refusal.message);
    }
    if (answer.refusal) throw errorOfFailure(answer.refusal);
    this.#clusterId = clusterId(answer.clusterId);
    this.#memberId = memberId(answer.memberId);
    this.#features = answer.features & knownClientFeatures;
    this.#calls.inFlightMax = answer.inFlightMax;
    const frameBytesMax = answer.frameBytesMax || payloadBytesMax;
    this.#calls.frameBytesMax = frameBytesMax;
    this.#watches.frameBytesMax = frameBytesMax;
    this.#link.trust({
      onHeard: () => this.#heard(),
      onFrame: (frame) => this.#heed(frame),
      onDrain: () => this.#drained(),
      onEnd: (end) => this.#fail(broken(this.address, end), notSent(this.address, end)),
    });
    this.#hold(false);
  }

  #heard(): void {
    this.#options.onHeard?.();
    if (this.#pongs.length > 0) for (const pong of this.#pongs.splice(0)) pong();
  }

  /** A HoldfastError that is thrown here ends the connection with its text. */
  #heed({ kind, payload }: Frame): void {
    if (kind === frameKinds.clientResponses) {
      const { responses } = decodePayload(Responses, payload, 'a frame of answers');
      for (const response of responses) this.#calls.settle(response);
    } else if (kind === frameKinds.clientWatchReports) {
      const { reports } = decodePayload(WatchReports, payload, 'a frame of reports');
      for (const report of reports) this.#watches.heed(report);
    } else {
      throw new HoldfastError('corrupt', `a member does not send kind ${kind} to its clients`);
    }
  }

  #drained(): void {
    this.#calls.drained();
    this.#watches.drained();
  }

  #tellBusy(): void {
    const isBusy = this.#calls.underWay > 0 || this.#watches.count > 0;
    if (isBusy === this.#isBusy) return;
    this.#isBusy = isBusy;
    this.#hold(isBusy);
    this.#options.onBusy?.(isBusy);
  }

  #fail(sent: HoldfastError, inLine: HoldfastError): void {
    if (this.#ended) return;
    this.#ended = inLine;
    this.#calls.fail(sent, inLine);
    this.#watches.fail(sent);
    this.#options.onEnd?.(sent);
  }
}

/** What a client begins with, behind the preface. */
export function helloOf({ actor, user }: Pick<FrameConnectionOptions, 'actor' | 'user'>): Hello {
  const { name = '', password = '', token = '' }: Partial<Record<string, string>> = user ?? {};
  const [protocolVersion, features] = [clientProtocolVersion, knownClientFeatures];
  return { protocolVersion, actor, features, user: name, password, token };
}

/** Those that the first members did not know. */
function isMore(request: Request['request']): boolean {
  switch (request?.$case) {
    case 'range':
    case 'put':
    case 'deleteRange':
    case 'txn':
      return false;
    default:
      return true;
  }
}

/** Whoever has said something else than a member would is none. */
function notGreeted(address: string, end: LinkEnd): HoldfastError {
  if (end.type === 'failed' && end.isSpoken) return new OtherLanguage(address, end.reason);
  return notSent(address, end);
}

const whyOf = (end: LinkEnd): string =>
  end.type === 'failed' ? `the connection broke (${end.reason})` : 'the member hung up';

const broken = (address: string, end: LinkEnd): TransportFailure =>
  new TransportFailure(address, whyOf(end), { outcome: 'unknown', reason: 'broken' });

const notSent = (address: string, end: LinkEnd): TransportFailure =>
  new TransportFailure(address, whyOf(end), { outcome: 'not-applied', reason: 'broken' });

const closedByUs = (): HoldfastError =>
  new HoldfastError('cancelled', 'the connection was closed', { outcome: 'unknown' });
