// Connections that do not speak HTTP well enough to reach a route: a flood of headers, a request
// that is never finished, bytes that are no request. They get one problem and are closed.
import type { Socket } from 'node:net';

import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';

import { HttpStatusError, problemContentType, problemOf, problemText } from './problem.ts';

const reasons: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  408: 'Request Timeout',
  413: 'Payload Too Large',
  431: 'Request Header Fields Too Large',
};

type ParserError = Error & { readonly code?: string };

export function answerClientError(error: ParserError, socket: Socket): void {
  // Reset, or answered already: nobody listens any more.
  if (error.code === 'ECONNRESET' || !socket.writable || socket.bytesWritten > 0) {
    socket.destroy();
    return;
  }
  const problem = problemOf(statusErrorOf(error));
  const text = problemText(problem);
  socket.end(
    `HTTP/1.1 ${problem.status} ${reasons[problem.status]}\r\n` +
      `Content-Type: ${problemContentType}\r\nContent-Length: ${Buffer.byteLength(text)}\r\n` +
      `Connection: close\r\n\r\n${text}`,
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
      return statusError(400, 'invalid-argument', 'these bytes are no HTTP/1.1 request');
  }
}

const statusError = (status: number, code: ErrorCode, message: string): HttpStatusError =>
  new HttpStatusError(status, new HoldfastError(code, message));
