// What a disk says when it refuses, and what that means to a member (safety.md 9): a full disk is
// survived, anything else ends the store that saw it.
import { HoldfastError, messageOf } from '@holdfast/base/errors';

/** Errors of a Disk carry the system's names; a crashed memory disk says `ECRASH`. */
export type DiskErrorCode = 'ENOENT' | 'EEXIST' | 'ENOSPC' | 'EIO' | 'EBADF' | 'ECRASH';

/** An error as the system gives it: a code for programs, a message for people. */
export class DiskError extends Error {
  override readonly name = 'DiskError';
  readonly code: DiskErrorCode;

  constructor(code: DiskErrorCode, message: string) {
    super(`${code}: ${message}`);
    this.code = code;
  }
}

/** The system's code of whatever a Disk threw, or undefined. */
export function diskErrorCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined;
  return typeof error.code === 'string' ? error.code : undefined;
}

/** No room, or no more of it for this user or project: both end when somebody makes room. */
export function isDiskFull(error: unknown): boolean {
  const code = diskErrorCode(error);
  return code === 'ENOSPC' || code === 'EDQUOT';
}

/** `disk-full` for want of room, else `unavailable`; `doing` tells what was under way. */
export function toOperatingError(error: unknown, doing: string): HoldfastError {
  if (error instanceof HoldfastError) return error;
  const code = isDiskFull(error) ? 'disk-full' : 'unavailable';
  return new HoldfastError(code, `${doing}: ${messageOf(error)}`, {
    outcome: 'unknown',
    cause: error,
  });
}
