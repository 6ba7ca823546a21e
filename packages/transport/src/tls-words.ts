// Why a TLS handshake failed, in words for operators. Pure: error codes in, sentences out.
import { messageOf } from '@holdfast/base/errors';

/** The record type of a handshake, with which every client of TLS begins. */
const handshakeRecord = 0x16;

/** Whether a connection whose first byte this is speaks TLS. */
export const isTlsHello = (first: number | undefined): boolean => first === handshakeRecord;

/** Of what Node has thrown. */
export function tlsFailureOf(error: object): string {
  const { code, reason } = error as { readonly code?: unknown; readonly reason?: unknown };
  const words = typeof reason === 'string' ? reason : messageOf(error);
  return tlsFailureWords(typeof code === 'string' ? code : undefined, words);
}

function tlsFailureWords(code: string | undefined, message: string): string {
  switch (code) {
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
    case 'ERR_SSL_PACKET_LENGTH_TOO_LONG':
    case 'EPROTO':
      return 'the other side speaks no TLS on this port';
    case 'ERR_SSL_HTTP_REQUEST':
      return 'it spoke HTTP without TLS';
    case 'ERR_SSL_UNSUPPORTED_PROTOCOL':
    case 'ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION':
      return 'no version of TLS is common to both sides (1.2 and 1.3 are spoken here)';
    case 'ERR_SSL_NO_SHARED_CIPHER':
    case 'ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE':
      return 'no cipher is common to both sides';
    case 'ERR_SSL_TLSV1_ALERT_UNKNOWN_CA':
      return 'the other side does not trust the authority of the certificate shown to it';
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED':
      return 'the other side says that the certificate shown to it has expired';
    case 'ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE':
    case 'ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN':
      return 'the other side does not take the certificate shown to it';
    case 'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED':
      return 'the other side asks for a certificate, and was shown none';
    case 'ECONNRESET':
      return 'the other side hung up in the middle of the TLS handshake';
    default:
      return `the TLS handshake failed: ${message.split('\n')[0]}`;
  }
}
