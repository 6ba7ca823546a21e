// The receiving end of a snapshot that comes in frames: an async sequence of chunks that fails when
// one is missing or the stream breaks, so that nobody ever takes a part for the whole.
import { HoldfastError } from '@holdfast/base/errors';

type Item = { readonly chunk: Uint8Array } | 'end' | Error;

export class SnapshotStream implements AsyncIterable<Uint8Array> {
  #expected = 0;
  #items: Item[] = [];
  #wake: (() => void) | undefined;

  /** Chunk number `position`, from 0; undefined: the end stands there. */
  take(position: number, chunk: Uint8Array | undefined): void {
    if (position === this.#expected) this.#put(chunk ? { chunk } : 'end');
    else this.fail(`chunk ${this.#expected} of a snapshot did not arrive`);
    this.#expected = position + 1;
  }

  fail(why: string): void {
    this.#put(new HoldfastError('unavailable', why));
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    for (;;) {
      const item = this.#items.shift();
      if (item === 'end') return;
      if (item instanceof Error) throw item;
      if (item) yield item.chunk;
      else {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
    }
  }

  #put(item: Item): void {
    this.#items.push(item);
    this.#wake?.();
    this.#wake = undefined;
  }
}
