// Links over TLS, each side with a certificate: TCP as in tcp-link.ts, with an encrypted layer on
// each socket. A handshake is carried to its end whatever the certificates are worth, and the link
// says what they are (Link.verdict): so the refusal is a sentence that the other side can read.
import type { Socket } from 'node:net';
import {
  createSecureContext,
  createServer,
  type SecureContext,
  type TLSSocket,
  type Server as TlsServer,
  connect as tlsConnect,
} from 'node:tls';
import { HoldfastError } from '@holdfast/base/errors';
import { type CertificateVerdict, judgeCertificate } from './certificate-verdict.ts';
import type { Link, LinkListener, LinkNetwork } from './link.ts';
import { PendingLink } from './pending-link.ts';
import { afterEvent, dialSocket, endOfTurn, listenForSockets, SocketLink } from './tcp-link.ts';
import { isTlsHello, tlsFailureOf } from './tls-words.ts';
import { transportFailure } from './transport-failure.ts';

/** PEM texts: the own certificate with what leads to its authority, its key, whom it trusts. */
export type TlsMaterial = { readonly cert: string; readonly key: string; readonly ca: string };

/** Older versions are broken. */
export const tlsVersionMin = 'TLSv1.2';

export class TlsNetwork implements LinkNetwork {
  readonly endOfTurn = endOfTurn;
  readonly afterEvent = afterEvent;
  readonly #material: () => TlsMaterial;
  readonly #sockets = new WeakMap<Link, { readonly socket: Socket; readonly address: string }>();
  #made: { readonly of: TlsMaterial; readonly context: SecureContext } | undefined;

  /** Asked at each handshake: what is new holds from the next connection on. */
  constructor(material: () => TlsMaterial) {
    this.#material = material;
  }

  /** A link without TLS yet, for `secure`. */
  async dial(address: string, signal: AbortSignal): Promise<Link> {
    const socket = await dialSocket(address, signal);
    const link = new SocketLink(socket);
    this.#sockets.set(link, { socket, address });
    return link;
  }

  secure(link: Link, signal: AbortSignal): Promise<Link> {
    const dialled = this.#sockets.get(link);
    if (!dialled) throw new TypeError('a link that was dialled here is secured');
    if (signal.aborted) {
      link.destroy();
      return Promise.reject(signal.reason as Error);
    }
    return this.#shakeHands(dialled, signal);
  }

  listen(address: string, onLink: (link: Link) => void): Promise<LinkListener> {
    const acceptor = new TlsAcceptor(this.#material);
    return listenForSockets(address, (socket) => onLink(acceptor.accept(socket)));
  }

  #shakeHands(
    { socket: raw, address }: { readonly socket: Socket; readonly address: string },
    signal: AbortSignal,
  ): Promise<Link> {
    return new Promise((resolve, reject) => {
      const socket = tlsConnect({
        socket: raw,
        secureContext: this.#context(),
        rejectUnauthorized: false,
        // A member is known by its name (handshake.ts), wherever it is.
        checkServerIdentity: () => undefined,
      });
      const settle = (finish: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        socket.removeListener('error', onError).removeListener('close', onClose);
        finish();
      };
      const fail = (reason: unknown): void =>
        settle(() => {
          // What it still says, nobody hears.
          socket.on('error', () => undefined).destroy();
          reject(reason);
        });
      const failWith = (why: string, cause?: unknown): void =>
        fail(transportFailure(`no TLS with ${address}: ${why}`, { cause, details: { address } }));
      const onAbort = (): void => fail(signal.reason);
      const onError = (error: Error): void => failWith(tlsFailureOf(error), error);
      const onClose = (): void => failWith(tlsFailureOf({ code: 'ECONNRESET' }));
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('error', onError).once('close', onClose);
      socket.once('secureConnect', () => {
        const verdict = verdictOn(socket, 'server');
        if (verdict.type === 'certified') settle(() => resolve(new SocketLink(socket, verdict)));
        else
          fail(
            new HoldfastError('unauthenticated', `${address} is not trusted: ${verdict.reason}`),
          );
      });
    });
  }

  #context(): SecureContext {
    const of = this.#material();
    if (this.#made?.of !== of) this.#made = { of, context: contextOf(of) };
    return this.#made.context;
  }
}

/** One listener's side of the handshakes. */
class TlsAcceptor {
  readonly #material: () => TlsMaterial;
  readonly #server: TlsServer;
  /** Connections in their handshake, by the other end. */
  readonly #pending = new Map<string, PendingLink>();
  #used: TlsMaterial;

  constructor(material: () => TlsMaterial) {
    this.#material = material;
    this.#used = material();
    const asks = { requestCert: true, rejectUnauthorized: false };
    // It listens nowhere: it is given the connections that speak TLS.
    this.#server = createServer({ ...this.#used, ...asks, minVersion: tlsVersionMin });
    this.#server.on('secureConnection', (socket) => {
      const link = this.#pending.get(keyOf(socket));
      // A member's certificate is good for both sides; a client's for one.
      if (link) link.become(new SocketLink(socket, verdictOn(socket, 'server')));
      else socket.destroy();
    });
    this.#server.on('tlsClientError', (error, socket) => {
      const reason = tlsFailureOf(error);
      this.#pending.get(keyOf(socket))?.fail({ type: 'failed', reason, isSpoken: true });
    });
  }

  accept(raw: Socket): Link {
    const link = new PendingLink(raw);
    const key = keyOf(raw);
    this.#pending.set(key, link);
    raw.once('close', () => {
      if (this.#pending.get(key) === link) this.#pending.delete(key);
    });
    link.onFirst((first) => {
      if (isTlsHello(first)) this.#greet(raw);
      else {
        link.become(new SocketLink(raw, inClear));
        raw.resume();
      }
    });
    return link;
  }

  #greet(raw: Socket): void {
    const material = this.#material();
    if (material !== this.#used) {
      this.#used = material;
      this.#server.setSecureContext({ ...material, minVersion: tlsVersionMin });
    }
    this.#server.emit('connection', raw);
  }
}

const inClear: CertificateVerdict = {
  type: 'refused',
  reason:
    'TLS was not spoken, and the members of this cluster speak nothing else with each other ' +
    '(--tls-peer-cert, --tls-peer-key, --tls-peer-ca)',
};

const keyOf = ({ remoteAddress, remotePort }: Socket): string => `${remoteAddress} ${remotePort}`;

const contextOf = (material: TlsMaterial): SecureContext =>
  createSecureContext({ ...material, minVersion: tlsVersionMin });

/** What the certificate proves that the other side of a finished handshake has shown. */
export function verdictOn(socket: TLSSocket, purpose?: 'server' | 'client'): CertificateVerdict {
  const shown = socket.getPeerX509Certificate();
  const problem = socket.authorized ? undefined : String(socket.authorizationError);
  const judged = { shown, problem, nowMs: Date.now() };
  return judgeCertificate(purpose ? { ...judged, purpose } : judged);
}
