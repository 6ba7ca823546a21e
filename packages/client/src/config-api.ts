// The SDK's configuration calls, as types: what the command line and its tests rely on. The calls
// over HTTP are in http-config.ts.

export type ConfigId = {
  readonly namespace: string;
  readonly group: string;
  readonly name: string;
};

export type CallOptions = {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

/** How fresh a read must be; linearizable unless said otherwise. */
export type ReadConsistency = 'linearizable' | 'bounded' | 'stale';

export type ReadOptions = CallOptions & {
  readonly consistency?: ReadConsistency | undefined;
  /** For `bounded`: the oldest answer that will do. */
  readonly maxAgeMs?: number | undefined;
  /** Waits until the answering member has applied that revision: read your writes on any member. */
  readonly minRevision?: number | undefined;
};

export type PublishOptions = CallOptions & {
  /** Default: told by the server from the name. */
  readonly format?: string | undefined;
  readonly comment?: string | undefined;
  /** Only if this is the present version; zero: only if it is not there. Such a call may repeat. */
  readonly ifVersion?: number | undefined;
  /**
   * An unknown outcome is tried again. The same content twice is one version, so this does harm
   * only where somebody else publishes the same name meanwhile.
   */
  readonly mayRepeat?: boolean | undefined;
};

export type PublishResult = {
  /** The store's revision that made this version. */
  readonly revision: number;
  /** Counts the contents of one configuration. */
  readonly version: number;
  /** False: the same content stood there already. */
  readonly changed: boolean;
};

export type ConfigContent = {
  readonly content: Uint8Array;
  readonly format: string;
  readonly version: number;
  /** The store's, at which the answer was read. */
  readonly revision: number;
  /** Upper bound of the answer's age; undefined: not known. */
  readonly ageMs: number | undefined;
};

/** One change of a configuration: who, when, what and why. */
export type ConfigVersion = {
  readonly kind: 'publish' | 'rollback' | 'delete';
  /** Counts the changes of this configuration from 1. */
  readonly version: number;
  /** The store's revision that made this version. */
  readonly revision: number;
  readonly format: string;
  /** SHA-256 of the content in hexadecimal digits; null for a delete. */
  readonly hash: string | null;
  /** Of the content. */
  readonly bytes: number;
  /** RFC 3339; for display, never for order. */
  readonly at: string;
  readonly actor: string;
  readonly comment: string;
  /** What a rollback brought back. */
  readonly restoredVersion?: number;
};

/** A configuration in a list, as its newest version. */
export type ConfigSummary = ConfigId & ConfigVersion;

export type ConfigPage = {
  readonly items: readonly ConfigSummary[];
  /** Where the next page begins; undefined: this was the last. */
  readonly next: string | undefined;
};

export type ListOptions = ReadOptions & {
  readonly namespace: string;
  readonly group: string;
  readonly prefix?: string | undefined;
};

/** One change as a watcher sees it; a rollback publishes. */
export type ConfigChange = ConfigVersion &
  ConfigId & {
    /**
     * Undefined for a delete, where contents were not asked for, and where it is no longer kept.
     */
    readonly content: Uint8Array | undefined;
  };

export type ConfigWatchOptions = {
  readonly namespace: string;
  readonly group: string;
  /** One configuration, or else all whose names begin with `prefix`. */
  readonly name?: string | undefined;
  readonly prefix?: string | undefined;
  /** Whether changes bring their content with them. */
  readonly withContent?: boolean | undefined;
  /** The first revision wanted; undefined: from now on. */
  readonly fromRevision?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

export interface ConfigApi {
  publish(id: ConfigId, content: Uint8Array, options?: PublishOptions): Promise<PublishResult>;
  /** Undefined: not there. */
  get(
    id: ConfigId,
    options?: ReadOptions & { readonly version?: number | undefined },
  ): Promise<ConfigContent | undefined>;
  list(
    options: ListOptions & {
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    },
  ): Promise<ConfigPage>;
  listAll(options: ListOptions): AsyncGenerator<ConfigSummary, void, void>;
  history(id: ConfigId, options?: ReadOptions): Promise<readonly ConfigVersion[]>;
  rollback(
    id: ConfigId,
    version: number,
    options?: CallOptions & { readonly comment?: string | undefined },
  ): Promise<PublishResult>;
  /** False: it was not there. */
  delete(
    id: ConfigId,
    options?: CallOptions & {
      readonly ifVersion?: number | undefined;
      readonly comment?: string | undefined;
    },
  ): Promise<boolean>;
  /**
   * Every change in order, none skipped and none twice, over any number of connections. Throws
   * `compacted` where the history that it needs is gone.
   */
  watch(options: ConfigWatchOptions): AsyncGenerator<ConfigChange, void, void>;
}
