// One port, several languages: what a connection speaks is told by its first bytes, which stay to
// be read by whoever gets it. Our clients' frames begin with four of their own; all else is HTTP,
// which says itself what it does not understand.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

import { clientDialect } from '@holdfast/transport/frame';

/** Who has nothing to say within this time has no business here. */
const silentMs = 3000;

const { magic } = clientDialect;

export type Speakers = {
  /** `secureConnection` under TLS, where it is the inner language that counts. */
  readonly event: 'connection' | 'secureConnection';
  /** A connection that speaks frames; nothing has been read of it. */
  readonly onFrames: (socket: Socket) => void;
};

/** To be called before anybody else listens for connections. */
export function heedSpeakers(server: Server, { event, onFrames }: Speakers): void {
  const greeters = server.listeners(event);
  server.removeAllListeners(event);
  server.on(event, (socket: Socket) => {
    readFirst(socket, (first) => {
      if (first.length >= magic.length && isFrames(first)) return onFrames(socket);
      for (const greet of greeters) greet.call(server, socket);
    });
  });
}

/** Whether they may still become, or are, the beginning of frames. */
const isFrames = (first: Uint8Array): boolean =>
  magic.every((byte, at) => at >= first.length || first[at] === byte);

/** As many bytes as it takes to tell, put back again. */
function readFirst(socket: Socket, heed: (first: Buffer) => void): void {
  let first: Buffer = Buffer.alloc(0);
  const timer = setTimeout(() => socket.destroy(), silentMs);
  const onError = (): void => undefined; // Its close follows.
  const onClose = (): void => clearTimeout(timer);
  const onData = (bytes: Buffer): void => {
    first = first.length === 0 ? bytes : Buffer.concat([first, bytes]);
    if (first.length < magic.length && isFrames(first)) return;
    clearTimeout(timer);
    socket.pause();
    socket.off('data', onData).off('error', onError).off('close', onClose);
    socket.unshift(first);
    heed(first);
    socket.resume();
  };
  socket.on('data', onData).on('error', onError).once('close', onClose);
}
