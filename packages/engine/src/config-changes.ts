// What watchers of configurations are told of a transaction, made once for all that want the same
// of it: its records decoded and filtered, with their contents where these are wanted. It keeps
// nothing longer than the store keeps the transaction's events for those that read them.
import { type ConfigEvent, decodeConfigEvent } from '@holdfast/domain/config-event';
import type { ConfigFilter } from '@holdfast/domain/config-key';
import type { ConfigReader } from './config-reader.ts';
import type { WatchEvent } from './engine.ts';

export type ConfigWatchEvent = ConfigEvent & {
  /**
   * Where the request asked for contents: that of a publication, unless so many changes have
   * followed that no kept version needs it any more; a later event brings a newer one then.
   */
  readonly content: Uint8Array | undefined;
};

export type WantedChanges = {
  readonly filter: ConfigFilter;
  readonly content: boolean;
};

type Told = Promise<readonly ConfigWatchEvent[]>;

/** Contents are read of this member's own state, as part of a watch that was let in. */
/** The watch itself is judged; what it looks up for its reader is not judged again. */
const readOptions = { actor: 'watch', subject: 'own' } as const;

export class ConfigChanges {
  readonly #reader: ConfigReader;
  readonly #told = new WeakMap<readonly WatchEvent[], Map<string, Told>>();

  constructor(reader: ConfigReader) {
    this.#reader = reader;
  }

  /** Equal wishes about the same events get the same array. */
  of(events: readonly WatchEvent[], wanted: WantedChanges): Told {
    const byWish = this.#told.get(events) ?? new Map<string, Told>();
    this.#told.set(events, byWish);
    const wish = JSON.stringify([wanted.filter, wanted.content]);
    const told = byWish.get(wish) ?? this.#decode(events, wanted);
    byWish.set(wish, told);
    // A read that failed (this member stops) is no answer for whoever asks next.
    told.catch(() => byWish.delete(wish));
    return told;
  }

  async #decode(
    events: readonly WatchEvent[],
    { filter, content }: WantedChanges,
  ): Promise<readonly ConfigWatchEvent[]> {
    const changes: ConfigWatchEvent[] = [];
    for (const event of events) {
      const decoded = decodeConfigEvent(event, filter);
      if (!decoded) continue;
      changes.push({ ...decoded, content: content ? await this.#contentOf(decoded) : undefined });
    }
    return changes;
  }

  async #contentOf({ change, revision }: ConfigEvent): Promise<Uint8Array | undefined> {
    if (change.contentHash === undefined) return undefined;
    return await this.#reader.contentOf(change.contentHash, readOptions, revision);
  }
}
