// The door for gRPC: it is given the connections that speak HTTP/2, and hands each call to the
// method that it names. It knows of no service.
import {
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { Socket } from 'node:net';

import { actorNamed } from '../http/call-options.ts';
import { refusedCertificateOf, type TurnedAway } from '../http/certified-door.ts';
import type { HttpContext } from '../http/http-context.ts';
import { mendFirstHeaders } from './first-frames.ts';
import { Http2CallStream } from './http2-stream.ts';
import type { GrpcMethods } from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';
import { serveStream } from './streaming.ts';
import { serveUnary } from './unary.ts';

export type GrpcDoorOptions = {
  readonly context: HttpContext;
  readonly methods: GrpcMethods;
  /** Of one message of a client. */
  readonly messageBytesMax: number;
  readonly onTurnedAway: TurnedAway;
};

/** For what was said last to arrive. */
const leaveMs = 1000;

const settings = {
  // Of one connection at a time; a client that wants more waits, as the protocol says.
  maxConcurrentStreams: 4096,
  initialWindowSize: 1024 * 1024,
  maxHeaderListSize: 64 * 1024,
  enablePush: false,
};
/** Of all streams of a connection together that is taken in before it is worked on. */
const connectionWindowBytes = 8 * 1024 * 1024;

export class GrpcDoor {
  readonly #options: GrpcDoorOptions;
  readonly #sessions = new Set<ServerHttp2Session>();
  /** Connections that have asked for nothing yet. */
  readonly #begun = new Set<Socket>();

  constructor(options: GrpcDoorOptions) {
    this.#options = options;
  }

  /** Of a paused socket of which nothing was read. */
  accept(socket: Socket): void {
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
    const session = performServerHandshake(socket, { settings });
    this.#sessions.add(session);
    // What is wrong with a connection ends it, and harms nobody else.
    session.on('error', (error: Error) =>
      this.#options.onTurnedAway(socket.remoteAddress ?? 'gone', error.message),
    );
    session.once('close', () => this.#sessions.delete(session));
    session.once('connect', () => session.setLocalWindowSize(connectionWindowBytes));
    session.on('stream', (stream, headers) => this.#serve(socket, stream, headers));
  }

  /** Calls that are under way are given a moment to be answered; new ones go elsewhere. */
  close(): void {
    for (const socket of this.#begun) socket.destroy();
    for (const session of this.#sessions) {
      session.close();
      const timer = this.#options.context.clock.schedule(leaveMs, () => session.destroy());
      session.once('close', () => timer.cancel());
    }
  }

  #serve(socket: Socket, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    if (headers[':method'] !== 'POST' || !readType(headers).startsWith('application/grpc')) {
      stream.on('error', () => undefined); // As of a call.
      stream.respond({ ':status': headers[':method'] === 'POST' ? 415 : 405 }, { endStream: true });
      stream.close(constants.NGHTTP2_NO_ERROR);
      return;
    }
    const call = new Http2CallStream(stream, headers);
    const refusal = refusedCertificateOf(socket);
    if (refusal) {
      call.end(new GrpcStatus(statusCodes.unauthenticated, refusal.message));
      return;
    }
    const { context, methods, messageBytesMax } = this.#options;
    const method = methods.get(call.path);
    if (!method) {
      call.end(new GrpcStatus(statusCodes.unimplemented, `unknown method ${call.path}`));
      return;
    }
    const actor = actorNamed(call.header('holdfast-actor'), socket);
    const options = { context, door: 'grpc', actor, messageBytesMax } as const;
    if (method.kind === 'unary') serveUnary(call, method, options);
    else serveStream(call, method, options);
  }
}

const readType = (headers: IncomingHttpHeaders): string => headers['content-type'] ?? '';
