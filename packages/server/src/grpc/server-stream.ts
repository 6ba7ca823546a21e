// A call with one message in and any number out, for a handler that is written as one function: it
// is held while the client has no room for more.
import { waitFor } from '@holdfast/base/deadline';

import {
  type Codec,
  decoded,
  framed,
  type GrpcCall,
  type StreamCall,
  type StreamMethod,
  type StreamReader,
} from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';

/** Its signal ends with the call, whoever ends it. */
export type AnswerCall<Response> = GrpcCall & {
  /** Resolves when there is room for another one. Throws when the call is over. */
  readonly send: (response: Response) => Promise<void>;
};

/** The call ends well when `run` does, and with what it throws. */
export function serverStreamMethod<Request, Response>(
  of: Pick<StreamMethod, 'name' | 'statusOf'>,
  [request, response]: readonly [Codec<Request>, Codec<Response>],
  run: (request: Request, call: AnswerCall<Response>) => Promise<void>,
): StreamMethod {
  const open = (call: StreamCall): StreamReader => {
    const answers = new Answers(call, response);
    let hasBegun = false;
    const begin = async (message: Uint8Array): Promise<void> => {
      try {
        await run(decoded(request, message), answers);
        call.end('ok');
      } catch (error) {
        call.end(error instanceof GrpcStatus ? error : of.statusOf(error));
      }
    };
    return {
      onMessage: (message) => {
        if (hasBegun) throw new GrpcStatus(statusCodes.unimplemented, 'one message is one call');
        hasBegun = true;
        void begin(message); // Ends the call with whatever it meets.
      },
      onEnd: () => {
        if (hasBegun) return;
        throw new GrpcStatus(statusCodes.internal, 'grpc: the call ended before its message');
      },
      onRoom: () => answers.wake(),
      onGone: () => undefined, // The signal tells whoever waits.
    };
  };
  return { ...of, kind: 'stream', open };
}

class Answers<Response> implements AnswerCall<Response> {
  readonly actor: string;
  readonly subject: GrpcCall['subject'];
  readonly signal: AbortSignal;
  readonly header: GrpcCall['header'];
  readonly #call: StreamCall;
  readonly #codec: Codec<Response>;
  #wake: (() => void) | undefined;

  constructor(call: StreamCall, codec: Codec<Response>) {
    this.actor = call.actor;
    this.subject = call.subject;
    this.signal = call.signal;
    this.header = call.header;
    this.#call = call;
    this.#codec = codec;
  }

  readonly send = async (response: Response): Promise<void> => {
    this.signal.throwIfAborted();
    if (this.#call.send(framed(this.#codec, response))) return;
    const room = new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    await waitFor(room, this.signal);
  };

  wake(): void {
    this.#wake?.();
  }
}
