// Connections that do not speak HTTP well enough to reach a route: a flood of headers, a request
// that is never finished, bytes that are no request. They get one problem and are closed.
import type { Socket } from 'node:net';

import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';
import { isTlsHello } from '@holdfast/transport/tls-words';

import type { TurnedAway } from './certified-door.ts';
import { houseSign } from './house-sign.ts';
import { HttpStatusError, problemContentType, problemOf, problemText } from './problem.ts';

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
};

type ParserError = Error & { readonly code?: string; readonly rawPacket?: unknown };

export const clientErrors =
  (onTurnedAway: TurnedAway) =>
  (error: ParserError, socket: Socket): void => {
    if (isTls(error))
      onTurnedAway(socket.remoteAddress ?? 'gone', 'it spoke TLS, which is off here');
    answerClientError(error, socket);
  };

function isTls({ rawPacket }: ParserError): boolean {
  return rawPacket instanceof Uint8Array && isTlsHello(rawPacket[0]);
}

function answerClientError(error: ParserError, socket: Socket): void {
  // Reset, answered already, or not even in TLS: nobody listens any more.
  const isLost = error.code === 'ECONNRESET' || error.code?.startsWith('ERR_SSL_') === true;
  if (isLost || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const problem = problemOf(statusErrorOf(error));
  const text = problemText(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${reasons[problem.status]}\r\n` +
      `Content-Type: ${problemContentType}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
      `${houseSign.name}: ${houseSign.value}\r\nConnection: close\r\n\r\n${text}`,
  );
}

function statusErrorOf(error: ParserError): HttpStatusError {
  switch (error.code) {
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return statusError(408, 'deadline-exceeded', 'the request was not finished in time');
    case 'HPE_HEADER_OVERFLOW':
      return statusError(431, 'too-large', 'the headers are larger than 16 KiB');
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return statusError(413, 'too-large', 'the chunk extensions are too large');
    default:
      if (isTls(error)) return statusError(400, 'invalid-argument', 'this port speaks no TLS');
      return statusError(400, 'invalid-argument', 'these bytes are no HTTP/1.1 request');
  }
}

const statusError = (status: number, code: ErrorCode, message: string): HttpStatusError =>
  new HttpStatusError(status, new HoldfastError(code, message));
