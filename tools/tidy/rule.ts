// What a house rule is. Its samples are part of it: a rule that does not catch its own bad sample
// is broken, and tidy.test.ts says so.
import type { House } from './house.ts';

export type Finding = { readonly path: string; readonly line: number; readonly message: string };

/** Paths and texts of a small house. */
export type Sample = Readonly<Record<string, string>>;

export type Rule = {
  readonly name: string;
  /** Printed with each finding: why the house wants it so. */
  readonly reason: string;
  readonly check: (house: House) => readonly Finding[];
  /** Each of them must be caught. */
  readonly bad: readonly Sample[];
  /** Near misses that must pass. */
  readonly good: readonly Sample[];
};
