// Reads answers to puts and reads out of frames with as little work as it takes to know of each one
// which it is and whether it went well.
import type { Frame } from '@holdfast/transport/frame';

const [idField, rangeField, putField] = [1, 8, 9];

/** Calls back for each answer in a frame of responses. */
export function readAnswers(
  { payload }: Frame,
  onAnswer: (id: number, isGood: boolean) => void,
): void {
  const reader = new Reader(payload);
  while (!reader.isAtEnd) {
    reader.varint(); // The tag of one response.
    const end = reader.varint() + reader.at;
    let [id, isGood] = [0, false];
    while (reader.at < end) {
      const tag = reader.varint();
      const field = tag >>> 3;
      if (field === putField || field === rangeField) isGood = true;
      const value = reader.varint();
      if (field === idField) id = value;
      else if ((tag & 7) === 2) reader.at += value;
    }
    onAnswer(id, isGood);
  }
}

class Reader {
  at = 0;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length;
  }

  /** Below 2 ** 53. */
  varint(): number {
    let [value, factor] = [0, 1];
    for (;;) {
      const byte = this.#bytes[this.at];
      if (byte === undefined) throw new RangeError('an answer is cut short');
      this.at += 1;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
      factor *= 128;
    }
  }
}
