// One port, several languages: what a connection speaks is told by its first bytes, which stay to
// be read by whoever gets it. Under TLS that is asked twice: whether it is TLS, and what is spoken
// within.
import type { Server } from 'node:http';
import type { Socket } from 'node:net';

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

/** A language that begins with bytes of its own. */
export type Speaker = {
  readonly magic: readonly number[];
  /** Given a paused connection of which nothing has been read. */
  readonly accept: (socket: Socket) => void;
};

export type Speakers = Pick<FirstBytes, 'event'> & { readonly speakers: readonly Speaker[] };

/** How gRPC begins, as all of HTTP/2 does in clear text ("PRI ", RFC 9113, 3.4). */
export const http2Magic: readonly number[] = [0x50, 0x52, 0x49, 0x20];

/** Tells languages apart by four bytes; HTTP/1.1 says of all others what it does not know. */
export function heedSpeakers(server: Server, { event, speakers }: Speakers): void {
  heedFirstBytes(server, {
    event,
    withinMs: silentMs,
    isEnough: (first) =>
      !speakers.some(({ magic }) => mayBegin(first, magic) && first.length < magic.length),
    onFirst: (socket, first, greet) => {
      const speaker = speakers.find(({ magic }) => mayBegin(first, magic));
      if (speaker) return speaker.accept(socket);
      greet();
      socket.resume();
    },
  });
}

const mayBegin = (first: Uint8Array, magic: readonly number[]): boolean =>
  magic.every((byte, at) => at >= first.length || first[at] === byte);
