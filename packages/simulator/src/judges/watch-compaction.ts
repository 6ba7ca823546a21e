// History that is gone is told, with the revision to start from, and only where it is asked for
// (safety.md 22). That nothing is skipped instead is watch-completeness.ts's claim.
import type { EventHistory } from './event-history.ts';
import { Violation } from './violation.ts';
import type { WatchConnection, WatchRecord } from './watch-record.ts';

export function judgeWatchCompaction(record: WatchRecord, history: EventHistory): void {
  for (const connection of record.connections) {
    const { compactRevision } = connection;
    if (compactRevision === undefined) continue;
    const wanted = wantedBy(connection);
    if (wanted < compactRevision && compactRevision <= history.last) continue;
    const detail = `wanted ${wanted}, and was told that all before ${compactRevision} is gone`;
    throw new Violation('watch-compaction', `watcher ${record.name} ${detail}`);
  }
}

/** The lowest revision that the connection may still have had to give. */
const wantedBy = ({ from, items }: WatchConnection): number =>
  items.reduce((lowest, { revision }) => Math.max(lowest, revision + 1), from);
