// The SDK's quota calls, as types. A scope is `kv`, `configs`, or `configs/NAMESPACE`.
import type { CallOptions, ReadOptions } from './config-api.ts';

export type QuotaView = {
  readonly scope: string;
  /** Of what lives there. */
  readonly bytes: number;
  /** Null: no quota. */
  readonly bytesMax: number | null;
};

export interface QuotaApi {
  list(options?: ReadOptions): Promise<readonly QuotaView[]>;
  /** Writes that would grow the scope beyond it are `quota-exceeded`; deletes always go. */
  set(scope: string, bytesMax: number, options?: CallOptions): Promise<void>;
  /** Lifts it; one that is not there is fine. */
  remove(scope: string, options?: CallOptions): Promise<void>;
}
