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
    for (const change of changes) this.#maybeKeep(change, change === last, random);
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

  #maybeKeep(change: Change, isLast: boolean, random: Random): void {
    const fate = random.integer(0, 3);
    if (!change.after) {
      if (fate !== 0) this.#resize(change.sizeAfter);
    } else if (isLast || fate === 2) {
      this.#keepSectors(change.offset, change.after, random);
    } else if (fate === 1) {
      this.#put(change.offset, change.after);
    }
  }

  #keepSectors(offset: number, bytes: Uint8Array, random: Random): void {
    const end = offset + bytes.length;
    for (let at = offset; at < end; ) {
      const stop = Math.min(end, (Math.floor(at / sectorBytes) + 1) * sectorBytes);
      if (random.integer(0, 2) === 1) this.#put(at, bytes.subarray(at - offset, stop - offset));
      at = stop;
    }
  }

  /** A later write that reached the platter ends the staleness of the bytes it covers. */
  #refresh(lo: number, length: number): void {
    if (this.#stale.length === 0) return;
    const hi = lo + length;
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
