// Where the entries of one segment lie: for consecutive indexes the offset, payload length and
// chain, twelve bytes an entry. A million entries cost 12 MB, and finding one costs nothing.

export type EntryPosition = {
  readonly offset: number;
  readonly payloadLength: number;
  readonly chain: number;
};

const fields = 3;
const entriesAtFirst = 64;

export class EntryPositions {
  #cells = new Uint32Array(fields * entriesAtFirst);
  #first = 0;
  #count = 0;

  /** The index of the first entry; meaningless while there is none. */
  get first(): number {
    return this.#first;
  }

  get count(): number {
    return this.#count;
  }

  /** The index after the last entry. */
  get end(): number {
    return this.#first + this.#count;
  }

  push(index: number, position: EntryPosition): void {
    if (this.#count === 0) this.#first = index;
    const at = this.#count * fields;
    if (at === this.#cells.length) this.#grow();
    this.#cells[at] = position.offset;
    this.#cells[at + 1] = position.payloadLength;
    this.#cells[at + 2] = position.chain;
    this.#count += 1;
  }

  at(index: number): EntryPosition {
    const at = (index - this.#first) * fields;
    return {
      offset: this.#cells[at] ?? 0,
      payloadLength: this.#cells[at + 1] ?? 0,
      chain: this.#cells[at + 2] ?? 0,
    };
  }

  /** Forgets every entry after `last`. */
  truncate(last: number): void {
    if (this.end > last + 1) this.#count = Math.max(0, last + 1 - this.#first);
  }

  #grow(): void {
    const grown = new Uint32Array(this.#cells.length * 2);
    grown.set(this.#cells);
    this.#cells = grown;
  }
}
