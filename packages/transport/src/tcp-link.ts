// Links over TCP: with tls-link.ts the only file of this package that touches the system. It owns
// sockets and their options; deadlines come in as signals, and what the bytes mean is nobody's
// business here.
import { createServer, connect as netConnect, type Server, type Socket } from 'node:net';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { formatAddress, parseAddress } from './address.ts';
import type { CertificateVerdict } from './certificate-verdict.ts';
import {
  dialError,
  type Link,
  type LinkEnd,
  type LinkHandler,
  type LinkListener,
  type LinkNetwork,
} from './link.ts';

/** The kernel's keepalive is the second line: our own pings come first (safety.md 17). */
const keepAliveMs = 10_000;
const socketOptions = { noDelay: true, keepAlive: true, keepAliveInitialDelay: keepAliveMs };

export class TcpNetwork implements LinkNetwork {
  readonly endOfTurn = endOfTurn;
  readonly afterEvent = afterEvent;

  async dial(address: string, signal: AbortSignal): Promise<Link> {
    return new SocketLink(await dialSocket(address, signal));
  }

  listen(address: string, onLink: (link: Link) => void): Promise<LinkListener> {
    return listenForSockets(address, (socket) => onLink(new SocketLink(socket)));
  }
}

/** As LinkNetwork.endOfTurn, of the event loop of this process. */
export const endOfTurn = (action: () => void): void => void setImmediate(action);

/** As LinkNetwork.afterEvent, of the same. */
export const afterEvent = (action: () => void): void => process.nextTick(action);

/** As LinkNetwork.dial; nobody listens to the socket yet. */
export function dialSocket(address: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const { host, port } = parseAddress(address);
    if (signal.aborted) return reject(signal.reason);
    const socket = netConnect({ host, port, ...socketOptions });
    const onAbort = (): void => fail(signal.reason);
    const onError = (error: Error): void => fail(dialError(failureOf(address, error), error));
    const fail = (reason: unknown): void => {
      signal.removeEventListener('abort', onAbort);
      socket.destroy();
      reject(reason);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once('error', onError);
    socket.once('connect', () => {
      signal.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
      resolve(socket);
    });
  });
}

/** As LinkNetwork.listen. */
export function listenForSockets(
  address: string,
  onSocket: (socket: Socket) => void,
): Promise<LinkListener> {
  return new Promise((resolve, reject) => {
    const server = createServer(socketOptions, onSocket);
    const onError = (error: Error): void => reject(listenError(address, error));
    server.once('error', onError);
    server.listen(parseAddress(address), () => {
      server.removeListener('error', onError);
      resolve(new TcpListener(server));
    });
  });
}

class TcpListener implements LinkListener {
  readonly address: string;
  readonly #server: Server;

  constructor(server: Server) {
    this.#server = server;
    const bound = server.address();
    this.address =
      bound !== null && typeof bound === 'object'
        ? formatAddress({ host: bound.address, port: bound.port })
        : String(bound);
    // Out of file descriptors, mostly: the connection at hand is lost, the listener lives on, and
    // the one who dialled tries again.
    server.on('error', () => undefined);
  }

  close(): Promise<void> {
    return new Promise((resolve) => {
      // The callback waits for the links too, and its error says that it was closed before.
      this.#server.close(() => resolve());
    });
  }
}

/** Over a socket, encrypted or not, that is connected. */
export class SocketLink implements Link {
  readonly remoteAddress: string;
  readonly verdict: CertificateVerdict | undefined;
  readonly #socket: Socket;
  #handler: LinkHandler | undefined;
  #end: LinkEnd | undefined;
  #closing = false;

  constructor(socket: Socket, verdict?: CertificateVerdict) {
    this.#socket = socket;
    this.verdict = verdict;
    const { remoteAddress = 'gone', remotePort = 0 } = socket;
    this.remoteAddress = formatAddress({ host: remoteAddress, port: remotePort });
    socket.on('error', (error) => this.#finish({ type: 'failed', reason: messageOf(error) }));
    socket.on('close', () => this.#finish({ type: 'ended' }));
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  open(handler: LinkHandler): void {
    this.#handler = handler;
    if (this.#end) {
      handler.onEnd(this.#end);
      return;
    }
    this.#socket.on('end', () => this.#finish({ type: 'ended' }));
    if (handler.onDrain) this.#socket.on('drain', () => this.#handler?.onDrain?.());
    this.#socket.on('data', (bytes) => {
      if (!this.#end) handler.onBytes(toPlainBytes(bytes));
    });
  }

  send(parts: readonly Uint8Array[]): void {
    const socket = this.#socket;
    if (this.#closing || !socket.writable) return;
    if (parts.length === 1) {
      socket.write(parts[0] as Uint8Array);
      return;
    }
    socket.cork();
    for (const part of parts) socket.write(part);
    socket.uncork();
  }

  close(): void {
    this.#closing = true;
    this.#socket.end();
  }

  destroy(): void {
    this.#end = { type: 'closed' };
    this.#handler = undefined;
    this.#socket.destroy();
  }

  #finish(end: LinkEnd): void {
    if (this.#end) return;
    this.#end = this.#closing ? { type: 'closed' } : end;
    // A socket that the other side has left takes no more bytes; what is pending is lost with it.
    this.#socket.destroy();
    this.#handler?.onEnd(this.#end);
  }
}

/**
 * A Buffer's slice() shares its memory, a Uint8Array's copies: nobody behind this file sees a
 * Buffer.
 */
function toPlainBytes({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length);
}

function failureOf(address: string, error: Error): { address: string; refused: boolean } {
  // A name with several addresses fails with all their errors: dead means that all of them refused.
  const errors: readonly unknown[] = error instanceof AggregateError ? error.errors : [error];
  const refused = errors.every((one) => (one as { code?: unknown }).code === 'ECONNREFUSED');
  return { address, refused };
}

function listenError(address: string, error: Error): HoldfastError {
  const inUse = (error as { code?: unknown }).code === 'EADDRINUSE';
  const why = inUse ? 'another process listens there' : messageOf(error);
  return new HoldfastError('failed-precondition', `cannot listen on ${address}: ${why}`, {
    cause: error,
    details: { address, inUse },
  });
}
