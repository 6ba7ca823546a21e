// A progress notice never runs ahead of an event that its watcher has not been given, nor names a
// revision before the one at which the watch begins (safety.md 22).
import type { EventHistory } from './event-history.ts';
import { Violation } from './violation.ts';
import type { WatchConnection, WatchRecord } from './watch-record.ts';

export function judgeWatchProgress(record: WatchRecord, history: EventHistory): void {
  for (const connection of record.connections) judgeConnection(record, history, connection);
}

function judgeConnection(
  record: WatchRecord,
  history: EventHistory,
  { from, items }: WatchConnection,
): void {
  let given = from - 1;
  for (const { type, revision } of items) {
    if (type === 'progress') {
      if (revision < from - 1) fail(record, `was told progress ${revision} before ${from}`);
      for (let at = given + 1; at <= revision; at += 1) {
        if (record.textsAt(history, at).length === 0) continue;
        fail(record, `was told progress ${revision} before the events of ${at}`);
      }
    }
    given = Math.max(given, revision);
  }
}

function fail({ name }: WatchRecord, detail: string): never {
  throw new Violation('watch-progress', `watcher ${name} ${detail}`);
}
