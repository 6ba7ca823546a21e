// A watch on configurations: the engine's stream of version records, decoded and filtered. It keeps
// nothing: whoever reads slowly makes the stream wait, and history stays in the store.

import { emptyBytes } from '@holdfast/base/bytes';
import type { Revision } from '@holdfast/base/ids';
import { type ConfigEvent, decodeConfigEvent } from '@holdfast/domain/config-event';
import { type ConfigFilter, configFilter, filterRange } from '@holdfast/domain/config-key';
import type { ConfigReader } from './config-reader.ts';
import type { Engine, ReadOptions, WatchItem, WatchStream } from './engine.ts';

export type ConfigWatchRequest = {
  readonly filter: ConfigFilter;
  /** The first revision wanted; undefined = the one after the current. */
  readonly startRevision?: Revision | undefined;
  /** Whether events bring the content with them. */
  readonly content?: boolean | undefined;
  readonly progressMs?: number | undefined;
};

export type ConfigWatchEvent = ConfigEvent & {
  /**
   * Where the request asked for contents: that of a publication, unless so many changes have
   * followed that no kept version needs it any more; a later event brings a newer one then.
   */
  readonly content: Uint8Array | undefined;
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
  readonly reader: ConfigReader;
  readonly filter: ConfigFilter;
  readonly content: boolean;
  readonly options: Omit<ReadOptions, 'consistency'>;
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
    { engine, reader }: { readonly engine: Engine; readonly reader: ConfigReader },
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
    return new ConfigWatch({ stream, reader, filter, content: request.content ?? false, options });
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
    const events: ConfigWatchEvent[] = [];
    for (const event of item.events) {
      const decoded = decodeConfigEvent(event, this.#options.filter);
      if (decoded) events.push({ ...decoded, content: await this.#contentOf(decoded) });
    }
    if (events.length > 0) {
      this.#foreign = 0;
      return { type: 'events', revision, events };
    }
    // A busy neighbourhood must not leave the watcher behind compaction, nor fill its connection.
    this.#foreign = (this.#foreign + 1) % foreignMax;
    return this.#foreign === 0 ? { type: 'progress', revision } : undefined;
  }

  async #contentOf(event: ConfigEvent): Promise<Uint8Array | undefined> {
    const { reader, content, options } = this.#options;
    const { contentHash } = event.change;
    if (!content || contentHash === undefined) return undefined;
    return await reader.contentOf(contentHash, options, event.revision);
  }
}
