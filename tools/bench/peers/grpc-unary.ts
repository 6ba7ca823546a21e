// A single call of gRPC on a connection of its own, for what is asked beside the load.
import { once } from 'node:events';
import { type ClientHttp2Session, connect, type IncomingHttpHeaders } from 'node:http2';

import type { MessageFns } from '@holdfast/proto/etcd';

import { messageHeadBytes } from '../grpc-call.ts';

const timeoutMs = 10_000;

export type UnaryCall<Request, Response> = {
  /** `host:port` */
  readonly endpoint: string;
  readonly path: string;
  readonly codecs: readonly [MessageFns<Request>, MessageFns<Response>];
  readonly request: Request;
};

/** Rejects where the call does not end well within ten seconds. */
export async function callUnary<Request, Response>({
  endpoint,
  path,
  codecs: [requests, responses],
  request,
}: UnaryCall<Request, Response>): Promise<Response> {
  const session = connect(`http://${endpoint}`);
  try {
    const ended = withRejection(session);
    const body = framed(requests.encode(request).finish());
    const answer = await Promise.race([ended, answerTo(session, path, body)]);
    return responses.decode(answer.subarray(messageHeadBytes));
  } finally {
    session.destroy();
  }
}

/** Rejects when the connection fails. */
async function withRejection(session: ClientHttp2Session): Promise<never> {
  const [error] = (await once(session, 'error')) as [Error];
  throw error;
}

async function answerTo(session: ClientHttp2Session, path: string, body: Buffer): Promise<Buffer> {
  const headers = { 'content-type': 'application/grpc', te: 'trailers' };
  const stream = session.request({ ':method': 'POST', ':path': path, ...headers });
  const signal = AbortSignal.timeout(timeoutMs);
  const parts: Buffer[] = [];
  let ends: IncomingHttpHeaders = {};
  const keep = (heads: IncomingHttpHeaders): void => {
    ends = heads;
  };
  stream.on('response', keep);
  stream.on('trailers', keep);
  stream.on('data', (part: Buffer) => parts.push(part));
  stream.end(body);
  await once(stream, 'close', { signal });
  if (ends['grpc-status'] === '0') return Buffer.concat(parts);
  throw new Error(`${path}: ${String(ends['grpc-status'])} ${String(ends['grpc-message'])}`);
}

function framed(message: Uint8Array): Buffer {
  const bytes = Buffer.alloc(messageHeadBytes + message.length);
  bytes.writeUInt32BE(message.length, 1);
  bytes.set(message, messageHeadBytes);
  return bytes;
}
