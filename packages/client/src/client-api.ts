// The SDK as one type, so that its users can be tested with a twin.
import type { BackupApi } from './backup-api.ts';
import type { ClientSettings, ClientSettingsChange } from './client-settings.ts';
import type { ClusterApi } from './cluster-api.ts';
import type { ConfigApi } from './config-api.ts';
import type { BreakerApi, ConnectionApi } from './connection-api.ts';
import type { EndpointView } from './endpoint-api.ts';
import type { IntegrityApi } from './integrity-api.ts';
import type { KvApi } from './kv-api.ts';
import type { LeaseApi } from './lease-api.ts';
import type { MemberApi } from './member-api.ts';
import type { QuotaApi } from './quota-api.ts';

/**
 * Calls whose writes take effect once, however often they have to be sent: what is refused was not
 * applied, and what is unknown stays so only where the session or the deadline ended first.
 */
export interface ExactlyOnceApi extends AsyncDisposable {
  readonly configs: ConfigApi;
  readonly kv: KvApi;
  /** Writes in flight end first. */
  close(): Promise<void>;
}

export interface ClientApi {
  readonly configs: ConfigApi;
  readonly kv: KvApi;
  readonly leases: LeaseApi;
  readonly quotas: QuotaApi;
  readonly cluster: ClusterApi;
  readonly members: MemberApi;
  readonly backups: BackupApi;
  /** Of one member to its peers, and whom it has set aside. */
  readonly connections: ConnectionApi;
  readonly breakers: BreakerApi;
  /** Of one member: its state beside those of the others, and its files at rest. */
  readonly integrity: IntegrityApi;
  /** As this client sees them now: who is set aside, and why. */
  readonly endpoints: readonly EndpointView[];
  readonly settings: ClientSettings;
  /** Holds from the next call, ping or failure on. Throws `invalid-argument`, changing nothing. */
  changeSettings(change: ClientSettingsChange): void;
  /** Registers nothing before its first write. */
  exactlyOnce(options?: { readonly ttlMs?: number | undefined }): ExactlyOnceApi;
  /** Ends all calls and watches. Closing twice does nothing more. */
  close(): Promise<void>;
}
