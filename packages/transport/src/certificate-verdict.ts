// What the certificate of the other side of a connection proves, and why it does not, in words for
// operators. Pure: whoever made the TLS handshake brings what it found.

/** As Node's X509Certificate has it. */
export type ShownCertificate = {
  /** A line a part: `CN=n1`. */
  readonly subject: string;
  readonly issuer: string;
  readonly validFrom: string;
  readonly validTo: string;
  /** `DNS:n1, IP Address:10.0.0.1`. */
  readonly subjectAltName?: string | undefined;
  /** The purposes, as object identifiers; undefined: it names none. */
  readonly keyUsage?: readonly string[] | undefined;
};

export type CertificateVerdict =
  /** `names`: those of its DNS entries, in lower case. */
  | {
      readonly type: 'certified';
      readonly names: readonly string[];
      readonly commonName: string | undefined;
    }
  /** `reason` is a sentence that says which certificate, and why. */
  | { readonly type: 'refused'; readonly reason: string };

/** Purposes of a certificate (RFC 5280, 4.2.1.12). A client's has the second alone. */
export const purposes = {
  server: '1.3.6.1.5.5.7.3.1',
  client: '1.3.6.1.5.5.7.3.2',
} as const;

export type Judged = {
  /** Undefined: none was shown. */
  readonly shown: ShownCertificate | undefined;
  /** The code of what is wrong with its chain; undefined: nothing is. */
  readonly problem: string | undefined;
  /** What it must be good for, whatever the handshake itself has looked at. */
  readonly purpose?: keyof typeof purposes;
  readonly nowMs: number;
};

export function judgeCertificate(judged: Judged): CertificateVerdict {
  const { shown, problem, purpose } = judged;
  if (shown === undefined) return { type: 'refused', reason: 'no certificate was shown' };
  const refused = (why: string): CertificateVerdict => ({
    type: 'refused',
    reason: `the certificate ${describeCertificate(shown)} ${why}`,
  });
  if (problem !== undefined) return refused(wordsOf(problem, judged));
  if (purpose !== undefined && !shown.keyUsage?.includes(purposes[purpose])) {
    return refused(wrongPurpose(shown));
  }
  return { type: 'certified', names: dnsNamesOf(shown), commonName: commonNameOf(shown.subject) };
}

/** `"CN=n1" (issued by "CN=Our CA")`. */
export const describeCertificate = ({ subject, issuer }: ShownCertificate): string =>
  `"${inOneLine(subject)}" (issued by "${inOneLine(issuer)}")`;

/** The DNS entries, in lower case. */
export function dnsNamesOf({ subjectAltName = '' }: ShownCertificate): readonly string[] {
  return subjectAltName
    .split(', ')
    .filter((part) => part.startsWith('DNS:'))
    .map((part) => part.slice('DNS:'.length).toLowerCase());
}

const commonNameOf = (subject: string): string | undefined => /^CN=(.+)$/m.exec(subject)?.[1];

const inOneLine = (name: string): string => name.split('\n').join(', ') || 'nobody';

function wordsOf(problem: string, { shown, nowMs }: Judged): string {
  switch (problem) {
    case 'CERT_HAS_EXPIRED':
      return expired(shown as ShownCertificate, nowMs);
    case 'CERT_NOT_YET_VALID':
      return `is not valid before ${shown?.validFrom}: is a clock wrong?`;
    case 'INVALID_PURPOSE':
      return wrongPurpose(shown as ShownCertificate);
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'CERT_SIGNATURE_FAILURE':
      return 'is of an authority that is not trusted here';
    case 'CERT_REVOKED':
      return 'was revoked';
    default:
      return `will not do: ${problem}`;
  }
}

function expired({ validTo }: ShownCertificate, nowMs: number): string {
  if (Date.parse(validTo) <= nowMs) return `has expired on ${validTo}`;
  return 'is of an authority whose own certificate has expired';
}

function wrongPurpose({ keyUsage }: ShownCertificate): string {
  if (keyUsage?.length === 1 && keyUsage[0] === purposes.client) {
    return "is a client's, and no member's";
  }
  return keyUsage?.includes(purposes.server)
    ? 'is for servers only, and not for who dials'
    : 'names no purpose that fits (extended key usage: server and client)';
}
