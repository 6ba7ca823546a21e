// The SDK as one type, so that its users can be tested with a twin.
import type { ClusterApi } from './cluster-api.ts';
import type { ConfigApi } from './config-api.ts';
import type { KvApi } from './kv-api.ts';

export interface ClientApi {
  readonly configs: ConfigApi;
  readonly kv: KvApi;
  readonly cluster: ClusterApi;
  /** Ends all calls and watches. Closing twice does nothing more. */
  close(): Promise<void>;
}
