// A small, fast generator with 128 bits of state: sfc32 (Chris Doty-Humphrey, PractRand, public
// domain). Its state can be read and set, so a core that owns one stays serialisable.
import type { Random } from './random.ts';

export type SeededRandomState = readonly [number, number, number, number];

export class SeededRandom implements Random {
  #a: number;
  #b: number;
  #c: number;
  #counter: number;

  constructor(seed: number | SeededRandomState) {
    if (typeof seed === 'number') {
      this.#a = 0x9e3779b9;
      this.#b = Math.floor(seed / 4294967296) | 0;
      this.#c = seed | 0;
      this.#counter = 1;
      for (let round = 0; round < 12; round += 1) this.#uint32();
    } else {
      [this.#a, this.#b, this.#c, this.#counter] = seed;
    }
  }

  get state(): SeededRandomState {
    return [this.#a, this.#b, this.#c, this.#counter];
  }

  integer(lo: number, hi: number): number {
    return lo + Math.floor(this.fraction() * (hi - lo));
  }

  fraction(): number {
    return this.#uint32() / 4294967296;
  }

  identity(): bigint {
    const value = (BigInt(this.#uint32()) << 32n) | BigInt(this.#uint32());
    return value === 0n ? 1n : value;
  }

  #uint32(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }
}
