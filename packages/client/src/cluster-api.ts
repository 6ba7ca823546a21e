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

export type RecoveryPhaseView = {
  readonly name: string;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly durationMs: number | null;
  /** 0 to 1, while running, where it can be known. */
  readonly progress: number | null;
  readonly etaMs: number | null;
  readonly amount: {
    readonly unit: string;
    readonly done: number;
    readonly total: number;
  } | null;
  readonly detail: string;
};

/** How far a member's start is, what it found, and what it gets from others. */
export type RecoveryView = {
  readonly stage: string;
  readonly ready: boolean;
  readonly initialised: boolean;
  readonly reason: string | null;
  readonly phases: readonly RecoveryPhaseView[];
  readonly findings: {
    readonly statusCopiesBad: number;
    readonly tornBytes: number;
    readonly damaged: { readonly from: number; readonly reason: string } | null;
  } | null;
  readonly install: {
    readonly from: string;
    readonly step: string;
    readonly doneBytes: number;
    readonly totalBytes: number;
  } | null;
  readonly repair: {
    readonly from: number;
    readonly through: number;
    readonly fetched: number;
    readonly peer: string | null;
    readonly waitsFor: string;
  } | null;
};

export type DiagnosisFinding = {
  readonly case: string;
  readonly severity: string;
  /** By name. */
  readonly members: readonly string[];
  /** What it is, what it means, what to do. */
  readonly says: string;
};

/** What one member has found out about the cluster by asking all others. */
export type Diagnosis = {
  /** The name of the member that has asked. */
  readonly by: string;
  /** Nothing critical, and nothing to be warned of. */
  readonly well: boolean;
  readonly findings: readonly DiagnosisFinding[];
  readonly members: readonly {
    readonly id: string;
    readonly name: string;
    readonly voter: boolean;
    readonly answered: boolean;
    readonly reason: string | null;
  }[];
};

export interface ClusterApi {
  /** As the first endpoint that answers sees it. */
  view(options?: CallOptions): Promise<ClusterView>;
  /** Of the first endpoint that answers, which it does while it starts as well. */
  recovery(options?: CallOptions): Promise<RecoveryView>;
  /** As the first endpoint that answers finds it; that one asks all others. */
  diagnosis(options?: CallOptions): Promise<Diagnosis>;
  /** Whether some endpoint serves; rejects where none can be reached. */
  isReady(options?: CallOptions): Promise<boolean>;
}
