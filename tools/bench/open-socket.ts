// A connection of a generator: each small write leaves at once.
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** `endpoint`: `host:port`. */
export async function openSocket(endpoint: string): Promise<Socket> {
  const colon = endpoint.lastIndexOf(':');
  const [host, port] = [endpoint.slice(0, colon), Number(endpoint.slice(colon + 1))];
  const socket = connect({ host, port, noDelay: true });
  await once(socket, 'connect');
  return socket;
}
