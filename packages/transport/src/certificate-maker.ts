// Makes certificates for development and tests: an authority of one's own, and what it issues to
// members and clients. It writes no file. For production, any authority will do that issues the
// same (docs/certificates.md).
import 'reflect-metadata';
import { createPrivateKey, randomBytes, webcrypto } from 'node:crypto';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsageExtension,
  type Extension,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

import { purposes } from './certificate-verdict.ts';

/** PEM texts. */
export type CertificateWithKey = { readonly cert: string; readonly key: string };

export type Validity = { readonly notBefore: Date; readonly notAfter: Date };

export type MemberCertificate = Validity & {
  /** As in --name: the others know it by that. */
  readonly name: string;
  /** Names and addresses under which clients dial it. */
  readonly hosts: readonly string[];
};

export type ClientCertificate = Validity & {
  /** Whom the history of a configuration shows. */
  readonly name: string;
};

/** P-256: small, quick to make, and understood by every version of TLS that is spoken here. */
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export async function makeAuthority(
  options: Validity & { readonly name: string },
): Promise<CertificateWithKey> {
  const keys = await newKeys();
  const extensions = [
    new BasicConstraintsExtension(true, 0, true),
    new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
  ];
  const subject = [{ CN: [options.name] }];
  const certificate = await X509CertificateGenerator.create({
    ...common(options),
    ...{ subject, issuer: subject, extensions },
    publicKey: keys.publicKey,
    signingKey: keys.privateKey,
  });
  return { cert: pem(certificate), key: await pemOfKey(keys.privateKey) };
}

/** Good for both sides of a connection between members, and for the door of its clients. */
export const issueMember = (
  authority: CertificateWithKey,
  options: MemberCertificate,
): Promise<CertificateWithKey> =>
  issue(authority, options, [
    new ExtendedKeyUsageExtension([purposes.server, purposes.client]),
    new SubjectAlternativeNameExtension([
      { type: 'dns', value: options.name },
      ...[...new Set(options.hosts)]
        .filter((host) => host !== options.name)
        .map((value) => ({ type: isIp(value) ? ('ip' as const) : ('dns' as const), value })),
    ]),
  ]);

/** Good for whoever dials, and never taken for a member's. */
export const issueClient = (
  authority: CertificateWithKey,
  options: ClientCertificate,
): Promise<CertificateWithKey> =>
  issue(authority, options, [new ExtendedKeyUsageExtension([purposes.client])]);

async function issue(
  authority: CertificateWithKey,
  options: Validity & { readonly name: string },
  own: readonly Extension[],
): Promise<CertificateWithKey> {
  const keys = await newKeys();
  const parent = new X509Certificate(authority.cert);
  const extensions = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    await SubjectKeyIdentifierExtension.create(keys.publicKey),
    await AuthorityKeyIdentifierExtension.create(parent),
    ...own,
  ];
  const certificate = await X509CertificateGenerator.create({
    ...common(options),
    ...{ subject: [{ CN: [options.name] }], issuer: parent.subjectName, extensions },
    publicKey: keys.publicKey,
    signingKey: await signingKeyOf(authority.key),
  });
  return { cert: pem(certificate), key: await pemOfKey(keys.privateKey) };
}

const common = ({ notBefore, notAfter }: Validity) => ({
  // Above zero, and no bit more than the standard has room for.
  serialNumber: `01${randomBytes(15).toString('hex')}`,
  signingAlgorithm: algorithm,
  notBefore,
  notAfter,
});

const newKeys = (): Promise<webcrypto.CryptoKeyPair> =>
  webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);

function signingKeyOf(key: string): Promise<webcrypto.CryptoKey> {
  const der = createPrivateKey(key).export({ type: 'pkcs8', format: 'der' });
  return webcrypto.subtle.importKey('pkcs8', der, algorithm, false, ['sign']);
}

const pem = (certificate: X509Certificate): string => `${certificate.toString('pem').trim()}\n`;

async function pemOfKey(key: webcrypto.CryptoKey): Promise<string> {
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', key));
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ type: 'pkcs8', format: 'pem' })
    .toString();
}

const isIp = (host: string): boolean => /^\d+(\.\d+){3}$/.test(host) || host.includes(':');
