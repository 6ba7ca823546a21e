// A watcher by ZooKeeper's protocol: a persistent watch of a session, which knows of a change and
// not of the value. A session has one watch of a node, so that a watcher is a connection.
import { connect, type Socket } from 'node:net';

import { connectRequest, lengthBytes, nodeRequest } from '../zookeeper-messages.ts';
import type { WatchConnection, WatchOptions } from './watch-connection.ts';

/** The id of an event, which answers nothing. */
const eventXid = -1;
const watchXid = 1;

export class ZookeeperWatch implements WatchConnection {
  readonly opened: Promise<void>;
  readonly #options: WatchOptions;
  readonly #socket: Socket;
  #rest: Buffer = Buffer.alloc(0);
  #isConnected = false;
  #onOpened: () => void = () => undefined;
  #onFailed: (error: unknown) => void = () => undefined;

  constructor(options: WatchOptions, key: string) {
    const [host, port] = options.endpoint.split(':') as [string, string];
    this.#options = options;
    this.#socket = connect({ host, port: Number(port), noDelay: true });
    this.opened = new Promise((resolve, reject) => {
      this.#onOpened = resolve;
      this.#onFailed = reject;
    });
    const none = new Uint8Array(0);
    const watch = nodeRequest({
      operation: 'addWatch',
      path: `/${key}`,
      data: none,
      xid: watchXid,
    });
    this.#socket.on('data', (part: Buffer) => this.#receive(part));
    this.#socket.on('error', (error) => this.#onFailed(error));
    this.#socket.on('close', () => this.#onFailed(new Error(`${options.endpoint} closed`)));
    this.#socket.write(Buffer.concat([connectRequest(), watch]));
  }

  close(): void {
    this.#socket.destroy();
  }

  #receive(part: Buffer): void {
    let bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, part]) : part;
    while (bytes.length >= lengthBytes) {
      const end = lengthBytes + bytes.readInt32BE(0);
      if (bytes.length < end) break;
      if (this.#isConnected) this.#told(bytes.subarray(lengthBytes, end));
      else this.#isConnected = true;
      bytes = bytes.subarray(end);
    }
    this.#rest = bytes;
  }

  #told(message: Buffer): void {
    const xid = message.readInt32BE(0);
    if (xid === eventXid) return this.#options.onEvent();
    const error = message.readInt32BE(12);
    if (xid === watchXid && error === 0) this.#onOpened();
    else this.#onFailed(new Error(`ZooKeeper does not watch: ${error}`));
  }
}
