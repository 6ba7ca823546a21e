// Every entry's term, as runs: a log of a million entries has a handful of terms.
import { index, type Term } from '@holdfast/base/ids';
import type { LogRecovery } from './log-store.ts';

type Run = LogRecovery['termRuns'][number];

export class TermRuns {
  #runs: Run[] = [];

  push(at: number, term: Term): void {
    if (this.#runs.at(-1)?.term !== term) this.#runs.push({ from: index(at), term });
  }

  /** The term of an entry that is in the log. */
  at(wanted: number): Term | undefined {
    // Nearly every question is about the last run.
    return this.#runs.findLast((run) => run.from <= wanted)?.term;
  }

  truncate(last: number): void {
    while ((this.#runs.at(-1)?.from ?? 0) > last) this.#runs.pop();
  }

  /** Forgets what lies at or before `through`. */
  purge(through: number): void {
    const keepFrom = this.#runs.findLastIndex((run) => run.from <= through + 1);
    if (keepFrom > 0) this.#runs = this.#runs.slice(keepFrom);
  }

  /** The runs that cover (`purged`, last]. */
  after(purged: number): readonly Run[] {
    return this.#runs.map((run) =>
      run.from > purged ? run : { from: index(purged + 1), term: run.term },
    );
  }
}
