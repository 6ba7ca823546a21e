// A map by number for what changes all the time: its entries lie in two arrays that stay, so that
// to set and to delete makes nothing new. A Map leaves a table behind every few changes, which
// points to the one after it and to all that it held then: once one of them has grown old, they
// outlive the collections of what is young. Open addressing with linear probing; deletion moves
// entries back and leaves no marks (Knuth, TAOCP volume 3, 6.4, algorithms L and R).

const slotsMin = 16;
/** More than these are given back once nothing is left. */
const slotsKept = 1024;

export class SteadyMap<K extends number | bigint, V> {
  #keys: (K | undefined)[] = newSlots(slotsMin);
  #values: (V | undefined)[] = newSlots(slotsMin);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    return this.#values[this.#slotOf(key)];
  }

  has(key: K): boolean {
    return this.#keys[this.#slotOf(key)] !== undefined;
  }

  set(key: K, value: V): void {
    let slot = this.#slotOf(key);
    if (this.#keys[slot] === undefined) {
      // At most half full: a probe is short.
      if (2 * (this.#size + 1) > this.#keys.length) {
        this.#resize(2 * this.#keys.length);
        slot = this.#slotOf(key);
      }
      this.#keys[slot] = key;
      this.#size += 1;
    }
    this.#values[slot] = value;
  }

  delete(key: K): boolean {
    const slot = this.#slotOf(key);
    if (this.#keys[slot] === undefined) return false;
    this.#size -= 1;
    this.#close(slot);
    if (this.#size === 0 && this.#keys.length > slotsKept) this.#resize(slotsMin);
    return true;
  }

  clear(): void {
    this.#size = 0;
    this.#resize(slotsMin);
  }

  /** In no order; of those that there are when it is asked. */
  entries(): readonly (readonly [K, V])[] {
    const all: [K, V][] = [];
    for (const [slot, key] of this.#keys.entries()) {
      if (key !== undefined) all.push([key, this.#values[slot] as V]);
    }
    return all;
  }

  /** As `entries`. */
  values(): readonly V[] {
    return this.entries().map(([, value]) => value);
  }

  /** Where the key is, or where it would be put. */
  #slotOf(key: K): number {
    const keys = this.#keys;
    const mask = keys.length - 1;
    let slot = hashOf(key) & mask;
    while (keys[slot] !== undefined && keys[slot] !== key) slot = (slot + 1) & mask;
    return slot;
  }

  /** Fills the hole with whoever was put behind it because it was taken. */
  #close(hole: number): void {
    const [keys, values] = [this.#keys, this.#values];
    const mask = keys.length - 1;
    for (let slot = (hole + 1) & mask; ; slot = (slot + 1) & mask) {
      const key = keys[slot];
      if (key === undefined) break;
      const home = hashOf(key) & mask;
      // It is found from its home on, so it may not move to before it.
      if (((slot - home) & mask) < ((slot - hole) & mask)) continue;
      keys[hole] = key;
      values[hole] = values[slot];
      hole = slot;
    }
    keys[hole] = undefined;
    values[hole] = undefined;
  }

  #resize(slots: number): void {
    const [keys, values] = [this.#keys, this.#values];
    this.#keys = newSlots(slots);
    this.#values = newSlots(slots);
    if (this.#size === 0) return;
    for (const [at, key] of keys.entries()) {
      if (key === undefined) continue;
      const slot = this.#slotOf(key);
      this.#keys[slot] = key;
      this.#values[slot] = values[at];
    }
  }
}

const newSlots = <T>(count: number): (T | undefined)[] =>
  new Array<T | undefined>(count).fill(undefined);

/** Numbers in a row, as ours are, or every other one of them, spread over all slots. */
function hashOf(key: number | bigint): number {
  const low = typeof key === 'number' ? key : Number(BigInt.asUintN(32, key));
  const mixed = Math.imul(low, 0x9e3779b1); // 2^32 by the golden ratio (ibid., 6.4).
  return (mixed ^ (mixed >>> 15)) >>> 0;
}
