// The SDK's key-value calls, as types. Keys are text here; a key whose bytes are no UTF-8 shows in
// lists and watches by `keyBytes`, and is reached by transactions.
import type { CallOptions, ReadOptions } from './config-api.ts';

export type KvItem = {
  /** As text; bytes that are no UTF-8 became replacement characters. */
  readonly key: string;
  readonly keyBytes: Uint8Array;
  /** Empty where only keys were asked for. */
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  /** The lease that it hangs on; undefined: none. */
  readonly lease: string | undefined;
};

export type KvValue = {
  readonly value: Uint8Array;
  readonly createRevision: number;
  readonly modRevision: number;
  readonly version: number;
  readonly lease: string | undefined;
  /** The store's, at which the answer was read. */
  readonly revision: number;
  /** Upper bound of the answer's age; undefined: not known. */
  readonly ageMs: number | undefined;
};

export type KvWriteOptions = CallOptions & {
  /** Only if the key stands at this revision; zero: only if it is not there. */
  readonly ifRevision?: number | undefined;
  /** The caller bears it when a write takes effect twice: an unknown outcome is tried again. */
  readonly mayRepeat?: boolean | undefined;
};

export type KvPutOptions = KvWriteOptions & {
  /** The id of a lease: the key vanishes with it. */
  readonly lease?: string | undefined;
};

export type KvListOptions = ReadOptions & {
  readonly prefix?: string | undefined;
  readonly keysOnly?: boolean | undefined;
};

export type KvPage = {
  readonly items: readonly KvItem[];
  readonly revision: number;
  /** Where the next page begins; undefined: this was the last. */
  readonly next: string | undefined;
};

export type KvChange = {
  readonly revision: number;
  /** All of one transaction. */
  readonly events: readonly { readonly type: 'put' | 'delete'; readonly item: KvItem }[];
};

export type KvWatchOptions = {
  /** One key, or all that begin with `prefix`. */
  readonly key?: string | undefined;
  readonly prefix?: string | undefined;
  readonly fromRevision?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

export interface KvApi {
  put(
    key: string,
    value: Uint8Array,
    options?: KvPutOptions,
  ): Promise<{ readonly revision: number }>;
  /** Undefined: not there. `revision` reads the past. */
  get(
    key: string,
    options?: ReadOptions & { readonly revision?: number | undefined },
  ): Promise<KvValue | undefined>;
  list(
    options?: KvListOptions & {
      readonly limit?: number | undefined;
      readonly cursor?: string | undefined;
    },
  ): Promise<KvPage>;
  /** All pages, at the revision of the first. */
  listAll(options?: KvListOptions): AsyncGenerator<KvItem, void, void>;
  delete(
    key: string,
    options?: KvWriteOptions,
  ): Promise<{ readonly revision: number; readonly deleted: number }>;
  /** The transaction and its answer in the JSON of `POST /v1/txn`. */
  txn(request: unknown, options?: KvWriteOptions): Promise<unknown>;
  watch(options: KvWatchOptions): AsyncGenerator<KvChange, void, void>;
}
