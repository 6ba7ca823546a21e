// What the settings say of TLS: the files of the port for members, and those of the port for
// clients. All of a port or none of it: half of it would be a listener that looks safe.
import type { SettingKey } from '../setting-table.ts';

/** One port's files, as the settings name them. */
export type CertificateFiles = {
  readonly port: 'peer' | 'client';
  readonly cert: string;
  readonly key: string;
  /** Whom it trusts; undefined: clients are not asked for certificates. */
  readonly ca: string | undefined;
};

export type TlsSettings = {
  readonly peer: CertificateFiles | undefined;
  readonly client: CertificateFiles | undefined;
};

type Maybe = (key: SettingKey) => string | undefined;

/** `problem`: the sentence that says why these settings can not work together. */
export function tlsOf(maybe: Maybe): TlsSettings | { readonly problem: string } {
  const peer = filesOf('peer', maybe);
  const client = filesOf('client', maybe);
  const asks = maybe('tls-client-auth') === 'required';
  if (typeof peer === 'string') return { problem: peer };
  if (typeof client === 'string') return { problem: client };
  if (peer && peer.ca === undefined) {
    return { problem: '--tls-peer-cert needs --tls-peer-ca: which authority the others are of' };
  }
  if (client && asks && client.ca === undefined) {
    return {
      problem:
        '--tls-client-cert needs --tls-client-ca, the authority that clients are of; or say ' +
        '--tls-client-auth off, and everybody who reaches the port is taken',
    };
  }
  return { peer, client: client && { ...client, ca: asks ? client.ca : undefined } };
}

function filesOf(port: 'peer' | 'client', maybe: Maybe): CertificateFiles | undefined | string {
  const cert = maybe(`tls-${port}-cert`);
  const key = maybe(`tls-${port}-key`);
  const ca = maybe(`tls-${port}-ca`);
  if (cert !== undefined && key !== undefined) return { port, cert, key, ca };
  if (cert === undefined && key === undefined && ca === undefined) return undefined;
  const missing = cert === undefined ? 'cert' : 'key';
  return `TLS for the ${port} port is half said: --tls-${port}-${missing} is missing`;
}
