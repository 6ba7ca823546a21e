// What a watcher of configurations is told. Every change writes exactly one version record, so a
// watch stands on the records: their puts are the changes, their deletes are only pruning.
import type { Revision } from '@holdfast/base/ids';
import type { KeyValue } from '@holdfast/proto/internal';
import { type ConfigFilter, type ConfigKey, matchesFilter, parseConfigKey } from './config-key.ts';
import { type ConfigVersion, decodeVersion } from './config-record.ts';

export type ConfigEvent = {
  /** A rollback publishes; `change.kind` tells them apart. */
  readonly type: 'publish' | 'delete';
  readonly key: ConfigKey;
  readonly change: ConfigVersion;
  readonly revision: Revision;
};

/** The event that a store's event in the range of versions means; undefined = none, or filtered. */
export function decodeConfigEvent(
  event: { readonly type: 'put' | 'delete'; readonly kv: KeyValue },
  filter: ConfigFilter,
): ConfigEvent | undefined {
  if (event.type === 'delete') return undefined;
  const { key } = parseConfigKey(event.kv.key);
  if (!matchesFilter(filter, key)) return undefined;
  const { revision, ...change } = decodeVersion(event.kv);
  return { type: change.kind === 'delete' ? 'delete' : 'publish', key, change, revision };
}
