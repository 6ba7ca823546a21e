// The JSON gateway of etcd, beside the HTTP API: it knows where each method is found, and hands the
// call to the same one that gRPC calls. Of services it knows nothing.
import { must, violated } from '@holdfast/base/assert';
import type { FastifyInstance } from 'fastify';

import { etcdStatusOf } from '../etcd/etcd-status.ts';
import { statusOfFailure } from '../grpc/failed-call.ts';
import { type GrpcCallerIdentity, identityOf } from '../grpc/grpc-caller.ts';
import { timeoutMsOf } from '../grpc/grpc-timeout.ts';
import type { GrpcMethod, GrpcMethods } from '../grpc/method.ts';
import { GrpcStatus, statusCodes } from '../grpc/status.ts';
import { serveStream } from '../grpc/streaming.ts';
import { serveUnary } from '../grpc/unary.ts';
import { UnreadAnswers } from '../grpc/unread-answers.ts';
import { houseSignHeader } from '../http/house-sign.ts';
import type { HttpContext } from '../http/http-context.ts';
import { GatewayCall, type GatewayExchange } from './gateway-call.ts';
import { metadataOf, refuseOtherOrigins } from './gateway-headers.ts';
import { gatewayPaths, gatewayPrefixes } from './gateway-paths.ts';
import { errorText, httpStatusOf } from './gateway-status.ts';
import { LongLines } from './long-lines.ts';
import type { MethodShape } from './message-shapes.ts';

export type GatewayOptions = {
  readonly context: HttpContext;
  readonly methods: GrpcMethods;
  /** Of one message of a client, as gRPC takes it. */
  readonly messageBytesMax: number;
  /** Of one message that is answered. Default: what JSON can be made of in about a second. */
  readonly answerBytesMax?: number;
};

/** Base64 makes four bytes of three; the rest is for names. */
const jsonBytesOf = (messageBytes: number): number => Math.ceil(messageBytes * 1.4) + 64 * 1024;
/** JSON of it is shorter than a string may be. */
const defaultAnswerBytesMax = 256 * 1024 * 1024;

const anyMethod = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

export function gatewayRoutes(
  app: FastifyInstance,
  options: GatewayOptions,
  prefixes: readonly string[] = gatewayPrefixes,
): void {
  const gateway = new Gateway(options);
  // Before the framework asks for a content type and a body: curl's are those of a form.
  app.addHook('onRequest', async (request, reply) => {
    reply.hijack();
    const { '*': rest } = request.params as { readonly '*': string };
    void gateway.serve(`/${rest}`, { request: request.raw, response: reply.raw });
  });
  const handler = (): never => violated('the hook has the request');
  for (const prefix of prefixes) {
    app.route({ method: anyMethod, url: `${prefix}/*`, schema: { hide: true }, handler });
  }
}

/** Of which nothing was found out yet. */
const anyCall = { name: 'through the gateway', statusOf: etcdStatusOf };

/** What is called, and by whom. */
type Called = {
  readonly path: string;
  readonly method: GrpcMethod;
  readonly caller: GrpcCallerIdentity;
};

class Gateway {
  readonly #options: GatewayOptions;
  readonly #unread: UnreadAnswers;
  readonly #long = new LongLines();
  #shapes: Promise<ReadonlyMap<string, MethodShape>> | undefined;

  constructor(options: GatewayOptions) {
    this.#options = options;
    const { clock, limits } = options.context;
    this.#unread = new UnreadAnswers({ clock, bytesMax: limits.unreadBytesMax });
  }

  /** Never rejects. What is under way answers its own errors, which come to nobody here. */
  async serve(place: string, exchange: GatewayExchange): Promise<void> {
    try {
      const path = pathOf(place, exchange);
      this.#shapes ??= loadShapes();
      const shapes = await this.#shapes;
      const called = await this.#called(path, exchange);
      if (called.method.answersMany) await this.#waitForRoom();
      // Whoever left meanwhile is not told of any more, either.
      if (!exchange.response.destroyed) this.#begin(called, exchange, shapes);
    } catch (error) {
      refuse(exchange, statusOfFailure(error, anyCall, this.#options.context));
    }
  }

  /** As for lists: nothing is made while as much as may be waits for its readers. */
  async #waitForRoom(): Promise<void> {
    const { answers, limits, deadlines } = this.#options.context;
    if (answers.unreadBytes < limits.unreadBytesMax) return;
    const deadline = deadlines.begin();
    try {
      await answers.first(async () => undefined, deadline.signal);
    } finally {
      deadline.dispose();
    }
  }

  async #called(path: string, { request }: GatewayExchange): Promise<Called> {
    const { context, methods } = this.#options;
    const method = methods.get(path);
    if (!method) throw new GrpcStatus(statusCodes.unimplemented, `unknown method ${path}`);
    const { headers, socket } = request;
    const call = { header: (name: string) => metadataOf(headers, name) };
    const caller = await identityOf(context.access, { call, method, socket });
    return { path, method, caller };
  }

  #begin(
    { path, method, caller }: Called,
    exchange: GatewayExchange,
    shapes: ReadonlyMap<string, MethodShape>,
  ): void {
    const { context, messageBytesMax, answerBytesMax } = this.#options;
    const isPatient = method.kind === 'stream' || method.waitsWithClient === true;
    const call = new GatewayCall(exchange, {
      context,
      path,
      shape: must(shapes.get(path), `the shapes of ${path} are known`),
      isPatient,
      jsonBytesMax: jsonBytesOf(messageBytesMax),
      answerBytesMax: answerBytesMax ?? defaultAnswerBytesMax,
      unread: this.#unread,
      long: this.#long,
    });
    const options = { context, door: 'gateway', caller, messageBytesMax } as const;
    if (method.kind === 'unary') serveUnary(call, method, options);
    else serveStream(call, method, options);
  }
}

async function loadShapes(): Promise<ReadonlyMap<string, MethodShape>> {
  const { methodShapes } = await import('./message-shapes.ts');
  return methodShapes(gatewayPaths.values());
}

/** The method that is asked for. Throws a GrpcStatus for what needs no look at the body. */
function pathOf(place: string, { request, response }: GatewayExchange): string {
  const path = gatewayPaths.get(place);
  if (path === undefined) throw new GrpcStatus(statusCodes.notFound, 'Not Found');
  if (request.method !== 'POST') {
    response.setHeader('Allow', 'POST');
    throw new NotAllowed(statusCodes.unimplemented, 'Method Not Allowed');
  }
  refuseOtherOrigins(request.headers);
  checkTimeout(metadataOf(request.headers, 'grpc-timeout'));
  return path;
}

function checkTimeout(text: string | undefined): void {
  try {
    timeoutMsOf(text);
  } catch {
    // Its words are those of gRPC, whose clients can not say such a thing.
    throw new GrpcStatus(statusCodes.invalidArgument, `invalid grpc-timeout: ${text}`);
  }
}

/** HTTP has a status for it, and gRPC none. */
class NotAllowed extends GrpcStatus {}

function refuse({ response }: GatewayExchange, status: GrpcStatus): void {
  if (response.destroyed) return;
  const httpStatus = status instanceof NotAllowed ? 405 : httpStatusOf(status);
  const text = errorText(status);
  response.writeHead(httpStatus, {
    ...houseSignHeader,
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(text),
  });
  response.end(text);
}
