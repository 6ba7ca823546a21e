// For the tests of the gRPC door: a client that says what it is told to, well or badly, on
// node:http2 and by hand.
import { once } from 'node:events';
import { type ClientHttp2Session, type ClientHttp2Stream, connect } from 'node:http2';
import type { Socket } from 'node:net';

import { MessageParser, messageHeadBytes } from './message-parser.ts';
import { type Codec, framed, withLength } from './method.ts';

export type GrpcAnswer = {
  readonly status: number;
  readonly message: string;
  readonly messages: readonly Uint8Array[];
  readonly httpStatus: number;
};

/** Whatever stands in it. */
export function frameMessage(message: Uint8Array): Uint8Array {
  return withLength(Buffer.concat([new Uint8Array(messageHeadBytes), message]));
}

export class GrpcClient {
  readonly session: ClientHttp2Session;

  private constructor(session: ClientHttp2Session) {
    this.session = session;
    session.on('error', () => undefined); // Seen as the end of its calls.
  }

  /** On a socket of the caller's, to do to it what no client does. */
  static async connect(port: number, socket?: Socket): Promise<GrpcClient> {
    const options = socket ? { createConnection: () => socket } : {};
    const session = connect(`http://127.0.0.1:${port}`, options);
    const client = new GrpcClient(session);
    await once(session, 'connect');
    return client;
  }

  /** A call whose body is still to be said. */
  begin(path: string, headers: Readonly<Record<string, string>> = {}): ClientHttp2Stream {
    const stream = this.session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('error', () => undefined); // As above.
    return stream;
  }

  async say(
    path: string,
    body: Uint8Array,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<GrpcAnswer> {
    const stream = this.begin(path, headers);
    stream.end(body);
    return await answerOf(stream);
  }

  /** Throws `CODE: message` where the call does not end well. */
  async unary<Request, Response>(
    path: string,
    [request, response]: readonly [Codec<Request>, Codec<Response>],
    value: Request,
  ): Promise<Response> {
    const answer = await this.say(path, framed(request, value));
    if (answer.status !== 0) throw new Error(`${answer.status}: ${answer.message}`);
    return response.decode(answer.messages[0] as Uint8Array);
  }

  close(): void {
    this.session.destroy();
  }
}

export async function answerOf(stream: ClientHttp2Stream): Promise<GrpcAnswer> {
  const messages: Uint8Array[] = [];
  const parser = new MessageParser(64 * 1024 * 1024);
  let ends: Record<string, string | string[] | number | undefined> = {};
  let httpStatus = 0;
  stream.on('response', (headers) => {
    httpStatus = Number(headers[':status']);
    ends = { ...ends, ...(headers as typeof ends) };
  });
  stream.on('trailers', (trailers) => {
    ends = { ...ends, ...(trailers as typeof ends) };
  });
  stream.on('data', (bytes: Buffer) => parser.push(bytes, (one) => messages.push(one)));
  if (!stream.closed) await once(stream, 'close');
  const message = decodeURIComponent(`${ends['grpc-message'] ?? ''}`);
  return { status: Number(ends['grpc-status'] ?? Number.NaN), message, messages, httpStatus };
}
