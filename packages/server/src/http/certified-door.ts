// The HTTP door under TLS. Connections that begin in clear text get one sentence; clients whose
// certificate will not do may finish the handshake, and get a sentence for each request, instead of
// a connection that breaks for no reason that they could read.
import type { RequestListener } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';

import { HoldfastError } from '@holdfast/base/errors';
import type { CertificateVerdict } from '@holdfast/transport/certificate-verdict';
import { type TlsMaterial, tlsVersionMin, verdictOn } from '@holdfast/transport/tls-link';
import { isTlsHello, tlsFailureOf } from '@holdfast/transport/tls-words';

import { heedFirstBytes, heedSpeakers, type Speaker } from './first-bytes.ts';
import { houseSign, houseSignHeader } from './house-sign.ts';
import { problemContentType, problemOf, problemText } from './problem.ts';

export type DoorTls = {
  /** As it is now. */
  readonly material: () => TlsMaterial;
  /** Told of what is used from then on. */
  readonly onChange: (listener: (material: TlsMaterial) => void) => unknown;
  /** Whether clients are asked for a certificate. */
  readonly asks: boolean;
};

export type TurnedAway = (from: string, reason: string) => void;

/** Of connections that showed a certificate, or should have. */
const verdicts = new WeakMap<Socket, CertificateVerdict>();

/** Whom the client's certificate names; undefined: nobody was asked for one. */
export function certifiedNameOf(socket: Socket): string | undefined {
  const verdict = verdicts.get(socket);
  return verdict?.type === 'certified' ? verdict.commonName : undefined;
}

/** Why the client's certificate will not do; undefined: it will, or none is asked for. */
export function refusedCertificateOf(socket: Socket): HoldfastError | undefined {
  const verdict = verdicts.get(socket);
  if (verdict?.type !== 'refused') return undefined;
  return new HoldfastError(
    'unauthenticated',
    `this member asks its clients for a certificate: ${verdict.reason}`,
  );
}

export type CertifiedServerOptions = {
  readonly tls: DoorTls;
  readonly http: ServerOptions;
  /** For a whole handshake, from the first byte on. */
  readonly handshakeMs: number;
  readonly onTurnedAway: TurnedAway;
  /** What is spoken beside HTTP/1.1, after the handshake. */
  readonly speakers: readonly Speaker[];
};

/** As node:http's createServer. */
export function createCertifiedServer(options: CertifiedServerOptions, listener: RequestListener) {
  const { tls, http, handshakeMs, onTurnedAway, speakers } = options;
  const asks = { requestCert: tls.asks, rejectUnauthorized: false };
  const settings = {
    ...asks,
    ALPNCallback: protocolOf,
    minVersion: tlsVersionMin,
    handshakeTimeout: handshakeMs,
  } as const;
  const server = createServer(
    { ...http, ...settings, ...tls.material() },
    onlyCertified(listener, onTurnedAway),
  );
  heedSpeakers(server, { event: 'secureConnection', speakers });
  if (tls.asks) {
    server.prependListener('secureConnection', (socket: TLSSocket) => {
      verdicts.set(socket, verdictOn(socket));
    });
  }
  server.on('tlsClientError', (error, socket) => {
    const code = (error as { readonly code?: unknown }).code;
    // Who leaves in the middle of it, as a look whether the port is open does, is no news.
    if (code !== 'ECONNRESET') onTurnedAway(addressOf(socket), tlsFailureOf(error));
  });
  tls.onChange((material) => server.setSecureContext({ ...material, minVersion: tlsVersionMin }));
  heedFirstBytes(server, {
    event: 'connection',
    withinMs: handshakeMs,
    isEnough: () => true,
    onFirst: (socket, first, greet) => {
      if (isTlsHello(first[0])) return greet();
      onTurnedAway(addressOf(socket), 'it spoke without TLS');
      answerClearText(socket);
    },
  });
  return server;
}

/** Whoever speaks both, as curl does, gets HTTP/1.1: over HTTP/2 there is only gRPC. */
const protocolOf = ({ protocols }: { readonly protocols: readonly string[] }): string | undefined =>
  ['http/1.1', 'h2'].find((known) => protocols.includes(known));

const clearText = new HoldfastError(
  'unauthenticated',
  'this port speaks TLS: write https:// before its address, and name its authority (--ca)',
);

function answerClearText(socket: Socket): void {
  socket.on('error', () => undefined); // Its close follows.
  const text = problemText({ ...problemOf(clearText), status: 400 });
  socket.end(
    `HTTP/1.1 400 Bad Request\r\nContent-Type: ${problemContentType}\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\n` +
      `${houseSign.name}: ${houseSign.value}\r\nConnection: close\r\n\r\n${text}`,
  );
  // What it has sent is not read; it is given a moment to read the answer.
  socket.resume();
  socket.setTimeout(1000, () => socket.destroy());
}

function onlyCertified(listener: RequestListener, onTurnedAway: TurnedAway): RequestListener {
  return (request, response) => {
    const refusal = refusedCertificateOf(request.socket);
    if (!refusal) {
      listener(request, response);
      return;
    }
    onTurnedAway(addressOf(request.socket), refusal.message);
    const problem = problemOf(refusal);
    response.writeHead(problem.status, {
      ...houseSignHeader,
      'Content-Type': problemContentType,
      Connection: 'close',
    });
    response.end(problemText(problem));
  };
}

const addressOf = ({ remoteAddress }: Socket): string => remoteAddress ?? 'gone';
