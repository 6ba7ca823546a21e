// One port, several languages: what a connection speaks is told by its first bytes, which stay to
// be read by whoever gets it. Under TLS that is asked twice: whether it is TLS, and what is spoken
// within.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import { clientDialect } from '@holdfast/transport/frame';

export type FirstBytes = {
  /** `secureConnection` under TLS, where it is the inner language that counts. */
  readonly event: 'connection' | 'secureConnection';
  /** Who has said nothing by then has no business here. */
  readonly withinMs: number;
  /** Whether they tell what is spoken; else there have to be more. */
  readonly isEnough: (first: Uint8Array) => boolean;
  /** `greet` gives the connection, paused, to those who listened before. */
  readonly onFirst: (socket: Socket, first: Uint8Array, greet: () => void) => void;
};

/** To be called before anybody else listens for connections. */
export function heedFirstBytes(server: Server, options: FirstBytes): void {
  const { event } = options;
  const greeters = server.listeners(event);
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    readFirst(socket, options, (first) =>
      options.onFirst(socket, first, () => {
        for (const greet of greeters) greet.call(server, socket);
      }),
    );
  });
}

/** As many bytes as it takes to tell, put back again. */
function readFirst(
  socket: Socket,
  { withinMs, isEnough }: FirstBytes,
  heed: (first: Uint8Array) => void,
): void {
  let first: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), withinMs);
  const onError = (): void => undefined; // Its close follows.
  const onClose = (): void => clearTimeout(timer);
  const onData = (bytes: Buffer): void => {
    first = first.length === 0 ? bytes : Buffer.concat([first, bytes]);
    if (!isEnough(first)) return;
    clearTimeout(timer);
    socket.pause();
    socket.off('data', onData).off('error', onError).off('close', onClose);
    socket.unshift(first);
    heed(first);
  };
  socket.on('data', onData).on('error', onError).once('close', onClose);
}

const silentMs = 3000;
const { magic } = clientDialect;

export type Speakers = Pick<FirstBytes, 'event'> & {
  /** A connection that speaks frames; nothing has been read of it. */
  readonly onFrames: (socket: Socket) => void;
};

/**
 * Tells our clients' frames, which begin with four bytes of their own, from HTTP, which says itself
 * what it does not understand.
 */
export function heedSpeakers(server: Server, { event, onFrames }: Speakers): void {
  heedFirstBytes(server, {
    event,
    withinMs: silentMs,
    isEnough: (first) => first.length >= magic.length || !mayBeFrames(first),
    onFirst: (socket, first, greet) => {
      if (mayBeFrames(first)) onFrames(socket);
      else greet();
      socket.resume();
    },
  });
}

const mayBeFrames = (first: Uint8Array): boolean =>
  magic.every((byte, at) => at >= first.length || first[at] === byte);
