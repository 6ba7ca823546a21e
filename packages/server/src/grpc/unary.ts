// A call with one message each way. The end of its time, or of its client, ends the wait and never
// the work: what was proposed stays proposed.
import type { Deadline } from '@holdfast/base/deadline';

import type { HttpContext } from '../http/http-context.ts';
import type { CallStream } from './call-stream.ts';
import { timeoutMsOf } from './grpc-timeout.ts';
import { MessageParser } from './message-parser.ts';
import type { FramedMessage, UnaryMethod } from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';

export type CallOptions = {
  readonly context: HttpContext;
  readonly actor: string;
  readonly messageBytesMax: number;
};

export function serveUnary(stream: CallStream, method: UnaryMethod, options: CallOptions): void {
  const parser = new MessageParser(options.messageBytesMax);
  let message: Uint8Array | undefined;
  let isOver = false;
  const end = (status: GrpcStatus | 'ok', answer?: FramedMessage): void => {
    if (isOver) return;
    isOver = true;
    stream.end(status, answer);
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

type CarryOut = CallOptions & {
  readonly message: Uint8Array;
  readonly end: (status: GrpcStatus | 'ok', answer?: FramedMessage) => void;
};

async function carryOut(
  stream: CallStream,
  { name, handle, statusOf }: UnaryMethod,
  { context, actor, message, end }: CarryOut,
): Promise<void> {
  const { clock, deadlines, times } = context;
  const beganMs = clock.monotonicMs();
  let status = 200;
  let deadline: Deadline | undefined;
  try {
    deadline = deadlines.begin(timeoutMsOf(stream.header('grpc-timeout')));
    const header = (of: string): string | undefined => stream.header(of);
    end('ok', await handle(message, { actor, signal: deadline.signal, header }));
  } catch (error) {
    status = 500;
    end(error instanceof GrpcStatus ? error : statusOf(error));
  } finally {
    deadline?.dispose();
    times.observe('grpc', name, { status, durationMs: clock.monotonicMs() - beganMs });
  }
}
