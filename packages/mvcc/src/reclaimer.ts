// Gives back the memory that compactions have set free, a little at a time, so that the event loop
// is never held for long. It changes no answer, no hash and no image: what it takes away has
// counted as gone since the compaction was applied. Slabs that are mostly dead are rewritten, in
// order.
import type { RecordSlab } from './record-slab.ts';
import type { StoreState } from './store-state.ts';

export class Reclaimer {
  readonly #state: StoreState;
  /** The compact revision that the running pass works for; 0 when none runs. */
  #target = 0;
  /** The highest compact revision for which a pass has ended. */
  #done = 0;
  #slab: RecordSlab | undefined;
  #at = 0;
  /** The slab that rewritten records go to; stands right before #slab. */
  #output: RecordSlab | undefined;

  constructor(state: StoreState) {
    this.#state = state;
  }

  /** Whether a step would find something to look at; nothing may be taken under an image. */
  get pending(): boolean {
    if (this.#state.images > 0) return false;
    return this.#target > 0 || this.#done < this.#state.compactRevision;
  }

  /** Looks at `recordsMax` records or a little more; answers whether there is more to do. */
  step(recordsMax: number): boolean {
    if (!this.pending) return false;
    if (this.#target === 0) this.#begin();
    let left = recordsMax;
    while (left > 0 && this.#slab && this.#mayHoldGarbage(this.#slab)) {
      left -= this.#scan(this.#slab, left);
      if (this.#at >= this.#slab.used) left -= this.#leave(this.#slab);
    }
    if (left > 0) this.#end();
    return this.pending;
  }

  #begin(): void {
    this.#target = this.#state.compactRevision;
    this.#slab = this.#state.heap.first;
    this.#at = 0;
    this.#output = undefined;
  }

  #end(): void {
    this.#done = this.#target;
    this.#target = 0;
    this.#slab = undefined;
    this.#output = undefined;
  }

  /**
   * The slab that is being written stays as it is; slabs behind the target hold nothing to take.
   */
  #mayHoldGarbage(slab: RecordSlab): boolean {
    const heap = this.#state.heap;
    if (slab === heap.last) return false;
    return slab.used === 0 || heap.modRevision(heap.addressOf(slab, 0)) <= this.#target;
  }

  /**
   * Marks records that are compacted, from where the last step stopped; answers how many it saw.
   */
  #scan(slab: RecordSlab, recordsMax: number): number {
    if (slab.garbage === 0) this.#at = slab.used;
    const heap = this.#state.heap;
    let seen = 0;
    for (; this.#at < slab.used && seen < recordsMax; seen += 1) {
      const address = heap.addressOf(slab, this.#at);
      const size = slab.sizeAt(this.#at);
      // By the pass's own revision: a chain is taken from its old end, in the order of the slabs.
      const gone = !heap.isDead(address) && this.#state.isCompacted(address, this.#target);
      if (gone) this.#bury(address, size);
      this.#at += size;
    }
    return seen + 1;
  }

  /** Takes a compacted record out of its chain, of which it is the oldest. */
  #bury(address: number, size: number): void {
    const heap = this.#state.heap;
    const slab = heap.slabOf(address);
    const next = heap.next(address);
    if (next === 0) this.#state.forget(address);
    else heap.setPrevious(next, 0);
    heap.markDead(address);
    slab.garbage -= size;
    slab.dead += size;
  }

  /** Ends with a slab that has been scanned; answers how many records it moved. */
  #leave(slab: RecordSlab): number {
    const after = slab.after;
    let moved = 0;
    if (slab.dead * 2 < slab.used) {
      this.#output = undefined;
    } else {
      if (slab.dead < slab.used) moved = this.#rewrite(slab);
      this.#state.heap.removeSlab(slab);
    }
    this.#slab = after;
    this.#at = 0;
    return moved;
  }

  /** Moves what lives in the slab to the slab before it. In one go: readers walk slabs in order. */
  #rewrite(slab: RecordSlab): number {
    const heap = this.#state.heap;
    const needed = slab.used - slab.dead;
    if (!this.#output || this.#output.free < needed) {
      this.#output = heap.insertSlab(Math.max(heap.slabBytes, needed), slab);
    }
    let moved = 0;
    for (let at = 0; at < slab.used; at += slab.sizeAt(at)) {
      const address = heap.addressOf(slab, at);
      if (heap.isDead(address)) continue;
      this.#move(address, this.#output);
      moved += 1;
    }
    return moved;
  }

  #move(from: number, output: RecordSlab): void {
    const heap = this.#state.heap;
    const to = heap.copyInto(output, from);
    const previous = heap.previous(to);
    const next = heap.next(to);
    if (previous !== 0) heap.setNext(previous, to);
    if (next !== 0) heap.setPrevious(next, to);
    else this.#state.moveNewest(heap.slot(to), to);
    if (heap.isTombstone(to) || heap.superseded(to) !== 0) output.garbage += heap.sizeOf(to);
    this.#state.revisions.move(heap.modRevision(to), from, to);
  }
}
