// Messages of streams whose text is long: a watcher of a whole prefix is told in one message of all
// that one transaction deleted. The text is made a piece a turn of the event loop, over all streams
// of a member, which take turns; and once for all that are told the same.
import { BinaryReader } from '@bufbuild/protobuf/wire';
import { Fifo } from '@holdfast/base/fifo';

import { type FramedMessage, unframed } from '../grpc/method.ts';
import type { MessageShape } from './message-shapes.ts';
import { JsonOfPieces, jsonOf } from './message-to-json.ts';

/** About a millisecond of a member's time. */
const pieceBytes = 64 * 1024;

export class LongLines {
  readonly #making = new Map<FramedMessage, Promise<Buffer>>();
  readonly #waiting = new Fifo<() => void>();
  #isTurnAsked = false;

  /** The line of a message, which the others who are told it have as well. */
  lineOf(shape: MessageShape, message: FramedMessage): Promise<Buffer> {
    const known = this.#making.get(message);
    if (known) return known;
    const made = this.#make(shape, message).finally(() => this.#making.delete(message));
    this.#making.set(message, made);
    return made;
  }

  async #make(shape: MessageShape, message: FramedMessage): Promise<Buffer> {
    const json = new JsonOfPieces(shape);
    for (const piece of piecesOf(unframed(message))) {
      await this.#turn();
      json.add(piece);
    }
    // In one piece, so that it leaves as one chunk: to copy it takes next to nothing beside it.
    return Buffer.concat([lineBegin, ...json.parts(), lineEnd]);
  }

  #turn(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#askTurn();
    });
  }

  #askTurn(): void {
    if (this.#isTurnAsked || this.#waiting.length === 0) return;
    this.#isTurnAsked = true;
    setImmediate(() => {
      this.#isTurnAsked = false;
      this.#waiting.shift()?.();
      this.#askTurn();
    });
  }
}

export const shortLineOf = (shape: MessageShape, message: FramedMessage): string =>
  `${begin}${jsonOf(shape, unframed(message))}${end}`;

const [begin, end] = ['{"result":', '}\n'];
const lineBegin = Buffer.from(begin);
const lineEnd = Buffer.from(end);

/** Each ends with a field of the message; one that is larger than a piece is one by itself. */
function* piecesOf(message: Uint8Array): Generator<Uint8Array, void, void> {
  const reader = new BinaryReader(message);
  let lo = 0;
  while (reader.pos < message.length) {
    const [number, wireType] = reader.tag();
    reader.skip(wireType, number);
    if (reader.pos - lo < pieceBytes && reader.pos < message.length) continue;
    yield message.subarray(lo, reader.pos);
    lo = reader.pos;
  }
}
