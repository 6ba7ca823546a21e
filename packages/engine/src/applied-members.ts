// Who belongs to the cluster as of the entry that is applied now: the same on every member, as the
// core's newest configuration is not. The replica tells of entries only when a slice is through.
import type { Index } from '@holdfast/base/ids';
import type { AppliedEntry } from '@holdfast/mvcc/kv-store';
import { type Configuration, decodeConfiguration } from '@holdfast/raft/configuration';

type AsOf = { readonly index: Index; readonly configuration: Configuration };

export class AppliedMembers {
  readonly #told: () => AsOf | undefined;
  #newest: AsOf | undefined;

  constructor(told: () => AsOf | undefined) {
    this.#told = told;
  }

  /** A membership entry is applied. */
  note({ index, payload }: Pick<AppliedEntry, 'index' | 'payload'>): void {
    this.#newest = { index, configuration: decodeConfiguration(payload) };
  }

  get configuration(): Configuration | undefined {
    const told = this.#told();
    const newest = this.#newest;
    return (newest && (!told || newest.index > told.index) ? newest : told)?.configuration;
  }
}
