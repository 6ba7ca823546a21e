// Encodes one group at a time into a buffer that is used again for the next: the write copies the
// bytes, so nothing is allocated per entry.
import { assert } from '@holdfast/base/assert';
import type { Entry } from '@holdfast/raft/entry';
import { viewOf } from './byte-codec.ts';
import { encodeGroupHeader, groupHeaderBytes, type LogPosition } from './log-group.ts';
import { encodeRecord, recordBytes } from './log-record.ts';
import { blankSectors } from './sector.ts';

const bytesAtFirst = 64 * 1024;

/** Bytes of a group that holds this entry alone. */
export const soloGroupBytes = (entry: Entry): number =>
  groupHeaderBytes + recordBytes(entry.payload.length);

export class GroupEncoder {
  #bytes = new Uint8Array(bytesAtFirst);
  #view = viewOf(this.#bytes);
  #offset = 0;
  #end = 0;
  #count = 0;
  #firstIndex = 0;
  #previousChain = 0;
  #chain = 0;

  /** The offset after what is encoded so far, from the group's begin. */
  get end(): number {
    return this.#end;
  }

  get count(): number {
    return this.#count;
  }

  /** Chain of the last record. */
  get chain(): number {
    return this.#chain;
  }

  /** `offset` is where the group is going to stand in its file. */
  begin(offset: number, firstIndex: number, previousChain: number): void {
    this.#offset = offset;
    this.#end = groupHeaderBytes;
    this.#count = 0;
    this.#firstIndex = firstIndex;
    this.#previousChain = previousChain;
    this.#chain = previousChain;
  }

  /** Adds the next entry; answers the offset of its record in the group. */
  add(entry: Entry): number {
    assert(entry.index === this.#firstIndex + this.#count, 'a group holds consecutive entries');
    const at = this.#end;
    const end = at + recordBytes(entry.payload.length);
    if (end > this.#bytes.length) this.#grow(end);
    this.#chain = encodeRecord({ bytes: this.#bytes, view: this.#view, at }, entry, this.#chain);
    this.#end = end;
    this.#count += 1;
    return at;
  }

  /** The whole group; valid until the next begin(). */
  finish(durable: LogPosition, commitHint: number): Uint8Array {
    const records = this.#bytes.subarray(groupHeaderBytes, this.#end);
    encodeGroupHeader(this.#bytes, {
      bytes: this.#end - groupHeaderBytes,
      count: this.#count,
      firstIndex: this.#firstIndex,
      previousChain: this.#previousChain,
      lastChain: this.#chain,
      durable,
      commitHint,
      blankSectors: blankSectors(records, this.#offset + groupHeaderBytes),
    });
    return this.#bytes.subarray(0, this.#end);
  }

  #grow(length: number): void {
    const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    grown.set(this.#bytes);
    this.#bytes = grown;
    this.#view = viewOf(grown);
  }
}

/** One group as bytes, and where each of its entries stands in them. */
export type EncodedGroup = {
  readonly bytes: Uint8Array;
  readonly places: { readonly entry: Entry; readonly at: number; readonly chain: number }[];
};
