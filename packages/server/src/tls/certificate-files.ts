// Reads the files of one port's certificate, and refuses what could not work: half of a pair, a
// text that was not written to its end, a certificate that the others would turn away.
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { describeCertificate, dnsNamesOf, purposes } from '@holdfast/transport/certificate-verdict';
import type { TlsMaterial } from '@holdfast/transport/tls-link';

import type { CertificateFiles } from './tls-settings.ts';

export type PortCertificates = {
  readonly material: TlsMaterial;
  /** The first of its file; those above it follow there. */
  readonly own: X509Certificate;
  readonly authorities: readonly X509Certificate[];
};

/** What the files hold now. Throws `failed-precondition` where one of them can not be read. */
export function readCertificateFiles({ port, cert, key, ca }: CertificateFiles): TlsMaterial {
  return {
    cert: textOf(`--tls-${port}-cert`, cert),
    key: textOf(`--tls-${port}-key`, key),
    ca: ca === undefined ? '' : textOf(`--tls-${port}-ca`, ca),
  };
}

/** Throws `failed-precondition` with a sentence that names the setting and the file. */
export function checkCertificates(
  files: CertificateFiles,
  material: TlsMaterial,
  memberName: string,
): PortCertificates {
  const { port } = files;
  const certPlace = `--tls-${port}-cert ${files.cert}`;
  const keyPlace = `--tls-${port}-key ${files.key}`;
  const [own] = certificatesIn(certPlace, material.cert);
  const authorities =
    files.ca === undefined ? [] : certificatesIn(`--tls-${port}-ca ${files.ca}`, material.ca);
  if (own === undefined) throw refusal(`${certPlace} holds no certificate (PEM)`);
  if (!own.checkPrivateKey(keyIn(keyPlace, material.key))) {
    throw refusal(`${keyPlace} is not the key of ${certPlace}: they are of two pairs`);
  }
  if (port === 'peer') checkMember(certPlace, own, memberName);
  return { material, own, authorities };
}

/** All others would turn it away. */
function checkMember(place: string, own: X509Certificate, name: string): void {
  const names = dnsNamesOf(own);
  if (!names.includes(name.toLowerCase())) {
    throw refusal(
      `${place}: ${describeCertificate(own)} names ${names.join(', ') || 'nobody'}, and this ` +
        `member is ${name}: the others know a member by a DNS entry with its name`,
    );
  }
  for (const [side, id] of Object.entries(purposes)) {
    if (own.keyUsage?.includes(id)) continue;
    throw refusal(
      `${place}: ${describeCertificate(own)} is not for a ${side} (extended key usage): a member ` +
        'is both, as it dials the others and is dialled by them',
    );
  }
}

const block = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g;

/** Throws `failed-precondition` unless there is one at least, and all of them whole. */
export function certificatesIn(place: string, text: string): readonly X509Certificate[] {
  const blocks = text.match(block) ?? [];
  const begun = text.split('-----BEGIN CERTIFICATE-----').length - 1;
  if (begun > blocks.length) throw refusal(`${place} breaks off in the middle of a certificate`);
  if (blocks.length === 0) throw refusal(`${place} holds no certificate (PEM)`);
  try {
    return blocks.map((one) => new X509Certificate(one));
  } catch (error) {
    throw refusal(`${place} holds a certificate that can not be read: ${messageOf(error)}`);
  }
}

function keyIn(place: string, text: string): KeyObject {
  try {
    return createPrivateKey(text);
  } catch {
    // What exactly is wrong with a key is not said aloud.
    throw refusal(`${place} holds no private key that can be read (PEM, without a passphrase)`);
  }
}

function textOf(flag: string, path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw refusal(`${flag} ${path} can not be read: ${messageOf(error)}`);
  }
}

const refusal = (text: string): HoldfastError => new HoldfastError('failed-precondition', text);
