// The door for gRPC: it is given the connections that speak HTTP/2, and hands each call to the
// method that it names. It knows of no service.
import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2';
import type { Socket } from 'node:net';

import { messageOf } from '@holdfast/base/errors';

import { actorNamed } from '../http/call-options.ts';
import { refusedCertificateOf, type TurnedAway } from '../http/certified-door.ts';
import type { HttpContext } from '../http/http-context.ts';
import { ByteBudget } from './byte-budget.ts';
import { CallPace } from './call-pace.ts';
import { mendFirstHeaders } from './first-frames.ts';
import { GrpcConnection } from './grpc-connection.ts';
import { Http2CallStream } from './http2-stream.ts';
import type { GrpcMethods } from './method.ts';
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
/** What a call costs while it is open, beside its headers and its message: measured, rounded up. */
const callBytes = 8 * 1024;
/** Of a path that is told back. */
const shownPathMax = 200;

export class GrpcDoor {
  readonly #options: GrpcDoorOptions;
  readonly #connections = new Set<GrpcConnection>();
  /** Connections that have asked for nothing yet. */
  readonly #begun = new Set<Socket>();
  readonly #held = new ByteBudget(heldBytesMax);
  readonly #unread: UnreadAnswers;
  readonly #unfinished: UnfinishedCalls;
  readonly #pace = new CallPace();
  #isLeaving = false;

  constructor(options: GrpcDoorOptions) {
    const { clock, limits } = options.context;
    this.#options = options;
    this.#unread = new UnreadAnswers(limits.unreadBytesMax);
    this.#unfinished = new UnfinishedCalls(clock, limits.requestTimeoutMs);
  }

  /** Of a paused socket of which nothing was read. */
  accept(socket: Socket): void {
    if (this.#isLeaving) {
      socket.destroy();
      return;
    }
    // As it came from a server of HTTP/1.1, a client that ends it would stay for ever.
    socket.allowHalfOpen = false;
    this.#begun.add(socket);
    socket.once('close', () => this.#begun.delete(socket));
    const { context, onTurnedAway } = this.#options;
    const from = socket.remoteAddress ?? 'gone';
    mendFirstHeaders(socket, {
      clock: context.clock,
      onReady: () => {
        this.#begun.delete(socket);
        this.#open(socket);
      },
      onSilent: () => onTurnedAway(from, 'no settings in time'),
    });
  }

  #open(socket: Socket): void {
    const { context, onTurnedAway } = this.#options;
    const from = socket.remoteAddress ?? 'gone';
    const connection = new GrpcConnection(socket, {
      clock: context.clock,
      pace: this.#pace,
      held: this.#held,
      unread: this.#unread,
      unreadMs: context.limits.unreadMs,
      onCall: (on, stream, headers) => this.#serve(on, stream, headers),
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
    for (const socket of this.#begun) socket.destroy();
    for (const connection of this.#connections) connection.leave();
  }

  /** What was said last is given a moment to arrive. */
  close(): void {
    this.#unfinished.close();
    for (const connection of this.#connections) connection.destroyWithin(leaveMs);
  }

  #serve(
    connection: GrpcConnection,
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
  ): void {
    if (headers[':method'] !== 'POST' || !readType(headers).startsWith('application/grpc')) {
      stream.on('error', () => undefined); // As of a call.
      stream.respond({ ':status': headers[':method'] === 'POST' ? 415 : 405 }, { endStream: true });
      stream.close(constants.NGHTTP2_NO_ERROR);
      return;
    }
    const call = new Http2CallStream(stream, headers, connection.accounts);
    const refusal = refusedCertificateOf(connection.socket);
    if (refusal) {
      connection.note(refusal.message);
      call.end(new GrpcStatus(statusCodes.unauthenticated, refusal.message));
      return;
    }
    if (!call.hold(callBytes + bytesOf(headers))) {
      call.end(tooMany());
      return;
    }
    const method = this.#options.methods.get(call.path);
    if (!method) {
      call.end(unknown(call.path));
      return;
    }
    const actor = this.#actorOf(call, connection.socket);
    if (actor === undefined) return;
    const { context, messageBytesMax } = this.#options;
    const options = {
      context,
      door: 'grpc' as const,
      actor,
      messageBytesMax,
      unfinished: this.#unfinished,
    };
    if (method.kind === 'unary') serveUnary(call, method, options);
    else serveStream(call, method, options);
  }

  /** Undefined: it names itself as nobody may, and was told so. */
  #actorOf(call: Http2CallStream, socket: Socket): string | undefined {
    try {
      return actorNamed(call.header('holdfast-actor'), socket);
    } catch (error) {
      call.end(new GrpcStatus(statusCodes.invalidArgument, messageOf(error)));
      return undefined;
    }
  }
}

const readType = (headers: IncomingHttpHeaders): string => headers['content-type'] ?? '';

function bytesOf(headers: IncomingHttpHeaders): number {
  let bytes = 0;
  for (const name in headers) bytes += name.length + (headers[name]?.length ?? 0);
  return bytes;
}

const unknown = (path: string): GrpcStatus =>
  new GrpcStatus(statusCodes.unimplemented, `unknown method ${path.slice(0, shownPathMax)}`);

const tooMany = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.resourceExhausted,
    'grpc: too many calls are open here: end some that were begun',
  );
