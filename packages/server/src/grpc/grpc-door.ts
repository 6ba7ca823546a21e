// The door for gRPC: it is given the connections that speak HTTP/2, and hands each call to the
// method that it names. It knows of no service.
import type { Socket } from 'node:net';

import { refusedCertificateOf, type TurnedAway } from '../http/certified-door.ts';
import type { HttpContext } from '../http/http-context.ts';
import { encodeHeaders } from '../http2/header-encoder.ts';
import type { ServerStream } from '../http2/server-stream.ts';
import { ByteBudget } from './byte-budget.ts';
import { CallPace } from './call-pace.ts';
import { statusOfFailure } from './failed-call.ts';
import { type GrpcCallerIdentity, identityOf } from './grpc-caller.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { Http2CallStream } from './http2-stream.ts';
import type { GrpcMethod, GrpcMethods } from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';
import { serveStream } from './streaming.ts';
import { serveUnary } from './unary.ts';
import { UnfinishedCalls } from './unfinished-calls.ts';
import { UnreadAnswers } from './unread-answers.ts';

export type GrpcDoorOptions = {
  readonly context: HttpContext;
  readonly methods: GrpcMethods;
  /** Of one message of a client. */
  readonly messageBytesMax: number;
  readonly onTurnedAway: TurnedAway;
};

/** For what was said last to arrive. */
const leaveMs = 1000;

/** Of all calls together, 65,536 of them while they idle. */
const heldBytesMax = 512 * 1024 * 1024;
/** Of those: by calls of which it is not known yet who makes them, 512 at a time. */
const heldBackBytesMax = heldBytesMax / 4;
/** What a call costs while it is open, beside its headers and its message: measured, rounded up. */
const callBytes = 8 * 1024;
/** Of a path that is told back. */
const shownPathMax = 200;

export class GrpcDoor {
  readonly #options: GrpcDoorOptions;
  readonly #connections = new Set<GrpcConnection>();
  readonly #held = new ByteBudget(heldBytesMax);
  readonly #heldBack = new ByteBudget(heldBackBytesMax);
  readonly #unread: UnreadAnswers;
  readonly #unfinished: UnfinishedCalls;
  readonly #pace = new CallPace();
  #isLeaving = false;

  constructor(options: GrpcDoorOptions) {
    const { clock, limits } = options.context;
    this.#options = options;
    this.#unread = new UnreadAnswers({ clock, bytesMax: limits.unreadBytesMax });
    this.#unfinished = new UnfinishedCalls(clock, limits.requestTimeoutMs);
  }

  /** Of a paused socket of which nothing was read. */
  accept(socket: Socket): void {
    if (this.#isLeaving) {
      socket.destroy();
      return;
    }
    const { context, onTurnedAway } = this.#options;
    const from = socket.remoteAddress ?? 'gone';
    const connection = new GrpcConnection(socket, {
      clock: context.clock,
      pace: this.#pace,
      held: this.#held,
      heldBack: this.#heldBack,
      unread: this.#unread,
      unreadMs: context.limits.unreadMs,
      onCall: (on, stream) => this.#serve(on, stream),
      onOver: (over, reason) => {
        this.#connections.delete(over);
        if (reason !== undefined) onTurnedAway(from, reason);
      },
    });
    this.#connections.add(connection);
  }

  /** Clients are told to go elsewhere; calls that are under way are answered. */
  leave(): void {
    this.#isLeaving = true;
    for (const connection of this.#connections) connection.leave();
  }

  /** What was said last is given a moment to arrive. */
  close(): void {
    this.#unfinished.close();
    for (const connection of this.#connections) connection.destroyWithin(leaveMs);
  }

  #serve(connection: GrpcConnection, stream: ServerStream): void {
    const { headers } = stream;
    if (headers.get(':method') !== 'POST') return stream.end(notAllowed);
    if (!(headers.get('content-type') ?? '').startsWith('application/grpc')) {
      return stream.end(unsupported);
    }
    const call = new Http2CallStream(stream, connection.accounts);
    const refusal = refusedCertificateOf(connection.socket);
    if (refusal) {
      connection.note(refusal.message);
      call.end(new GrpcStatus(statusCodes.unauthenticated, refusal.message));
      return;
    }
    if (!call.hold(callBytes + headers.bytes)) {
      call.end(tooMany());
      return;
    }
    const method = this.#options.methods.get(call.path);
    if (!method) {
      call.end(unknown(call.path));
      return;
    }
    this.#identify({ call, method, socket: connection.socket });
  }

  #identify({ call, method, socket }: ServedCall): void {
    try {
      const identity = identityOf(this.#options.context.access, { call, method, socket });
      if (identity instanceof Promise) this.#carryOutLater(call, method, identity);
      else this.#carryOut(call, method, identity);
    } catch (error) {
      this.#fail(call, method, error);
    }
  }

  /** It takes others to find out who calls, or a look at a password. */
  #carryOutLater(
    call: Http2CallStream,
    method: GrpcMethod,
    identity: Promise<GrpcCallerIdentity>,
  ): void {
    if (!call.holdBack()) {
      identity.catch(() => undefined); // It is told of that instead.
      call.end(tooManyUnknown());
      return;
    }
    const serve = (found: GrpcCallerIdentity): void => {
      if (call.isGone) return;
      this.#carryOut(call, method, found);
      call.letGo();
    };
    identity.then(serve).catch((error: unknown) => this.#fail(call, method, error));
  }

  #fail(call: Http2CallStream, method: GrpcMethod, error: unknown): void {
    call.end(statusOfFailure(error, method, this.#options.context));
  }

  #carryOut(call: Http2CallStream, method: GrpcMethod, caller: GrpcCallerIdentity): void {
    const { context, messageBytesMax } = this.#options;
    const unfinished = this.#unfinished;
    const options = { context, door: 'grpc', caller, messageBytesMax, unfinished } as const;
    if (method.kind === 'unary') serveUnary(call, method, options);
    else serveStream(call, method, options);
  }
}

type ServedCall = {
  readonly call: Http2CallStream;
  readonly method: GrpcMethod;
  readonly socket: Socket;
};

const notAllowed = encodeHeaders([[':status', '405']]);
const unsupported = encodeHeaders([[':status', '415']]);

const unknown = (path: string): GrpcStatus =>
  new GrpcStatus(statusCodes.unimplemented, `unknown method ${path.slice(0, shownPathMax)}`);

const tooMany = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.resourceExhausted,
    'grpc: too many calls are open here: end some that were begun',
  );

const tooManyUnknown = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.resourceExhausted,
    'grpc: too many calls wait here for it to be found out who makes them: try again',
  );
