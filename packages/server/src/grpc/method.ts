// What a service makes of its methods, whatever carries them: messages are bytes in and framed
// bytes out, errors a status. A service knows of no stream of HTTP/2, so the JSON gateway calls the
// same methods.
import { concatBytes } from '@holdfast/base/bytes';
import type { Subject } from '@holdfast/domain/subject';
import { type Encoder, encode } from '@holdfast/proto/encode';

import { fieldsMax, flat, hasTooManyFields, type MessageShape } from '../field-count.ts';
import type { CallRoom } from './call-room.ts';
import { messageHeadBytes } from './message-parser.ts';
import { GrpcStatus, statusCodes } from './status.ts';

/** A message behind its head, in one piece: what is sent is never copied into another buffer. */
export type FramedMessage = Uint8Array;

/** With which a call of one message each way ends: in one piece, or in pieces one after another. */
export type UnaryAnswer = FramedMessage | readonly Uint8Array[];

export type GrpcCaller = {
  readonly actor: string;
  /** Who is proven to ask, as an engine wants to know it. */
  readonly subject?: Subject | undefined;
  /** The address of the client, where it has one. */
  readonly from?: string | undefined;
  /** Of the request, by a name in lower case; the first value. */
  readonly header: (name: string) => string | undefined;
};

/** Its signal ends with the call's time, and may not tell that the client has gone. */
export type GrpcCall = GrpcCaller & {
  readonly signal: AbortSignal;
  /** To be asked where the answer may be long. Undefined: it is taken as fast as it is made. */
  readonly room?: CallRoom | undefined;
};

type MethodBase = {
  /** `Service/Method`, for the times of calls. */
  readonly name: string;
  /** Who asks need not be proven: a proof that does not count any more is not looked at. */
  readonly isOpen?: boolean;
  /** It may answer any number of values: where nobody reads such answers, no other one is begun. */
  readonly answersMany?: boolean;
  /** Of whatever a call ends with that is no status. */
  readonly statusOf: (error: unknown) => GrpcStatus;
};

/** One message each way. */
export type UnaryMethod = MethodBase & {
  readonly kind: 'unary';
  /**
   * It waits for others, as a lock does: for as long as its client does, whatever the default is.
   * Its signal ends when the client gives the call up or is gone, and with the time that it gave.
   */
  readonly waitsWithClient?: boolean | undefined;
  readonly handle: (message: Uint8Array, call: GrpcCall) => Promise<UnaryAnswer>;
};

/** What a stream's handler is told, in this order but for the last; nothing after `onGone`. */
export type StreamReader = {
  /** What it throws ends the call. */
  readonly onMessage: (message: Uint8Array) => void;
  /** The client has said all; answers may go on. */
  readonly onEnd: () => void;
  /** After a `send` that answered false: there is room again. */
  readonly onRoom: () => void;
  /** The client is gone, the call's time is over or it was ended: nothing is read or sent. */
  readonly onGone: () => void;
};

/** Its signal ends when the call does, whoever ended it. */
export type StreamCall = GrpcCall & {
  /** Answers whether there is room for another one; what is sent in spite of it is kept. */
  readonly send: (message: FramedMessage) => boolean;
  /** Of what was sent: what has not left for the client. */
  readonly unsentBytes: () => number;
  /** At once: what was sent and not read is dropped, and maybe the status with it. */
  readonly end: (status: GrpcStatus | 'ok', isAtOnce?: boolean) => void;
  /** No message is given until `resume`, and the client finds its window closed after a while. */
  readonly pause: () => void;
  readonly resume: () => void;
};

/** Any number of messages each way. */
export type StreamMethod = MethodBase & {
  readonly kind: 'stream';
  /** What it throws ends the call. */
  readonly open: (call: StreamCall) => StreamReader;
};

export type GrpcMethod = UnaryMethod | StreamMethod;

/** By their paths, `/package.Service/Method`. */
export type GrpcMethods = ReadonlyMap<string, GrpcMethod>;

export type Codec<T> = Encoder<T> & {
  decode(bytes: Uint8Array): T;
  /** Of what it decodes, where messages stand in it. */
  readonly shape?: MessageShape;
  /** What a message is refused with that has too many fields. */
  readonly tooMany?: () => GrpcStatus;
};

/** With where the messages stand in it, for one of which many may stand in one request. */
export const shaped = <T>(codec: Codec<T>, of: Pick<Codec<T>, 'shape' | 'tooMany'>): Codec<T> => ({
  ...codec,
  ...of,
});

/** A method of decoded messages. */
export function unaryMethod<Request, Response>(
  of: MethodBase & Pick<UnaryMethod, 'waitsWithClient'>,
  [request, response]: readonly [Codec<Request>, Codec<Response>],
  handle: (request: Request, call: GrpcCall) => Promise<Response>,
): UnaryMethod {
  return {
    ...of,
    kind: 'unary',
    handle: async (message, call) =>
      framed(response, await handle(decoded(request, message), call)),
  };
}

/** Throws a GrpcStatus. */
export function decoded<T>(codec: Codec<T>, message: Uint8Array): T {
  if (hasTooManyFields(message, codec.shape ?? flat)) throw (codec.tooMany ?? tooManyFields)();
  try {
    return codec.decode(message);
  } catch {
    // The decoder's own words are no use to a client.
    throw new GrpcStatus(statusCodes.internal, 'grpc: the message does not decode');
  }
}

const tooManyFields = (): GrpcStatus =>
  new GrpcStatus(
    statusCodes.invalidArgument,
    `grpc: the message has more than ${fieldsMax} fields`,
  );

const noHead = new Uint8Array(messageHeadBytes);

/** Uncompressed, with its head. */
export function framed<T>(codec: Encoder<T>, value: T): FramedMessage {
  return withLength(headed(codec, value));
}

/** Behind a head that says no length yet. */
export const headed = <T>(codec: Encoder<T>, value: T): Uint8Array => encode(codec, value, noHead);

/** Writes the length of what stands behind a head that was left free. */
export function withLength(message: Uint8Array): FramedMessage {
  withLengthOfAll([message]);
  return message;
}

/** Writes the length of what stands in pieces, of which the first begins with a free head. */
export function withLengthOfAll(pieces: readonly Uint8Array[]): readonly Uint8Array[] {
  const [first] = pieces;
  if (!first) throw new Error('a message has its head in its first piece');
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0) - messageHeadBytes;
  new DataView(first.buffer, first.byteOffset).setUint32(1, length);
  return pieces;
}

export const wholeOf = (answer: UnaryAnswer): FramedMessage =>
  answer instanceof Uint8Array ? answer : concatBytes(...answer);

/** The message of a frame. */
export const unframed = (answer: UnaryAnswer): Uint8Array =>
  wholeOf(answer).subarray(messageHeadBytes);
