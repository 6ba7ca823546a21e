// One client that speaks frames: a stranger until its hello, then requests as many at a time as it
// likes, up to a bound, each answered when it is done, and watches beside them (client-watches.ts).
// Answers of one event of the event loop leave together. What a client does not read is bounded,
// and so is what it may have under way.
import type { Timer } from '@holdfast/base/clock';
import type { Deadline } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import { AppliedBefore } from '@holdfast/engine/applied-before';
import {
  Hello,
  HelloResponse,
  type Request,
  Requests,
  type Response,
  Responses,
} from '@holdfast/proto/client';
import { encode } from '@holdfast/proto/encode';
import type { ResponseOp } from '@holdfast/proto/internal';
import { decodePayload } from '@holdfast/transport/decode-payload';
import {
  clientDialect,
  clientProtocolVersion,
  type Frame,
  frameKinds,
  knownClientFeatures,
  payloadBytesMax,
} from '@holdfast/transport/frame';
import { closeWithin, FrameLink } from '@holdfast/transport/frame-link';
import type { Link, LinkEnd } from '@holdfast/transport/link';

import { errorTable, operatingErrorOf } from '../errors.ts';
import type { HttpContext } from '../http/http-context.ts';
import { ClientWatches } from './client-watches.ts';
import { requireFewFields } from './field-count.ts';
import { failure, failureOf } from './frame-call.ts';
import { answerTo } from './more-calls.ts';

/** A hello has a name in it, and no data. */
const helloBytesMax = 4096;
/** From the connection to the hello. */
const helloMs = 3000;
/** For what was said last to arrive. */
const leaveMs = 1000;
/** Requests of one connection at a time. */
const inFlightMax = 4096;
/** Of one frame; more than may be under way are refused, of this many more nothing is read. */
const requestsMax = 4 * inFlightMax;
/** While so much waits to be read by the client, its reads are refused. */
const unreadBytesHigh = 8 * 1024 * 1024;
/** With more the connection ends: whoever does not read its answers has no use for them. */
const unreadBytesMax = 64 * 1024 * 1024;
/** Answers that leave in one frame, before another one is begun. */
const frameBytesAim = 1024 * 1024;
/** What a response takes beside its keys and values, at the most. */
const responseBytes = 64;

/** A request that has no answer yet. */
type Running = {
  readonly request: Request;
  readonly deadline: Deadline;
  readonly beganMs: number;
};

const nameOf = ({ request }: Request): string => request?.$case ?? 'unknown';

export type ClientConnectionOptions = {
  readonly context: HttpContext;
  readonly link: Link;
  /** Whom the other side names itself, judged by what else is known of it. Throws its refusal. */
  readonly actorOf: (named: string) => string;
  readonly onOver: (connection: ClientConnection, reason: string | undefined) => void;
};

export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #link: FrameLink;
  readonly #timer: Timer;
  readonly #watches: ClientWatches;
  #takenBytes = 0;
  #takenMs: number;
  #actor: string | undefined;
  #underWay = 0;
  #answers: Response[] = [];

  constructor(options: ClientConnectionOptions) {
    const { link, context } = options;
    this.#options = options;
    this.#link = new FrameLink({
      link,
      afterEvent: (action) => process.nextTick(action),
      queueBytesMax: unreadBytesMax,
      strangerBytesMax: helloBytesMax,
      dialect: clientDialect,
    });
    this.#timer = context.clock.schedule(helloMs, () => this.#end('no hello in time'));
    this.#takenMs = context.clock.monotonicMs();
    this.#watches = new ClientWatches({
      context,
      actor: () => this.#actor ?? '',
      pendingBytes: () => this.#link.pendingBytes,
      send: (payload) => this.#sendFrame(frameKinds.clientWatchReports, payload),
    });
  }

  get remoteAddress(): string {
    return this.#link.remoteAddress;
  }

  open(): void {
    this.#link.open({
      onFrame: (frame) => this.#greet(frame),
      onEnd: (end) => this.#over(mistakeIn(end)),
    });
  }

  /** To be asked now and then: a client that takes nothing of what waits for it is let go. */
  look(): void {
    const { clock, limits } = this.#options.context;
    const { pendingBytes, counters } = this.#link;
    const takenBytes = counters.bytesSent - pendingBytes;
    if (pendingBytes === 0 || takenBytes !== this.#takenBytes) {
      this.#takenBytes = takenBytes;
      this.#takenMs = clock.monotonicMs();
    } else if (clock.monotonicMs() - this.#takenMs >= limits.unreadMs) {
      this.#end(`it has read nothing for ${limits.unreadMs} ms`);
    }
  }

  /** What was answered leaves before; what is still under way is answered to nobody. */
  close(): void {
    this.#flush();
    this.#watches.flush();
    this.#leave(undefined);
  }

  #greet({ kind, payload }: Frame): void {
    try {
      if (kind !== frameKinds.clientHello) {
        throw new HoldfastError('corrupt', `the first frame has kind ${kind}, no hello`);
      }
      const { protocolVersion, actor } = decodePayload(Hello, payload, 'a hello');
      if (protocolVersion !== clientProtocolVersion) throw otherVersion(protocolVersion);
      this.#actor = this.#options.actorOf(actor);
    } catch (error) {
      if (!(error instanceof HoldfastError)) throw error;
      this.#link.send(frameKinds.clientHelloResponse, this.#helloResponse(error));
      this.#leave(error.message);
      return;
    }
    this.#timer.cancel();
    this.#link.send(frameKinds.clientHelloResponse, this.#helloResponse());
    this.#link.trust({
      onFrame: (frame) => this.#heed(frame),
      onDrain: () => this.#watches.drained(),
      onEnd: (end) => this.#over(mistakeIn(end)),
    });
  }

  #helloResponse(refused?: HoldfastError): Uint8Array {
    const status = refused ? undefined : this.#options.context.slot.status();
    return encode(HelloResponse, {
      protocolVersion: clientProtocolVersion,
      clusterId: status?.clusterId ?? 0n,
      memberId: status?.memberId ?? 0n,
      memberName: status?.name ?? '',
      features: knownClientFeatures,
      inFlightMax,
      refusal: refused && failure(refused),
    });
  }

  /** A HoldfastError that is thrown here ends the connection with its text. */
  #heed({ kind, payload }: Frame): void {
    if (kind === frameKinds.clientWatchOrders) return this.#watches.heed(payload);
    if (kind !== frameKinds.clientRequests) {
      throw new HoldfastError('corrupt', `kind ${kind} does not belong on a client's connection`);
    }
    requireFewFields(payload, requestsMax, 'requests');
    const { requests } = decodePayload(Requests, payload, 'a frame of requests');
    for (const request of requests) this.#take(request);
  }

  #take(request: Request): void {
    const refused = this.#refusalOf(request);
    if (!refused) return this.#run(request);
    this.#options.context.failures.add(refused.code);
    this.#answer(failureOf(request.id, refused));
  }

  #refusalOf({ request }: Request): HoldfastError | undefined {
    if (this.#underWay >= inFlightMax) return tooMany();
    if (request?.$case !== 'range' && request?.$case !== 'list') return undefined;
    if (this.#link.pendingBytes <= unreadBytesHigh) return undefined;
    return unread(this.#link.pendingBytes);
  }

  /** Not async: a promise and its closures are all that a request costs here. */
  #run(request: Request): void {
    const { clock, deadlines, slot, limits } = this.#options.context;
    const deadline = deadlines.begin(request.timeoutMs || undefined);
    const running = { request, deadline, beganMs: clock.monotonicMs() };
    this.#underWay += 1;
    try {
      const { bodyBytesMax: valueBytesMax } = limits;
      const call = { request, actor: this.#actor ?? '', signal: deadline.signal, valueBytesMax };
      answerTo(slot.engine, call).then(
        (response) => this.#done(running, response),
        (thrown: unknown) => this.#failed(running, thrown),
      );
    } catch (thrown) {
      this.#failed(running, thrown); // There is no engine yet, or no more.
    }
  }

  #failed(running: Running, thrown: unknown): void {
    const { failures, onFault } = this.#options.context;
    const { request } = running;
    const error = operatingErrorOf(thrown);
    const response = failureOf(request.id, error);
    if (error instanceof AppliedBefore) return this.#done(running, response);
    failures.add(error.code);
    if (error.code === 'internal') onFault(thrown, `frames, ${nameOf(request)}`);
    this.#done(running, response, errorTable[error.code].status);
  }

  #done({ request, deadline, beganMs }: Running, response: Response, status = 200): void {
    const { clock, times } = this.#options.context;
    this.#underWay -= 1;
    deadline.dispose();
    this.#answer(response);
    times.observe('frames', nameOf(request), {
      status,
      durationMs: clock.monotonicMs() - beganMs,
    });
  }

  #answer(response: Response): void {
    this.#answers.push(response);
    if (this.#answers.length === 1) process.nextTick(() => this.#flush());
  }

  /** In frames of a bounded size, each encoded when the one before has found room. */
  #flush(): void {
    const answers = this.#answers;
    this.#answers = [];
    let [from, bytes] = [0, 0];
    for (const [at, answer] of answers.entries()) {
      const size = sizeOf(answer.response);
      if (at > from && bytes + size > frameBytesAim) {
        if (!this.#send(answers.slice(from, at))) return;
        [from, bytes] = [at, 0];
      }
      if (size > payloadBytesMax - responseBytes) answers[at] = tooLong(answer.id, size);
      else bytes += size;
    }
    if (from < answers.length) this.#send(answers.slice(from));
  }

  #send(responses: readonly Response[]): boolean {
    const payload = encode(Responses, { responses: [...responses] });
    return this.#sendFrame(frameKinds.clientResponses, payload);
  }

  #sendFrame(kind: number, payload: Uint8Array): boolean {
    const isSent = this.#link.send(kind, payload);
    if (!isSent) this.#end('it does not read its answers');
    return isSent;
  }

  /** What was sent is given a moment to be read. */
  #leave(reason: string | undefined): void {
    void closeWithin(this.#options.context.clock, leaveMs, this.#link); // Never rejects.
    this.#over(reason);
  }

  #end(reason: string): void {
    this.#link.destroy();
    this.#over(reason);
  }

  #over(reason: string | undefined): void {
    this.#timer.cancel();
    this.#watches.close();
    this.#answers = [];
    this.#options.onOver(this, reason);
  }
}

/** What it said that it should not have; a client that is killed, or cut off, has made none. */
const mistakeIn = (end: LinkEnd): string | undefined =>
  end.type === 'failed' && end.isSpoken ? end.reason : undefined;

/** Of what stands in it in bytes; the rest is a few numbers. */
function sizeOf(response: Response['response'] | ResponseOp['response']): number {
  switch (response?.$case) {
    case 'range':
      return sizeOfPairs(response.value.kvs);
    case 'put':
      return sizeOfPairs(response.value.prevKv ? [response.value.prevKv] : []);
    case 'deleteRange':
      return sizeOfPairs(response.value.prevKvs);
    case 'txn':
      return response.value.responses.reduce(
        (sum, inner) => sum + sizeOf(inner.response),
        responseBytes,
      );
    case 'failure':
      return responseBytes + response.value.message.length + response.value.details.length;
    case 'leaseTime':
      return response.value.keys.reduce((sum, key) => sum + key.length + 8, responseBytes);
    case 'leases':
      return responseBytes + response.value.ids.length * 10;
    default:
      return responseBytes;
  }
}

const sizeOfPairs = (
  pairs: readonly { readonly key: Uint8Array; readonly value: Uint8Array }[],
): number =>
  pairs.reduce(
    (sum, { key, value }) => sum + key.length + value.length + responseBytes,
    responseBytes,
  );

const tooMany = (): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${inFlightMax} requests of this connection are under way: wait for answers first`,
  );

const unread = (bytes: number): HoldfastError =>
  new HoldfastError(
    'resource-exhausted',
    `${bytes} bytes of answers wait to be read on this connection: read them first`,
  );

const tooLong = (id: number, size: number): Response =>
  failureOf(
    id,
    new HoldfastError('too-large', `the answer has ${size} bytes: ask for less at a time`, {
      outcome: 'unknown',
    }),
  );

const otherVersion = (version: number): HoldfastError =>
  new HoldfastError(
    'version-mismatch',
    `the client speaks protocol version ${version}, this member ${clientProtocolVersion}`,
  );
