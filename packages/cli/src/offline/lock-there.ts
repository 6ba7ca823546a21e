// The lock of a data directory for a tool that only reads, with the words that such a tool owes.
import { HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import { type DirectoryLock, lockForReading } from '@holdfast/storage/node-disk';

import { dataDirectoryHint, expectMember } from './member-there.ts';

/** Throws `failed-precondition` while a member runs there, `not-found` where none has lived. */
export async function lockThere(directory: string): Promise<DirectoryLock> {
  try {
    expectMember(directory);
    return await lockForReading(directory);
  } catch (error) {
    if (isHoldfastError(error, 'failed-precondition')) {
      throw new HoldfastError(error.code, `${error.message.split(':')[0]}`, {
        cause: error,
        details: { ...error.details, hint: 'stop that member first: it changes what is read' },
      });
    }
    if (error instanceof HoldfastError) throw error;
    throw new HoldfastError('not-found', `no data directory can be read: ${messageOf(error)}`, {
      cause: error,
      details: { hint: dataDirectoryHint },
    });
  }
}
