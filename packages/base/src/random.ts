// Chance as a port, so that a seed decides everything in the simulator.

export interface Random {
  /** An integer in [lo, hi). */
  integer(lo: number, hi: number): number;
  /** A number in [0, 1). */
  fraction(): number;
  /** 64 bits, never zero: identities use zero for "none". */
  identity(): bigint;
}

/** One of `items`, which is not empty. */
export function pick<T>(random: Random, items: readonly T[]): T {
  return items[random.integer(0, items.length)] as T;
}
