// No acknowledged write is lost: in the end each key shows its last acknowledged write, or one that
// came after it. Owns the last acknowledged write of each key.
import type { Register } from '../history.ts';
import { Violation } from './violation.ts';

export type StoredKey = { readonly value: string; readonly modRevision: number };
type Acknowledged = { readonly revision: number; readonly value: Register };

export class AcknowledgedWrites {
  readonly #last = new Map<string, Acknowledged>();
  #count = 0;
  /** Every value that some client tried to write and was not refused. */
  readonly #attempted = new Set<string>();
  readonly #mayBeDeleted = new Set<string>();

  get count(): number {
    return this.#count;
  }

  /** A write of `value` (undefined: a delete) leaves its client. */
  attempted(key: string, value: Register): void {
    if (value === undefined) this.#mayBeDeleted.add(key);
    else this.#attempted.add(`${key}=${value}`);
  }

  /** Told to the client as certainly without effect. */
  refused(key: string, value: Register): void {
    if (value !== undefined) this.#attempted.delete(`${key}=${value}`);
  }

  acknowledged(key: string, value: Register, revision: number): void {
    this.#count += 1;
    const last = this.#last.get(key);
    if (!last || last.revision < revision) this.#last.set(key, { revision, value });
  }

  /** `stored` is the whole store in the end, at `revision`. */
  judge(stored: ReadonlyMap<string, StoredKey>, revision: number): void {
    for (const [key, last] of this.#last) {
      if (last.revision > revision) {
        const detail = `${promiseOf(key, last)}, the store ends at ${revision}`;
        throw new Violation('acknowledged-writes', detail);
      }
      this.#judgeKey(key, last, stored.get(key));
    }
    for (const [key, { value }] of stored) {
      if (!this.#attempted.has(`${key}=${value}`)) {
        throw new Violation('acknowledged-writes', `${key} holds ${value}, which nobody may write`);
      }
    }
  }

  #judgeKey(key: string, last: Acknowledged, found: StoredKey | undefined): void {
    const promised = promiseOf(key, last);
    if (!found) {
      if (last.value === undefined || this.#mayBeDeleted.has(key)) return;
      throw new Violation('acknowledged-writes', `${promised}, and is gone`);
    }
    if (found.modRevision > last.revision) return;
    if (found.modRevision === last.revision && found.value === last.value) return;
    const holds = `holds ${found.value} of revision ${found.modRevision}`;
    throw new Violation('acknowledged-writes', `${promised}, and ${holds}`);
  }
}

const promiseOf = (key: string, { value, revision }: Acknowledged): string =>
  `${key} was acknowledged as ${value ?? 'deleted'} at ${revision}`;
