// The SDK's call for a backup of the whole cluster, as types.
import type { ReadConsistency } from './config-api.ts';

export type BackupOptions = {
  /** Default: linearizable, so all that was acknowledged before is in it. */
  readonly consistency?: Extract<ReadConsistency, 'linearizable' | 'stale'> | undefined;
  /** Until the backup begins; how long it takes then is its reader's matter. */
  readonly timeoutMs?: number | undefined;
  /** Ends it, at any moment. */
  readonly signal?: AbortSignal | undefined;
};

export type BackupStream = {
  /** Who sends it. */
  readonly endpoint: string;
  readonly revision: number | undefined;
  /** About as many as will come; undefined: not known. */
  readonly storeBytes: number | undefined;
  /** The bytes of the file; to be read to their end, or left early. Each piece is the reader's. */
  readonly pieces: AsyncIterable<Uint8Array>;
};

export interface BackupApi {
  /**
   * A stream of the backup file from one member. It is whole only if its checksums say so, as
   * `holdfast backup` looks: a stream that breaks ends with `unavailable`, or too early.
   */
  open(options?: BackupOptions): Promise<BackupStream>;
}
