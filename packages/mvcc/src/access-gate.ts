// Under which revision of the access rules commands must have been allowed to be applied. It is the
// mod revision of one key, the gate, which is there while access control is on and is written again
// by every change of the rules (domain's access-key.ts has the same two numbers, and a test holds
// them together). Kept here as a number, so that apply looks nothing up.
import { HoldfastError } from '@holdfast/base/errors';
import type { RecordHeap } from './record-heap.ts';

export const accessKeyspace = 17;
const gateLetter = 0x67;
export const gateKey = new Uint8Array([gateLetter]);

export class AccessGate {
  #revision = 0;

  /** 0: access control is off, and nobody needs to have been allowed anything. */
  get revision(): number {
    return this.#revision;
  }

  /** The record at `address` is its key's newest now. */
  note(heap: RecordHeap, address: number): void {
    const key = heap.key(address);
    if (key.length !== 1 || key[0] !== gateLetter) return;
    this.#revision = heap.isTombstone(address) ? 0 : heap.modRevision(address);
  }
}

/**
 * Throws `access-changed` (nothing was done) for a command that was allowed by other rules than
 * those in force: it has to be judged again. The cluster's own work is nobody's to allow.
 */
export function requireAllowed(gate: AccessGate, allowedAt: number): void {
  if (allowedAt === gate.revision || allowedAt < 0) return;
  throw accessChanged();
}

export const accessChanged = (): HoldfastError =>
  new HoldfastError('access-changed', 'what users may do was changed meanwhile');
