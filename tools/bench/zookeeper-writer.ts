// Requests to ZooKeeper by hand: copies of one template with another id and key each. A
// linearizable read is a sync and a read behind it, which is what ZooKeeper has for that.
import { KeySequence, keyDigits } from './key-sequence.ts';
import type { LoadKind } from './load-plan.ts';
import type { WirePlan } from './wire.ts';
import { lengthBytes, nodeRequest, type Operation } from './zookeeper-messages.ts';

const operationsOf: Readonly<Record<LoadKind, readonly Operation[]>> = {
  put: ['setData'],
  create: ['create'],
  'get-stale': ['getData'],
  'get-linearizable': ['sync', 'getData'],
};

const placeholder = '#'.repeat(keyDigits);
/** Ids below zero have meanings of their own. */
const xidPast = 2 ** 31;

type Piece = { readonly at: number; readonly digitsAt: number };

export class ZookeeperWriter {
  /** Messages of a request, and as many answers. */
  readonly messages: number;
  readonly #template: Buffer;
  readonly #pieces: readonly Piece[];
  readonly #keys: KeySequence;
  #nextXid = 0;

  constructor({ kind, valueBytes, keys }: WirePlan, firstKey: number) {
    const data = new Uint8Array(valueBytes).fill(118);
    const messages = operationsOf[kind].map((operation) =>
      nodeRequest({ operation, path: `/bench-${placeholder}`, data, xid: 0 }),
    );
    this.messages = messages.length;
    this.#template = Buffer.concat(messages);
    this.#pieces = messages.map((message, index) => {
      const at = messages.slice(0, index).reduce((sum, { length }) => sum + length, 0);
      return { at, digitsAt: at + message.indexOf(placeholder) };
    });
    this.#keys = new KeySequence(keys, firstKey);
  }

  /** `count` requests as one piece of bytes. */
  take(count: number): Buffer {
    const size = this.#template.length;
    const bytes = Buffer.allocUnsafe(size * count);
    for (let from = 0; from < bytes.length; from += size) {
      this.#template.copy(bytes, from);
      const [first] = this.#pieces as readonly [Piece];
      this.#keys.write(bytes, from + first.digitsAt);
      for (const piece of this.#pieces) this.#write(bytes, from, piece);
    }
    return bytes;
  }

  #write(bytes: Buffer, from: number, { at, digitsAt }: Piece): void {
    if (this.#nextXid >= xidPast) throw new RangeError('a connection has no more ids');
    bytes.writeInt32BE(this.#nextXid, from + at + lengthBytes);
    this.#nextXid += 1;
    const first = from + (this.#pieces[0] as Piece).digitsAt;
    if (from + digitsAt !== first) bytes.copy(bytes, from + digitsAt, first, first + keyDigits);
  }
}
