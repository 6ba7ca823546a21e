// Where each uncompacted revision begins in the record heap, and how many bytes a compaction up to
// it sets free. Every revision writes at least one record, so both are dense arrays, in chunks;
// chunks that lie wholly below the compact revision are given back.
import { assert } from '@holdfast/base/assert';

const chunkLength = 16_384;

type Chunk = { readonly addresses: Uint32Array; readonly freed: Float64Array };

export class RevisionIndex {
  readonly #chunks = new Map<number, Chunk>();
  /** The first revision that has an address. */
  #first: number;
  #last: number;
  /** Bytes that `freed` of the last revision says, going on while its transaction writes. */
  #freed = 0;

  constructor(first: number) {
    this.#first = first;
    this.#last = first - 1;
  }

  get first(): number {
    return this.#first;
  }

  get last(): number {
    return this.#last;
  }

  /** Bytes that a compaction at the last revision would have set free, since the beginning. */
  get freed(): number {
    return this.#freed;
  }

  /** Takes in the next revision, whose first record stands at `address`. */
  push(revision: number, address: number): void {
    assert(revision === this.#last + 1, 'revisions come one after the other');
    this.#last = revision;
    let chunk = this.#chunks.get(Math.floor(revision / chunkLength));
    if (!chunk) {
      chunk = {
        addresses: new Uint32Array(chunkLength),
        freed: new Float64Array(chunkLength),
      };
      this.#chunks.set(Math.floor(revision / chunkLength), chunk);
    }
    chunk.addresses[revision % chunkLength] = address;
    chunk.freed[revision % chunkLength] = this.#freed;
  }

  /** A compaction at the last revision, or later, sets `bytes` more free. */
  addFreed(bytes: number): void {
    this.#freed += bytes;
    const chunk = this.#chunks.get(Math.floor(this.#last / chunkLength));
    if (chunk) chunk.freed[this.#last % chunkLength] = this.#freed;
  }

  /** Address of the revision's first record; `revision` is in [first, last]. */
  address(revision: number): number {
    assert(revision >= this.#first && revision <= this.#last, 'the revision is uncompacted');
    return this.#chunk(revision).addresses[revision % chunkLength] as number;
  }

  /** The record at `from` now stands at `to`; it is followed if it begins its revision. */
  move(revision: number, from: number, to: number): void {
    if (revision < this.#first) return;
    const addresses = this.#chunk(revision).addresses;
    const at = revision % chunkLength;
    if (addresses[at] === from) addresses[at] = to;
  }

  /** Bytes that compactions up to `revision` set free, since the beginning. */
  freedAt(revision: number): number {
    if (revision < this.#first) return 0;
    return this.#chunk(revision).freed[revision % chunkLength] as number;
  }

  /** The lowest revision whose compaction frees at least `freed` bytes since the beginning. */
  revisionFreeing(freed: number): number {
    let lo = this.#first;
    let hi = this.#last;
    while (lo < hi) {
      const middle = Math.floor((lo + hi) / 2);
      if (this.freedAt(middle) < freed) lo = middle + 1;
      else hi = middle;
    }
    return lo;
  }

  /** Forgets everything below `revision`. */
  dropBelow(revision: number): void {
    const first = Math.min(revision, this.#last + 1);
    for (
      let n = Math.floor(this.#first / chunkLength);
      n < Math.floor(first / chunkLength);
      n += 1
    ) {
      this.#chunks.delete(n);
    }
    this.#first = Math.max(this.#first, first);
  }

  /** The next revision is `revision`, and all before it is forgotten; answers the one before. */
  leap(revision: number): number {
    assert(revision > this.#last, 'revisions only grow');
    this.#chunks.clear();
    this.#first = revision;
    this.#last = revision - 1;
    this.#freed = 0;
    return this.#last;
  }

  #chunk(revision: number): Chunk {
    return this.#chunks.get(Math.floor(revision / chunkLength)) as Chunk;
  }
}
