// Counts what was skipped, by reason, with a few examples of each: bounded, whatever the tree.
import type { Cell } from '../table.ts';

const examplesMax = 20;

export type TallyLine = {
  readonly reason: string;
  readonly count: number;
  readonly examples: readonly { readonly path: string; readonly detail: string }[];
};

export class Tally {
  readonly #lines = new Map<
    string,
    { count: number; examples: { path: string; detail: string }[] }
  >();

  add(reason: string, path: string, detail: string): void {
    const line = this.#lines.get(reason) ?? { count: 0, examples: [] };
    line.count += 1;
    if (line.examples.length < examplesMax) line.examples.push({ path, detail });
    this.#lines.set(reason, line);
  }

  get count(): number {
    let sum = 0;
    for (const line of this.#lines.values()) sum += line.count;
    return sum;
  }

  lines(): readonly TallyLine[] {
    return [...this.#lines].map(([reason, line]) => ({ reason, ...line }));
  }

  /** Rows of a table: reason, count, the first example. */
  rows(): readonly (readonly Cell[])[] {
    return this.lines().map((line) => {
      const first = line.examples[0];
      return [line.reason, line.count, first === undefined ? '' : `${first.path}: ${first.detail}`];
    });
  }
}
