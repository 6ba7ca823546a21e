// A watcher misses nothing: on each connection, from the revision that it asked for to the last
// that it heard of, every revision with an event in its range is given; also across a change of
// members (resumption). In the end nothing is owed (safety.md 22).
import type { EventHistory } from './event-history.ts';
import { Violation } from './violation.ts';
import type { WatchConnection, WatchRecord } from './watch-record.ts';

/** `isOver`: everything that happened must have arrived. */
export function judgeWatchCompleteness(
  record: WatchRecord,
  history: EventHistory,
  isOver: boolean,
): void {
  for (const [at, connection] of record.connections.entries()) {
    const isLast = at === record.connections.length - 1;
    const through = isLast && isOver ? history.last : lastOf(connection);
    const missed = firstMissed(record, history, { connection, through });
    if (missed === undefined) continue;
    const isFirstItem = (connection.items[0]?.revision ?? missed) >= missed;
    const judge = at > 0 && isFirstItem ? 'watch-resumption' : 'watch-completeness';
    const detail = `asked from ${connection.from} on, and missed revision ${missed}`;
    throw new Violation(judge, `watcher ${record.name} ${detail}`);
  }
}

const lastOf = ({ from, items }: WatchConnection): number =>
  items.reduce((last, { revision }) => Math.max(last, revision), from - 1);

function firstMissed(
  record: WatchRecord,
  history: EventHistory,
  { connection, through }: { readonly connection: WatchConnection; readonly through: number },
): number | undefined {
  const { items, from } = connection;
  const given = new Set(items.filter(({ type }) => type === 'events').map((one) => one.revision));
  for (let revision = from; revision <= through; revision += 1) {
    if (!given.has(revision) && record.textsAt(history, revision).length > 0) return revision;
  }
  return undefined;
}
