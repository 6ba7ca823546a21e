// ZooKeeper's own protocol (jute), as little of it as writes, reads and watches one node: each
// message behind its length in four bytes, numbers big-endian, texts and buffers behind theirs.

export const operations = { create: 1, getData: 4, setData: 5, sync: 9, addWatch: 106 } as const;

export type Operation = keyof typeof operations;

/** Of each request and of each answer: its id, and after it other things. */
export const lengthBytes = 4;
/** Of an answer: its id, the transaction, an error. */
export const answerHeadBytes = 16;
/** What is told of a node beside its data. */
export const statBytes = 68;

const anyVersion = -1;
const allPermissions = 31;
/** A watch that is told of more than one change. */
const persistent = 0;
const sessionTimeoutMs = 30_000;

/** What a connection begins with: a new session. */
export function connectRequest(): Buffer {
  const noSession = Buffer.alloc(8 + 4 + 8);
  noSession.writeInt32BE(sessionTimeoutMs, 8);
  const [protocolVersion, readOnly] = [int(0), Buffer.from([0])];
  return framed(protocolVersion, noSession, buffer(Buffer.alloc(16)), readOnly);
}

export type NodeRequest = {
  readonly operation: Operation;
  readonly path: string;
  readonly data: Uint8Array;
  readonly xid: number;
};

export function nodeRequest({ operation, path, data, xid }: NodeRequest): Buffer {
  const head = [int(xid), int(operations[operation]), buffer(Buffer.from(path))];
  switch (operation) {
    case 'create':
      return framed(...head, buffer(data), openToAll(), int(0));
    case 'setData':
      return framed(...head, buffer(data), int(anyVersion));
    case 'getData':
      return framed(...head, Buffer.from([0]));
    case 'addWatch':
      return framed(...head, int(persistent));
    case 'sync':
      return framed(...head);
  }
}

/** One entry of an access list. */
const openToAll = (): Buffer =>
  Buffer.concat([int(1), int(allPermissions), text('world'), text('anyone')]);

const text = (value: string): Buffer => buffer(Buffer.from(value));

const buffer = (bytes: Uint8Array): Buffer => Buffer.concat([int(bytes.length), bytes]);

const framed = (...parts: readonly Buffer[]): Buffer => buffer(Buffer.concat(parts));

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
