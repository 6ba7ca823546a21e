// The machine's own chance. One of the few files that may touch it.
import type { Random } from './random.ts';

export class SystemRandom implements Random {
  integer(lo: number, hi: number): number {
    return lo + Math.floor(this.fraction() * (hi - lo));
  }

  fraction(): number {
    return Math.random();
  }

  identity(): bigint {
    const value = crypto.getRandomValues(new BigUint64Array(1))[0] ?? 0n;
    return value === 0n ? 1n : value;
  }
}
