// What is judged when a run is over and all members are equal: everything that one member holds and
// tells, against everything that clients were told.
import { toText } from '@holdfast/base/bytes';
import { revision } from '@holdfast/base/ids';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { WatchEvent } from '@holdfast/engine/engine';
import type { ClientRecord } from './client-record.ts';
import type { StoredKey } from './judges/acknowledged-writes.ts';
import type { EventLog, Watchers } from './watchers.ts';
import { keyspace } from './workload.ts';

export type FinalJudgesOptions = {
  readonly record: ClientRecord;
  readonly watchers: Watchers;
  /** Lets simulated time pass. */
  readonly runFor: (ms: number) => Promise<void>;
  readonly onFailure: (error: unknown) => void;
};

/** Throws a Violation. */
export async function judgeEnd(engine: EmbeddedEngine, options: FinalJudgesOptions): Promise<void> {
  const { record, watchers } = options;
  const at = engine.store.revision;
  record.writes.judge(storedKeys(engine), at);
  const { events, firstRevision } = await eventsOf(engine, at, options);
  record.writes.judgeEvents((revisionOf) => textsAt(events, revisionOf), firstRevision);
  watchers.judge(events, { first: firstRevision, last: at });
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

/** Everything that happened since the compacted history, as one member tells it in the end. */
async function eventsOf(
  engine: EmbeddedEngine,
  lastRevision: number,
  { runFor, onFailure }: FinalJudgesOptions,
): Promise<{ readonly events: EventLog; readonly firstRevision: number }> {
  const events = new Map<number, readonly WatchEvent[]>();
  const firstRevision = engine.store.compactRevision + 1;
  const stream = await engine.watch(
    {
      keyspace,
      key: new Uint8Array(0),
      rangeEnd: new Uint8Array([0]),
      startRevision: revision(firstRevision),
      progressMs: 50,
    },
    { actor: 'judge' },
  );
  const collect = async (): Promise<void> => {
    for await (const item of stream) {
      if (item.type === 'events') events.set(item.revision, item.events);
      if (item.revision >= lastRevision) return;
    }
  };
  collect().catch(onFailure);
  await runFor(1000);
  stream.close();
  return { events, firstRevision };
}

const textsAt = (events: EventLog, at: number): readonly string[] =>
  (events.get(at) ?? []).map(({ type, kv }) =>
    type === 'put' ? `${toText(kv.key)}=${toText(kv.value)}` : `${toText(kv.key)} deleted`,
  );
