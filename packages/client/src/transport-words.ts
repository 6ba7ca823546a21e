// What a failure on the way to an endpoint is, in words, whatever was spoken there: one place for
// both HTTP and frames, so that an operator reads the same sentence.
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { isRefused } from '@holdfast/transport/link';

import { handshakeSentence, isHandshakeFailure } from './client-tls.ts';
import { TransportFailure } from './http-port.ts';

/** Failures that come before the first byte of a request can have left. */
const beforeSendCodes: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EADDRNOTAVAIL',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
]);

/** Of what the system or a library has thrown; an error of ours stays what it is. */
export function transportFailure(endpoint: string, error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const reason = codeOf(error);
  const isBeforeSend = beforeSendCodes.has(reason) || isHandshakeFailure(reason);
  const outcome = isBeforeSend ? 'not-applied' : 'unknown';
  const options = { outcome, reason, cause: error } as const;
  return new TransportFailure(endpoint, sentenceOf(reason, error), options);
}

/** Of a dial or a handshake, where no request can have left. */
export function dialFailure(endpoint: string, error: unknown): TransportFailure {
  // What the transport says of a dial has the system's own error below it.
  const cause = error instanceof HoldfastError && error.cause ? error.cause : error;
  const reason = isRefused(error) ? 'ECONNREFUSED' : codeOf(cause);
  const options = { outcome: 'not-applied', reason, cause } as const;
  return new TransportFailure(endpoint, sentenceOf(reason, cause), options);
}

export const connectTimeout = (endpoint: string): TransportFailure =>
  dialFailure(endpoint, { code: 'UND_ERR_CONNECT_TIMEOUT' });

/** Node joins the failures of several addresses of one name into one; the first speaks for all. */
function codeOf(error: unknown): string {
  const first = error instanceof AggregateError ? error.errors[0] : error;
  const code = (first as { code?: unknown } | undefined)?.code;
  return typeof code === 'string' ? code : 'unknown';
}

function sentenceOf(code: string, error: unknown): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'connection refused (nothing listens there)';
    case 'UND_ERR_CONNECT_TIMEOUT':
      return 'no connection within the connect deadline';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the host name is not known';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route to the host';
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return 'the connection broke';
    default:
      if (isNoHttp(error)) return 'no member answers clients there (is it its port for peers?)';
      return handshakeSentence(code, error) ?? messageOf(error);
  }
}

/** The parser of HTTP did not find any. */
const isNoHttp = (error: unknown): boolean =>
  error instanceof Error && (error.name === 'HTTPParserError' || isNoHttp(error.cause));
