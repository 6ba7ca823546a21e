// What is judged when a run is over and all members are equal: everything that one member holds,
// and everything that clients and watchers were told.
import { toText } from '@holdfast/base/bytes';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { ClientRecord } from './client-record.ts';
import type { StoredKey } from './judges/acknowledged-writes.ts';
import { keyspace } from './key-requests.ts';
import type { Watchers } from './watchers.ts';

export type FinalJudgesOptions = {
  readonly record: ClientRecord;
  readonly watchers: Watchers;
};

/** Throws a Violation. */
export function judgeEnd(engine: EmbeddedEngine, options: FinalJudgesOptions): void {
  const { record, watchers } = options;
  record.writes.judge(storedKeys(engine), engine.store.revision);
  watchers.judge(record.events);
  record.judgeHistory();
}

function storedKeys({ store }: EmbeddedEngine): Map<string, StoredKey> {
  const { kvs } = store.range({
    keyspace,
    key: new Uint8Array([0]),
    rangeEnd: new Uint8Array([0]),
    limit: 0,
    revision: 0,
    keysOnly: false,
    countOnly: false,
  });
  return new Map(
    kvs.map(({ key, value, modRevision }) => [toText(key), { value: toText(value), modRevision }]),
  );
}
