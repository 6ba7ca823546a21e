// The SDK's questions about the cluster itself, as types: what one member knows, as it says it.
import type { CallOptions } from './config-api.ts';

export type ClusterMember = {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly peerAddresses: readonly string[];
  readonly clientAddresses: readonly string[];
  readonly reachable: boolean;
  /** Entries that it lacks; only the leader knows. */
  readonly lag: number | null;
  readonly lastContactMs: number | null;
};

export type ClusterView = {
  readonly clusterId: string;
  readonly memberId: string;
  readonly name: string;
  readonly version: string;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly ready: boolean;
  readonly notReadyReason: string | null;
  readonly revision: number;
  readonly compactRevision: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  readonly ageMs: number | null;
  readonly keys: number;
  readonly bytes: number;
  readonly stateHash: string;
  readonly missingVoters: readonly string[];
  readonly members: readonly ClusterMember[];
};

export interface ClusterApi {
  /** As the first endpoint that answers sees it. */
  view(options?: CallOptions): Promise<ClusterView>;
  /** Whether some endpoint serves; rejects where none can be reached. */
  isReady(options?: CallOptions): Promise<boolean>;
}
