// A watcher is given revisions in order, each once, over all of its connections (safety.md 22).
import { Violation } from './violation.ts';
import type { WatchRecord } from './watch-record.ts';

export function judgeWatchOrder({ name, connections }: WatchRecord): void {
  let last = 0;
  for (const { from, items } of connections) {
    for (const { type, revision } of items) {
      if (type !== 'events') continue;
      if (revision <= last) fail(name, `got ${revision} after ${last}`);
      if (revision < from) fail(name, `got ${revision}, and had asked from ${from} on`);
      last = revision;
    }
  }
}

function fail(name: string, detail: string): never {
  throw new Violation('watch-order', `watcher ${name} ${detail}`);
}
