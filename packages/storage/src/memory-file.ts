// One file of a MemoryDisk: what a reader sees (the page cache), and enough about each change since
// the last sync to say what a power loss may leave of it. A sync costs nothing; only a crash works.
import type { Random } from '@holdfast/base/random';
import { sectorBytes } from './sector.ts';

type Change = {
  readonly order: number;
  readonly offset: number;
  /** What was written; undefined for a truncation. */
  readonly after: Uint8Array | undefined;
  /** The bytes that it replaced or cut. */
  readonly before: Uint8Array;
  readonly sizeBefore: number;
  readonly sizeAfter: number;
};

/** Bytes that the platter holds while the cache, called clean by the kernel, shows others. */
type Stale = { readonly offset: number; readonly bytes: Uint8Array };

type Fate = 'lost' | 'kept' | 'torn';
const fates: readonly Fate[] = ['lost', 'kept', 'torn'];

export class MemoryFile {
  #bytes = new Uint8Array(0);
  #size = 0;
  #order = 0;
  #unsynced: Change[] = [];
  #stale: Stale[] = [];

  get size(): number {
    return this.#size;
  }

  get unsyncedCount(): number {
    return this.#unsynced.length;
  }

  read(offset: number, length: number): Uint8Array {
    return this.#bytes.slice(offset, Math.max(offset, Math.min(this.#size, offset + length)));
  }

  write(offset: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#record(offset, bytes.slice(), Math.max(this.#size, offset + bytes.length));
    this.#put(offset, bytes);
  }

  truncate(length: number): void {
    this.#record(length, undefined, length);
    this.#resize(length);
  }

  /** The point up to which a sync that begins now makes changes durable. */
  syncPoint(): number {
    return this.#order;
  }

  syncTo(point: number): void {
    for (const change of this.#unsynced) {
      if (change.order <= point && change.after) this.#refresh(change.offset, change.after.length);
    }
    this.#unsynced = this.#unsynced.filter((change) => change.order > point);
  }

  /** A failed sync: the pages are called clean and stay readable, but never reach the platter. */
  dropPages(): void {
    for (const { offset, before, after, sizeBefore } of this.#unsynced) {
      if (!after) continue;
      const bytes = new Uint8Array(after.length);
      bytes.set(before);
      if (offset < sizeBefore || after.length > 0) this.#stale.push({ offset, bytes });
    }
    this.#unsynced = this.#unsynced.filter((change) => !change.after);
  }

  /** What a power loss leaves: the durable bytes, and of the rest whatever chance decides. */
  losePower(random: Random): void {
    const changes = this.#unsynced;
    for (const change of changes.toReversed()) this.#undo(change);
    for (const stale of this.#stale.toReversed()) this.#putInside(stale.offset, stale.bytes);
    this.#unsynced = [];
    this.#stale = [];
    const last = changes.findLast((change) => change.after);
    const lost = new Set<number>();
    for (const change of changes) {
      const fate = this.#fateOf(change, change === last, random);
      if (change.after) this.#keep(change.offset, change.after, { fate, lost, random });
      else if (fate === 'kept') this.#resize(change.sizeAfter);
    }
  }

  /** Rot: one bit of the medium and of what is read from it turns. */
  flipBit(offset: number, bit: number): void {
    const byte = this.#bytes[offset] ?? 0;
    if (offset < this.#size) this.#bytes[offset] = byte ^ (1 << bit);
  }

  #record(offset: number, after: Uint8Array | undefined, sizeAfter: number): void {
    const sizeBefore = this.#size;
    const overwritten = after ? Math.min(sizeBefore, offset + after.length) : sizeBefore;
    const before = this.#bytes.slice(offset, Math.max(offset, overwritten));
    this.#order += 1;
    this.#unsynced.push({ order: this.#order, offset, after, before, sizeBefore, sizeAfter });
  }

  #undo(change: Change): void {
    if (change.sizeBefore < this.#size) this.#resize(change.sizeBefore);
    if (change.sizeBefore > this.#size) this.#resize(change.sizeBefore);
    this.#putInside(change.offset, change.before);
  }

  #fateOf(change: Change, isLast: boolean, random: Random): Fate {
    const fate = fates[random.integer(0, fates.length)] ?? 'lost';
    return isLast && change.after ? 'torn' : fate;
  }

  /**
   * Keeps what reached the medium of one write. A sector goes there as the cache has it, so one
   * that lacks an earlier write lacks every later one too.
   */
  #keep(
    offset: number,
    bytes: Uint8Array,
    by: { readonly fate: Fate; readonly lost: Set<number>; readonly random: Random },
  ): void {
    const end = offset + bytes.length;
    for (let at = offset; at < end; ) {
      const sector = Math.floor(at / sectorBytes);
      const stop = Math.min(end, (sector + 1) * sectorBytes);
      const kept = by.fate === 'kept' || (by.fate === 'torn' && by.random.integer(0, 2) === 1);
      if (!kept) by.lost.add(sector);
      if (!by.lost.has(sector)) this.#put(at, bytes.subarray(at - offset, stop - offset));
      at = stop;
    }
  }

  /** A later write that reached the medium ends the staleness of the sectors it touches. */
  #refresh(at: number, length: number): void {
    if (this.#stale.length === 0) return;
    const lo = Math.floor(at / sectorBytes) * sectorBytes;
    const hi = Math.ceil((at + length) / sectorBytes) * sectorBytes;
    this.#stale = this.#stale.flatMap(({ offset, bytes }) => {
      const left = bytes.subarray(0, Math.max(0, lo - offset));
      const right = bytes.subarray(Math.min(bytes.length, Math.max(0, hi - offset)));
      if (offset >= hi || offset + bytes.length <= lo) return [{ offset, bytes }];
      const parts = [
        { offset, bytes: left },
        { offset: hi, bytes: right },
      ];
      return parts.filter((part) => part.bytes.length > 0);
    });
  }

  #put(offset: number, bytes: Uint8Array): void {
    this.#resize(Math.max(this.#size, offset + bytes.length));
    this.#bytes.set(bytes, offset);
  }

  #putInside(offset: number, bytes: Uint8Array): void {
    const length = Math.max(0, Math.min(bytes.length, this.#size - offset));
    this.#bytes.set(bytes.subarray(0, length), offset);
  }

  #resize(length: number): void {
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#size));
      this.#bytes = grown;
    }
    if (length < this.#size) this.#bytes.fill(0, length, this.#size);
    this.#size = length;
  }
}
