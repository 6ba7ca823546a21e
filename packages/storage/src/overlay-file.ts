// One file of an overlay disk: what the inner disk has, below what was written since. Zeros are
// kept as a length alone, because a new segment of the log is mostly zeros.
import type { DiskFile } from './disk.ts';

/** Later patches lie over earlier ones; a length without bytes is zeros. */
type Patch = { readonly lo: number; readonly hi: number; readonly bytes: Uint8Array | undefined };

export class OverlayFile {
  readonly #inner: DiskFile | undefined;
  readonly #onRead: (bytes: number) => void;
  readonly #patches: Patch[] = [];
  readonly #innerEnd: number;
  #size: number;

  constructor(inner: DiskFile | undefined, size: number, onRead: (bytes: number) => void) {
    this.#inner = inner;
    this.#onRead = onRead;
    this.#innerEnd = size;
    this.#size = size;
  }

  get size(): number {
    return this.#size;
  }

  async read(offset: number, length: number): Promise<Uint8Array> {
    const end = Math.min(this.#size, offset + length);
    const found = new Uint8Array(Math.max(0, end - offset));
    const innerEnd = Math.min(end, this.#innerEnd);
    if (this.#inner && offset < innerEnd) {
      const bytes = await this.#inner.read(offset, innerEnd - offset);
      this.#onRead(bytes.length);
      found.set(bytes);
    }
    for (const { lo, hi, bytes } of this.#patches) {
      const [from, to] = [Math.max(lo, offset), Math.min(hi, end)];
      if (from >= to) continue;
      if (bytes) found.set(bytes.subarray(from - lo, to - lo), from - offset);
      else found.fill(0, from - offset, to - offset);
    }
    return found;
  }

  /** Takes the bytes as they are, which must not change any more, or a number of zeros. */
  write(offset: number, content: Uint8Array | number): void {
    const isZeros = typeof content === 'number';
    const hi = offset + (isZeros ? content : content.length);
    if (hi === offset) return;
    this.#patches.push({ lo: offset, hi, bytes: isZeros ? undefined : content });
    this.#size = Math.max(this.#size, hi);
  }

  truncate(length: number): void {
    // What lies behind the cut reads as zeros, should the file grow again.
    if (length < this.#size) this.#patches.push({ lo: length, hi: this.#size, bytes: undefined });
    this.#size = length;
  }

  async release(): Promise<void> {
    await this.#inner?.close();
  }
}
