// How a client speaks TLS with its endpoints: whom it trusts, and what it shows of itself; and in
// words what a handshake failed for.

/** PEM texts. */
export type ClientTls = {
  /** The authorities of the members' certificates; undefined: those of the system. */
  readonly ca?: string | undefined;
  /** Both or none: the client's own certificate, where the members ask for one. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
};

/** Failures of a handshake: no byte of a request has left before it is done. */
const sentences: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: "the member's certificate, or one above it, has expired",
  CERT_NOT_YET_VALID: "the member's certificate is not valid yet: is a clock wrong?",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the member's certificate is of an authority that is not trusted",
  SELF_SIGNED_CERT_IN_CHAIN: "the member's certificate is of an authority that is not trusted",
  UNABLE_TO_GET_ISSUER_CERT: "the member's certificate is of an authority that is not trusted",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    "the member's certificate is of an authority that is not trusted",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    "the member's certificate is of an authority that is not trusted",
  CERT_SIGNATURE_FAILURE: "the member's certificate is of another authority of the same name",
  INVALID_PURPOSE: 'the certificate shown there is not for a server',
  ERR_SSL_WRONG_VERSION_NUMBER: 'it speaks no TLS: write http:// and name no authority',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it speaks no TLS: write http:// and name no authority',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'no version of TLS is common to both sides',
  EPROTO: 'the TLS handshake failed',
};

export const isHandshakeFailure = (code: string): boolean =>
  code === 'ERR_TLS_CERT_ALTNAME_INVALID' || Object.hasOwn(sentences, code);

/** Undefined: it was no handshake that failed. */
export function handshakeSentence(code: string, error: unknown): string | undefined {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    const { reason } = error as { readonly reason?: unknown };
    const why = typeof reason === 'string' ? ` (${reason.replace(/\.$/, '')})` : '';
    return `the member's certificate does not name this endpoint${why}`;
  }
  return sentences[code];
}
