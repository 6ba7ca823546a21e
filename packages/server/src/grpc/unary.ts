// A call with one message each way. The end of its time ends the wait and never the work: what was
// proposed stays proposed. That the client has gone is heeded by those calls that wait as long as
// it does.
import type { Deadline } from '@holdfast/base/deadline';

import type { HttpContext } from '../http/http-context.ts';
import type { CallStream } from './call-stream.ts';
import { CallWait } from './call-wait.ts';
import { statusOfFailure } from './failed-call.ts';
import type { GrpcCallerIdentity } from './grpc-caller.ts';
import { timeoutMsOf } from './grpc-timeout.ts';
import { MessageParser, tooMuch } from './message-parser.ts';
import type { UnaryAnswer, UnaryMethod } from './method.ts';
import { GrpcStatus, statusCodes } from './status.ts';
import type { UnfinishedCalls } from './unfinished-calls.ts';

export type CallOptions = {
  readonly context: HttpContext;
  /** Through which it came, for the times of calls. */
  readonly door: 'grpc' | 'gateway';
  readonly caller: GrpcCallerIdentity;
  readonly messageBytesMax: number;
  /** Told of calls that wait for their message; undefined: others see to that. */
  readonly unfinished?: UnfinishedCalls;
};

export function serveUnary(stream: CallStream, method: UnaryMethod, options: CallOptions): void {
  const { unfinished, messageBytesMax } = options;
  const parser = new MessageParser(messageBytesMax, stream);
  let message: Uint8Array | undefined;
  let wait: CallWait | undefined;
  let isOver = false;
  const end = (status: GrpcStatus | 'ok', answer?: UnaryAnswer): void => {
    if (isOver) return;
    isOver = true;
    finish();
    stream.end(status, answer);
  };
  const heed = (begun: CallWait): void => {
    wait = begun;
  };
  const call = unfinished?.add(() => end(tooSlow()));
  const finish = (): void => {
    if (call) unfinished?.delete(call);
  };
  stream.open({
    onBytes: (bytes) => {
      if (isOver) return;
      try {
        parser.push(bytes, (whole) => {
          if (message) throw new GrpcStatus(statusCodes.unimplemented, 'one message is one call');
          if (!stream.hold(whole.length)) throw tooMuch();
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
      finish();
      const onWait = method.waitsWithClient ? heed : undefined;
      // Answers its own errors.
      void carryOut(stream, method, { ...options, message, end, onWait });
    },
    onGone: () => {
      isOver = true;
      finish();
      wait?.leave();
    },
  });
}

type CarryOut = CallOptions & {
  readonly message: Uint8Array;
  readonly end: (status: GrpcStatus | 'ok', answer?: UnaryAnswer) => void;
  /** Given for a call that waits with its client, and told of its wait. */
  readonly onWait: ((wait: CallWait) => void) | undefined;
};

async function carryOut(
  stream: CallStream,
  method: UnaryMethod,
  { context, door, caller, message, end, onWait }: CarryOut,
): Promise<void> {
  const { clock, times } = context;
  const beganMs = clock.monotonicMs();
  let status = 200;
  let deadline: Deadline | undefined;
  try {
    deadline = begin(context, timeoutMsOf(stream.header('grpc-timeout')), onWait);
    const header = (of: string): string | undefined => stream.header(of);
    const { actor, subject, from } = caller;
    const { signal } = deadline;
    const call = { actor, subject, from, signal, header, room: stream.room };
    end('ok', await method.handle(message, call));
  } catch (error) {
    status = 500;
    end(statusOfFailure(error, method, context));
  } finally {
    deadline?.dispose();
    times.observe(door, method.name, { status, durationMs: clock.monotonicMs() - beganMs });
  }
}

function begin(
  context: HttpContext,
  timeoutMs: number | undefined,
  onWait: CarryOut['onWait'],
): Deadline {
  if (!onWait) return context.deadlines.begin(timeoutMs);
  const wait = new CallWait(context, timeoutMs);
  onWait(wait);
  return wait;
}
const tooSlow = (): GrpcStatus =>
  new GrpcStatus(statusCodes.deadlineExceeded, 'grpc: the call did not get its message in time');
