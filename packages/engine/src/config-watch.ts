// A watch on configurations: the engine's stream of version records, decoded and filtered. It keeps
// nothing: whoever reads slowly makes the stream wait, and history stays in the store.
import { emptyBytes } from '@holdfast/base/bytes';
import type { Revision } from '@holdfast/base/ids';
import { type ConfigFilter, configFilter, filterRange } from '@holdfast/domain/config-key';
import type { ConfigChanges, ConfigWatchEvent, WantedChanges } from './config-changes.ts';
import type { Engine, ReadOptions, WatchItem, WatchStream } from './engine.ts';

export type ConfigWatchRequest = {
  readonly filter: ConfigFilter;
  /** The first revision wanted; undefined = the one after the current. */
  readonly startRevision?: Revision | undefined;
  /** Whether events bring the content with them. */
  readonly content?: boolean | undefined;
  readonly progressMs?: number | undefined;
};

export type ConfigWatchItem =
  | {
      readonly type: 'events';
      readonly revision: Revision;
      readonly events: readonly ConfigWatchEvent[];
    }
  /** Nothing below `revision` is owed. */
  | { readonly type: 'progress'; readonly revision: Revision };

type ConfigWatchOptions = {
  readonly stream: WatchStream;
  readonly changes: ConfigChanges;
  readonly wanted: WantedChanges;
};

/** After so many transactions that the filter kept away, the watcher is told how far it is. */
const foreignMax = 256;

export class ConfigWatch implements AsyncIterable<ConfigWatchItem> {
  readonly startedAt: Revision;
  readonly #options: ConfigWatchOptions;
  #foreign = 0;

  private constructor(options: ConfigWatchOptions) {
    this.#options = options;
    this.startedAt = options.stream.startedAt;
  }

  static async open(
    { engine, changes }: { readonly engine: Engine; readonly changes: ConfigChanges },
    request: ConfigWatchRequest,
    options: Omit<ReadOptions, 'consistency'>,
  ): Promise<ConfigWatch> {
    const filter = configFilter(request.filter);
    const range = filterRange('v', filter);
    const stream = await engine.watch(
      {
        keyspace: range.keyspace,
        key: range.key,
        rangeEnd: range.rangeEnd ?? emptyBytes,
        ...(request.startRevision === undefined ? {} : { startRevision: request.startRevision }),
        ...(request.progressMs === undefined ? {} : { progressMs: request.progressMs }),
      },
      options,
    );
    const wanted = { filter, content: request.content ?? false };
    return new ConfigWatch({ stream, changes, wanted });
  }

  close(): void {
    this.#options.stream.close();
  }

  /** Throws `compacted` when it was read so slowly that its history is gone. */
  async *[Symbol.asyncIterator](): AsyncGenerator<ConfigWatchItem> {
    try {
      for await (const item of this.#options.stream) {
        const decoded = await this.#decode(item);
        if (decoded) yield decoded;
      }
    } finally {
      this.close();
    }
  }

  async #decode(item: WatchItem): Promise<ConfigWatchItem | undefined> {
    if (item.type === 'progress') return item;
    const { revision } = item;
    const { changes, wanted } = this.#options;
    const events = await changes.of(item.events, wanted);
    if (events.length > 0) {
      this.#foreign = 0;
      return { type: 'events', revision, events };
    }
    // A busy neighbourhood must not leave the watcher behind compaction, nor fill its connection.
    this.#foreign = (this.#foreign + 1) % foreignMax;
    return this.#foreign === 0 ? { type: 'progress', revision } : undefined;
  }
}
