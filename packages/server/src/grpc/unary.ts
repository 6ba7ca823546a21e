// A call with one message each way. The end of its time, or of its client, ends the wait and never
// the work: what was proposed stays proposed.
import { type Encoder, encode } from '@holdfast/proto/encode';

import type { HttpContext } from '../http/http-context.ts';
import type { CallStream } from './call-stream.ts';
import { timeoutMsOf } from './grpc-timeout.ts';
import { frameMessage, MessageParser } from './message-parser.ts';
import { GrpcStatus, statusCodes } from './status.ts';

export type GrpcCall = {
  readonly actor: string;
  /** Ends with the call's time. */
  readonly signal: AbortSignal;
  readonly header: (name: string) => string | undefined;
};

/** What a service makes of a method: bytes in, bytes out, and its own errors as a status. */
export type UnaryMethod = {
  /** Of the service, for the times of calls. */
  readonly name: string;
  readonly handle: (message: Uint8Array, call: GrpcCall) => Promise<Uint8Array>;
  /** Of whatever `handle` rejects with. */
  readonly statusOf: (error: unknown) => GrpcStatus;
};

type Codec<T> = Encoder<T> & { decode(bytes: Uint8Array): T };

/** A method of decoded messages. */
export function unaryMethod<Request, Response>(
  of: Pick<UnaryMethod, 'name' | 'statusOf'>,
  [request, response]: readonly [Codec<Request>, Codec<Response>],
  handle: (request: Request, call: GrpcCall) => Promise<Response>,
): UnaryMethod {
  return {
    ...of,
    handle: async (message, call) =>
      encode(response, await handle(decoded(request, message), call)),
  };
}

function decoded<T>(codec: Codec<T>, message: Uint8Array): T {
  try {
    return codec.decode(message);
  } catch {
    // The decoder's own words are no use to a client.
    throw new GrpcStatus(statusCodes.internal, 'grpc: the message does not decode');
  }
}

export type UnaryOptions = {
  readonly context: HttpContext;
  readonly actor: string;
  readonly messageBytesMax: number;
};

export function serveUnary(stream: CallStream, method: UnaryMethod, options: UnaryOptions): void {
  const parser = new MessageParser(options.messageBytesMax);
  let message: Uint8Array | undefined;
  let isOver = false;
  const end = (status: GrpcStatus | 'ok', framed?: Uint8Array): void => {
    if (isOver) return;
    isOver = true;
    stream.end(status, framed);
  };
  stream.open({
    onBytes: (bytes) => {
      if (isOver) return;
      try {
        parser.push(bytes, (whole) => {
          if (message) throw new GrpcStatus(statusCodes.unimplemented, 'one message is one call');
          message = whole;
        });
      } catch (error) {
        if (!(error instanceof GrpcStatus)) throw error;
        end(error);
      }
    },
    onEnd: () => {
      if (isOver) return;
      if (!message || parser.isWithin) {
        end(new GrpcStatus(statusCodes.internal, 'grpc: the call ended before its message'));
        return;
      }
      void carryOut(stream, method, { ...options, message, end }); // Answers its own errors.
    },
    onGone: () => {
      isOver = true;
    },
  });
}

type CarryOut = UnaryOptions & {
  readonly message: Uint8Array;
  readonly end: (status: GrpcStatus | 'ok', framed?: Uint8Array) => void;
};

async function carryOut(
  stream: CallStream,
  { name, handle, statusOf }: UnaryMethod,
  { context, actor, message, end }: CarryOut,
): Promise<void> {
  const { clock, deadlines, times } = context;
  const beganMs = clock.monotonicMs();
  let code: number = statusCodes.ok;
  let dispose = (): void => undefined;
  try {
    const timeoutMs = timeoutMsOf(stream.header('grpc-timeout'));
    const deadline = timeoutMs === undefined ? deadlines.begin() : deadlines.beginFor(timeoutMs);
    dispose = () => deadline.dispose();
    const header = (of: string): string | undefined => stream.header(of);
    const answer = await handle(message, { actor, signal: deadline.signal, header });
    end('ok', frameMessage(answer));
  } catch (error) {
    const status = error instanceof GrpcStatus ? error : statusOf(error);
    code = status.code;
    end(status);
  } finally {
    dispose();
    const durationMs = clock.monotonicMs() - beganMs;
    times.observe('grpc', name, { status: code === statusCodes.ok ? 200 : 500, durationMs });
  }
}
