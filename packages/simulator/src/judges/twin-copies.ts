// A status that is called saved stands in both copies of its file (safety.md 4): only then is one
// bad copy harmless, and the only good one never the one that is being written.
import { equalBytes } from '@holdfast/base/bytes';
import type { MemberId } from '@holdfast/base/ids';
import { Violation } from './violation.ts';

/** `file`: what a reader would see when the save is acknowledged. */
export function judgeTwinCopies(member: MemberId, file: Uint8Array): void {
  const copyBytes = file.length / 2;
  if (equalBytes(file.subarray(0, copyBytes), file.subarray(copyBytes))) return;
  const detail = `${member} calls a status saved that stands in one copy alone`;
  throw new Violation('twin-copies', detail);
}
