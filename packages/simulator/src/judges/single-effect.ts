// A write takes effect once or not at all (safety.md 21): values are unique, so each is written
// once in a run, whoever sent it again; what was called without effect is never seen; and what was
// acknowledged stands at the very revision that the answer named.
import type { Register } from '../history.ts';
import type { EventHistory } from './event-history.ts';
import { Violation } from './violation.ts';

export class SingleEffect {
  readonly #history: EventHistory;
  readonly #revisions = new Map<string, number>();
  readonly #refused = new Set<string>();

  constructor(history: EventHistory) {
    this.#history = history;
  }

  /** A value was written at `revision`. */
  happened(value: string, revision: number): void {
    const known = this.#revisions.get(value);
    if (known !== undefined) this.#fail(`${value} was written at ${known} and at ${revision}`);
    if (this.#refused.has(value)) this.#fail(`${value} was refused, and written at ${revision}`);
    this.#revisions.set(value, revision);
  }

  /** A client was told that the write of `value` has had no effect and never will. */
  refused(value: string): void {
    const known = this.#revisions.get(value);
    if (known !== undefined) this.#fail(`${value} was written at ${known}, and refused`);
    this.#refused.add(value);
  }

  /** A client was told that its write (undefined: a delete) took effect at `revision`. */
  acknowledged(key: string, value: Register, revision: number): void {
    const found = this.#history.at(revision).some((event) => {
      if (event.key !== key) return false;
      return value === undefined ? event.type === 'delete' : event.value === value;
    });
    if (found) return;
    const happened = this.#history.at(revision).map(({ text }) => text);
    const what = `${key} as ${value ?? 'deleted'} was acknowledged at ${revision}`;
    this.#fail(`${what}, where there is ${happened.join(', ') || 'nothing'}`);
  }

  #fail(detail: string): never {
    throw new Violation('single-effect', detail);
  }
}
