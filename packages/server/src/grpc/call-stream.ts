// What a call of gRPC needs of whatever carries it, and nothing more: HTTP/2 of ours does, and the
// JSON gateway, and no handler knows which (speed.md, choice 1).
import type { CallRoom } from './call-room.ts';
import type { Holder } from './message-parser.ts';
import type { FramedMessage, UnaryAnswer } from './method.ts';
import type { GrpcStatus } from './status.ts';

export type CallReader = {
  readonly onBytes: (bytes: Uint8Array) => void;
  /** The client has said all. */
  readonly onEnd: () => void;
  /** After a `send` that answered false: there is room again. */
  readonly onRoom?: () => void;
  /** The client has given the call up, or is gone: nobody reads what is sent. */
  readonly onGone: () => void;
};

/** What is held for it is counted, and given back when the call is over. */
export interface CallStream extends Holder {
  /** `/package.Service/Method` */
  readonly path: string;
  /** Of the request, by a name in lower case; the first value. */
  header(name: string): string | undefined;
  /** To be called once. */
  open(reader: CallReader): void;
  /** The call goes on. Answers whether there is room for another one. */
  send(message: FramedMessage): boolean;
  /**
   * The last message, if any, and how the call ended. Of a stream that is gone: nothing. A client
   * that has not said all is told to stop.
   */
  end(status: GrpcStatus | 'ok', message?: UnaryAnswer): void;
  /** What was sent and has not left for the client. */
  readonly unsentBytes: number;
  /** Ends it with all that was not read; the client hears that it broke. */
  abandon(): void;
  /**
   * Nothing is read until `resume`: the client's window closes. False: what may come until then is
   * more than may be held.
   */
  pause(): boolean;
  resume(): void;
  /** For the one answer of a call; undefined: it is taken as fast as it is made. */
  readonly room?: CallRoom | undefined;
}
