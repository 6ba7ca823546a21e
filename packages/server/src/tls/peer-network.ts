// How this member speaks with the others: under TLS, or in clear text.
import type { LinkNetwork } from '@holdfast/transport/link';
import { TcpNetwork } from '@holdfast/transport/tcp-link';
import { TlsNetwork } from '@holdfast/transport/tls-link';

import type { Certificates } from './certificates.ts';

export const peerNetworkOf = ({ peer }: Pick<Certificates, 'peer'>): LinkNetwork =>
  peer ? new TlsNetwork(peer) : new TcpNetwork();
