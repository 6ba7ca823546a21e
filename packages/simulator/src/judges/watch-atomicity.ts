// A watcher is given all events of a revision in its range at once: no transaction in parts, and
// nothing that did not happen (safety.md 22).
import type { EventHistory } from './event-history.ts';
import { Violation } from './violation.ts';
import type { WatchRecord } from './watch-record.ts';

export function judgeWatchAtomicity(record: WatchRecord, history: EventHistory): void {
  for (const item of record.connections.flatMap(({ items }) => items)) {
    if (item.type !== 'events') continue;
    const happened = record.textsAt(history, item.revision).join('\n');
    const given = item.events.join('\n');
    if (given === happened) continue;
    const detail = `was given of revision ${item.revision}: ${given}; it is: ${happened || 'none'}`;
    throw new Violation('watch-atomicity', `watcher ${record.name} ${detail}`);
  }
}
