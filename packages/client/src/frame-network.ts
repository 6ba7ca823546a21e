// How frames get to an endpoint: TCP, and TLS over it where the members speak that. Other than
// members among themselves a client goes by the host's name in the certificate, as over HTTP.
import { isIP, type Socket } from 'node:net';
import { createSecureContext, type SecureContext, connect as tlsConnect } from 'node:tls';

import { parseAddress } from '@holdfast/transport/address';
import type { Link, LinkNetwork } from '@holdfast/transport/link';
import { afterEvent, dialSocket, SocketLink } from '@holdfast/transport/tcp-link';

import type { ClientTls } from './client-tls.ts';

/** What a connection of frames needs of the network; tests bring their own. */
export type FrameNetwork = Pick<LinkNetwork, 'dial' | 'secure' | 'afterEvent'> & {
  /** Whether the link keeps this process from its end; it does until something else is said. */
  hold?(link: Link, isHeld: boolean): void;
};

export class SocketNetwork implements FrameNetwork {
  readonly afterEvent = afterEvent;
  readonly #tls: (() => ClientTls) | undefined;
  readonly #sockets = new WeakMap<Link, Socket>();
  #made: { readonly of: ClientTls; readonly context: SecureContext } | undefined;

  /** `tls` is asked at each dial; undefined: in clear text. */
  constructor(tls?: () => ClientTls) {
    this.#tls = tls;
  }

  /** Rejects with what the system says, or with the signal's reason. */
  async dial(address: string, signal: AbortSignal): Promise<Link> {
    const raw = await dialSocket(address, signal);
    const socket = this.#tls ? await this.#secured(raw, address, signal) : raw;
    const link = new SocketLink(socket);
    this.#sockets.set(link, socket);
    return link;
  }

  hold(link: Link, isHeld: boolean): void {
    const socket = this.#sockets.get(link);
    if (isHeld) socket?.ref();
    else socket?.unref();
  }

  #secured(raw: Socket, address: string, signal: AbortSignal): Promise<Socket> {
    const { host } = parseAddress(address);
    return new Promise((resolve, reject) => {
      const secureContext = this.#context();
      const name = isIP(host) === 0 ? { servername: host } : {};
      const socket = tlsConnect({ socket: raw, host, secureContext, ...name });
      const settle = (finish: () => void): void => {
        signal.removeEventListener('abort', onAbort);
        socket.removeListener('error', fail).removeListener('close', onClose);
        finish();
      };
      const fail = (reason: unknown): void =>
        settle(() => {
          // What it still says, nobody hears.
          socket.on('error', () => undefined).destroy();
          reject(reason);
        });
      const onAbort = (): void => fail(signal.reason);
      const onClose = (): void => fail(hungUp());
      signal.addEventListener('abort', onAbort, { once: true });
      socket.once('error', fail).once('close', onClose);
      socket.once('secureConnect', () => settle(() => resolve(socket)));
      if (signal.aborted) onAbort();
    });
  }

  #context(): SecureContext {
    const of = this.#tls?.() ?? {};
    if (this.#made?.of !== of) {
      const { ca, cert, key } = of;
      const given = Object.entries({ ca, cert, key }).filter(([, text]) => text !== undefined);
      const context = createSecureContext({ ...Object.fromEntries(given), minVersion: 'TLSv1.2' });
      this.#made = { of, context };
    }
    return this.#made.context;
  }
}

const hungUp = (): Error =>
  Object.assign(new Error('the other side hung up in the middle of the TLS handshake'), {
    code: 'ECONNRESET',
  });
