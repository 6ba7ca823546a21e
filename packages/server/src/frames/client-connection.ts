// One client that speaks frames: a stranger until its hello, then requests as many at a time as it
// likes, up to a bound, each answered when it is done, and watches beside them (client-watches.ts).
// Answers of one event of the event loop leave together. What a client does not read is bounded,
// and so is what it may have under way.
import type { Timer } from '@holdfast/base/clock';
import type { Deadline } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { AccessError } from '@holdfast/domain/access-error';
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
import { decodePayload } from '@holdfast/transport/decode-payload';
import {
  clientDialect,
  clientProtocolVersion,
  type Frame,
  frameKinds,
  knownClientFeatures,
  payloadBytesMax,
} from '@holdfast/transport/frame';
import { closeWithin, type FrameHandler, FrameLink } from '@holdfast/transport/frame-link';
import type { Link, LinkEnd } from '@holdfast/transport/link';

import { errorTable, operatingErrorOf } from '../errors.ts';
import { requireFewParts } from '../field-count.ts';
import { type HttpContext, requestBytesMax, tellFault } from '../http/http-context.ts';
import { responseBytes, sizeOf } from './answer-size.ts';
import { type Caller, isProven, nobody } from './caller.ts';
import { ClientWatches } from './client-watches.ts';
import { failure, failureOf } from './frame-call.ts';
import { answerTo } from './more-calls.ts';
import { otherVersion, tooLong, tooMany, unread } from './refusals.ts';
import { type RequestPace, RequestQueue } from './request-pace.ts';
import { requestsShape } from './request-shape.ts';
import type { WatchCount } from './watch-count.ts';

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
/** What a frame may hold beyond the longest request: a client gathers no more into one. */
const gatheredBytesMax = 1024 * 1024;
/** Of one who has not said who it is, while access control is on: each request is refused. */
const unprovenBytesMax = 64 * 1024;
/** While so much waits to be read by the client, its reads are refused. */
const unreadBytesHigh = 8 * 1024 * 1024;
/** With more the connection ends: whoever does not read its answers has no use for them. */
const unreadBytesMax = 64 * 1024 * 1024;
/** Answers that leave in one frame, before another one is begun. */
const frameBytesAim = 1024 * 1024;

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
  /** Who the other side is, by what it says and what else is known of it. Throws its refusal. */
  readonly callerOf: (hello: Hello) => Caller | Promise<Caller>;
  readonly onOver: (connection: ClientConnection, reason: string | undefined) => void;
  /** Of all connections of the member. */
  readonly watchCount: WatchCount;
  readonly pace: RequestPace;
  readonly reading: { pause(): void; resume(): void };
};

export class ClientConnection {
  readonly #options: ClientConnectionOptions;
  readonly #link: FrameLink;
  readonly #timer: Timer;
  readonly #watches: ClientWatches;
  readonly #requests: RequestQueue;
  #takenBytes = 0;
  #takenMs: number;
  #caller: Caller | undefined;
  #isGreeting = false;
  #isOver = false;
  #underWay = 0;
  /** When nothing is under way any more. */
  #isToLeave = false;
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
    this.#requests = new RequestQueue({
      ...{ pace: options.pace, reading: options.reading, decode: requestsIn },
      take: (request) => this.#take(request),
      onTaken: () => {
        if (this.#isToLeave) this.#askAnew();
      },
      onMistake: (error) => this.#heedMistake(error),
    });
    this.#watches = new ClientWatches({
      context,
      caller: () => this.#caller ?? nobody,
      isProven: () => isProven(this.#caller, context),
      onUnproven: () => this.#askAnew(),
      count: options.watchCount,
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

  /** What was said to it and that the system has not taken yet. */
  get unreadBytes(): number {
    return this.#link.pendingBytes;
  }

  /** For how long it has taken nothing of that, as far as `look` has seen. */
  get unreadMs(): number {
    if (this.unreadBytes === 0) return 0;
    return this.#options.context.clock.monotonicMs() - this.#takenMs;
  }

  /** What it has not read is in the way of others. */
  giveUp(): void {
    this.#end(`it left ${this.unreadBytes} bytes unread, and their room was needed`);
  }

  /** What was answered leaves before; what is still under way is answered to nobody. */
  close(): void {
    this.#flush();
    this.#watches.flush();
    this.#leave(undefined);
  }

  #greet(frame: Frame): void {
    try {
      const caller = this.#callerIn(frame);
      if (!(caller instanceof Promise)) return this.#welcome(caller);
      this.#timer.cancel();
      caller.then(
        (proven) => this.#welcome(proven),
        (error: unknown) => this.#turnAway(error),
      );
    } catch (error) {
      this.#turnAway(error);
    }
  }

  #callerIn({ kind, payload }: Frame): Caller | Promise<Caller> {
    if (this.#isGreeting)
      throw new HoldfastError('corrupt', 'a frame before the hello was answered');
    this.#isGreeting = true;
    if (kind !== frameKinds.clientHello) {
      throw new HoldfastError('corrupt', `the first frame has kind ${kind}, no hello`);
    }
    const hello = decodePayload(Hello, payload, 'a hello');
    const { protocolVersion } = hello;
    if (protocolVersion !== clientProtocolVersion) throw otherVersion(protocolVersion);
    return this.#options.callerOf(hello);
  }

  #turnAway(error: unknown): void {
    if (this.#isOver) return; // While it was looked at who it is.
    const refused = operatingErrorOf(error);
    tellFault(this.#options.context, error, 'frames, hello');
    this.#link.send(frameKinds.clientHelloResponse, this.#helloResponse(refused));
    this.#leave(refused.message);
  }

  #welcome(caller: Caller): void {
    if (this.#isOver) return; // As above.
    this.#caller = caller;
    this.#timer.cancel();
    this.#link.send(frameKinds.clientHelloResponse, this.#helloResponse());
    const handler: FrameHandler = {
      onFrame: (frame) => this.#heed(frame),
      onDrain: () => this.#watches.drained(),
      onEnd: (end) => this.#over(mistakeIn(end)),
    };
    this.#link.trust(handler, () => this.#frameBytesMax);
  }

  /** Who has said who it is, while that did not matter, is asked anew: it may send that much. */
  get #frameBytesMax(): number {
    const { access, limits } = this.#options.context;
    const { subject, isNamed } = this.#caller ?? nobody;
    if (access.isOn && !subject && !isNamed) return unprovenBytesMax;
    return requestBytesMax(limits) + gatheredBytesMax;
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
      frameBytesMax: this.#frameBytesMax,
      refusal: refused && failure(refused),
    });
  }

  /** A HoldfastError that is thrown here ends the connection with its text. */
  #heed({ kind, payload }: Frame): void {
    if (kind === frameKinds.clientWatchOrders) return this.#watches.heed(payload);
    if (kind !== frameKinds.clientRequests) {
      throw new HoldfastError('corrupt', `kind ${kind} does not belong on a client's connection`);
    }
    this.#requests.push(payload);
  }

  /** As what is thrown where a frame is heeded. */
  #heedMistake(error: unknown): void {
    if (!isHoldfastError(error)) throw error;
    this.#end(error.message);
  }

  #take(request: Request): void {
    const refused = this.#refusalOf(request);
    if (!refused) return this.#run(request);
    this.#options.context.failures.add(refused.code);
    this.#answer(failureOf(request.id, refused));
    // Those beside it in the frame are answered before.
    this.#isToLeave ||= refused.code === 'unauthenticated';
  }

  #refusalOf({ request }: Request): HoldfastError | undefined {
    if (this.#underWay >= inFlightMax) return tooMany(inFlightMax);
    if (!isProven(this.#caller, this.#options.context)) return new AccessError('proof-ended');
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
      const { actor, subject } = this.#caller ?? nobody;
      const call = { request, actor, subject, signal: deadline.signal, valueBytesMax };
      answerTo(slot.engine, call).then(
        (response) => this.#done(running, response),
        (thrown: unknown) => this.#failed(running, thrown),
      );
    } catch (thrown) {
      this.#failed(running, thrown); // There is no engine yet, or no more.
    }
  }

  #failed(running: Running, thrown: unknown): void {
    const { context } = this.#options;
    const { request } = running;
    const error = operatingErrorOf(thrown);
    const response = failureOf(request.id, error);
    if (error instanceof AppliedBefore) return this.#done(running, response);
    context.failures.add(error.code);
    tellFault(context, thrown, `frames, ${nameOf(request)}`);
    this.#done(running, response, errorTable[error.code].status);
    if (error.code === 'unauthenticated') this.#askAnew();
  }

  /** What it has shown does not count (any more): it may say hello again. */
  #askAnew(): void {
    if (!this.#caller?.isNamed || this.#isOver) return;
    this.#isToLeave = true;
    if (this.#underWay > 0) return; // Whoever waits for an answer gets it.
    this.#flush();
    this.#watches.flush();
    this.#leave('who it has said it is does not count any more');
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
    if (this.#isToLeave) this.#askAnew();
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
    this.#isOver = true;
    this.#timer.cancel();
    this.#watches.close();
    this.#requests.close();
    this.#answers = [];
    this.#options.onOver(this, reason);
  }
}

/** Throws `corrupt`. */
function requestsIn(payload: Uint8Array): readonly Request[] {
  requireFewParts(payload, requestsShape, { max: requestsMax, what: 'requests' });
  return decodePayload(Requests, payload, 'a frame of requests').requests;
}

/** What it said that it should not have; a client that is killed, or cut off, has made none. */
const mistakeIn = (end: LinkEnd): string | undefined =>
  end.type === 'failed' && end.isSpoken ? end.reason : undefined;
