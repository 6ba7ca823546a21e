// The frames of a call of gRPC: its head, and a message.
import { frameFlags, frameOf, frameTypes } from '@holdfast/server/http2/frame';
import type { FrameReader } from '@holdfast/server/http2/frame-reader';

import { decodeHeaders } from './hpack.ts';

/** Before a message: whether it is compressed, and its length. */
export const messageHeadBytes = 5;

export type CallPart = { readonly stream: number; readonly isLast: boolean };

export function headersFrame(block: Uint8Array, stream: number): Buffer {
  return frameOf({ type: frameTypes.headers, flags: frameFlags.endHeaders, stream }, block);
}

export function messageFrame(message: Uint8Array, { stream, isLast }: CallPart): Buffer {
  const payload = Buffer.alloc(messageHeadBytes + message.length);
  payload.writeUInt32BE(message.length, 1);
  payload.set(message, messageHeadBytes);
  const flags = isLast ? frameFlags.endStream : 0;
  return frameOf({ type: frameTypes.data, flags, stream }, payload);
}

/** The frame is the last one of its call. */
export const isEnd = ({ flags }: FrameReader): boolean => (flags & frameFlags.endStream) !== 0;

/** The code with which a call ended, out of its trailers. Throws where there is none. */
export function decodeStatus(block: Uint8Array): number {
  const headers = decodeHeaders(block);
  const code = Number(headers.get('grpc-status') ?? Number.NaN);
  if (Number.isInteger(code)) return code;
  throw new Error(`a call that ended without a status: ${JSON.stringify([...headers])}`);
}
