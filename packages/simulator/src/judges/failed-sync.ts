// After a sync of the log has failed, nothing more is ever called synced by that process (safety.md
// 1): the kernel may have dropped the pages, and say of the next sync that all is well. Owns where
// each such log ended.
import type { Index, MemberId } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

export class FailedSync {
  readonly #endOf = new Map<MemberId, Index>();

  /** A sync of the log of `member`, which ends at `last`, fails now. */
  failed(member: MemberId, last: Index): void {
    if (!this.#endOf.has(member)) this.#endOf.set(member, last);
  }

  /** Its process is gone. */
  forget(member: MemberId): void {
    this.#endOf.delete(member);
  }

  /** Between two steps. An older sync may still have ended well, a later one can not have. */
  observe(member: MemberId, persisted: Index): void {
    const end = this.#endOf.get(member);
    if (end === undefined || persisted <= end) return;
    const detail = `${member} calls ${persisted} synced after a sync up to ${end} has failed`;
    throw new Violation('failed-sync', detail);
  }
}
