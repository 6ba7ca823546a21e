// `--ca`, `--cert` and `--key`: the files with which a command speaks TLS to the members.
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

import { HoldfastError, messageOf } from '@holdfast/base/errors';
import type { ClientTls } from '@holdfast/client/client-tls';

export type TlsFlags = {
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
};

/**
 * Undefined: neither a file nor `https://` was said. The files are read anew for new connections,
 * so that a watch of weeks goes on with new certificates. Throws `invalid-argument`.
 */
export function clientTlsFrom(flags: TlsFlags, isSecure: boolean): (() => ClientTls) | undefined {
  const { ca, cert, key } = flags;
  if ((cert === undefined) !== (key === undefined)) {
    throw refused(`${cert === undefined ? '--key' : '--cert'} is half of a pair`, {
      hint: 'name both, --cert and --key, or neither',
    });
  }
  if (ca === undefined && cert === undefined && !isSecure) return undefined;
  let used = read(flags);
  return () => {
    used = newer(flags, used);
    return used;
  };
}

/** While files are being replaced, what was read last will do. */
function newer(flags: TlsFlags, used: ClientTls): ClientTls {
  try {
    const found = read(flags);
    const isSame = found.ca === used.ca && found.cert === used.cert && found.key === used.key;
    return isSame ? used : found;
  } catch {
    return used; // It works until it expires, and the files will be whole by then.
  }
}

function read({ ca, cert, key }: TlsFlags): ClientTls {
  const texts = { ca: textOf('--ca', ca), cert: textOf('--cert', cert), key: textOf('--key', key) };
  if (texts.ca !== undefined) certificateIn('--ca', ca, texts.ca);
  if (texts.cert === undefined || texts.key === undefined) return texts;
  const own = certificateIn('--cert', cert, texts.cert);
  if (!own.checkPrivateKey(keyIn(key, texts.key))) {
    throw refused(`--key ${key} is not the key of --cert ${cert}: they are of two pairs`);
  }
  return texts;
}

function textOf(flag: string, path: string | undefined): string | undefined {
  if (path === undefined) return undefined;
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw refused(`${flag} ${path} can not be read: ${messageOf(error)}`);
  }
}

function certificateIn(flag: string, path: string | undefined, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch {
    // Node's words are those of its parser.
    throw refused(`${flag} ${path} holds no certificate (PEM)`);
  }
}

function keyIn(path: string | undefined, text: string) {
  try {
    return createPrivateKey(text);
  } catch {
    // What exactly is wrong with a key is not said aloud.
    throw refused(`--key ${path} holds no private key that can be read (PEM, no passphrase)`);
  }
}

const refused = (message: string, details: Record<string, unknown> = {}): HoldfastError =>
  new HoldfastError('invalid-argument', message, { details });
