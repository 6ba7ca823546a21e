// Turns what a recovery found into what open() answers. Pure.
import { index } from '@holdfast/base/ids';
import { entryOverheadBytes } from '@holdfast/raft/entry';
import type { RecoveredLog } from './log-recovery.ts';
import type { LogRecovery } from './log-store.ts';

export function answerOf(found: RecoveredLog): LogRecovery {
  const { log, configurations, tornBytes, rot } = found;
  return {
    purged: log.base.id,
    last: log.last,
    termRuns: log.termRuns,
    sizes: log.payloadLengths().map((length) => entryOverheadBytes + length),
    configurations,
    commitHint: index(found.commitHint),
    extent: log.extent,
    tornBytes,
    rot,
  };
}
