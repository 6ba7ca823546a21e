// What the embedded engine is put together from.
import type { Clock } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';
import type { CompactionSettings } from '@holdfast/mvcc/compaction-policy';
import type { KvStoreOptions } from '@holdfast/mvcc/kv-store';
import type { Configuration } from '@holdfast/raft/configuration';
import type { Input } from '@holdfast/raft/input';
import type { RaftSettings } from '@holdfast/raft/settings';
import type {
  CoreRecorder,
  LogStore,
  MemberIdentity,
  PeerTransport,
  SnapshotStore,
  SpaceReserve,
  StatusStore,
} from '@holdfast/replica/ports';
import type { ReplicaEvent } from '@holdfast/replica/replica-options';
import type { ReplicaSettings } from '@holdfast/replica/settings';
import type { BackupSettings } from './backups.ts';
import type { ScrubbedFiles } from './directory-scrub.ts';
import type {
  IntegrityEvent,
  IntegritySettings,
  ScrubSettings,
  TrustStore,
} from './integrity-status.ts';
import type { LessorSettings } from './lessor.ts';
import type { KnownMember } from './membership.ts';

export type EmbeddedEngineOptions = {
  readonly identity: MemberIdentity;
  readonly name: string;
  readonly version: string;
  readonly peerAddresses: readonly string[];
  readonly clientAddresses: readonly string[];
  readonly initialMembers: readonly KnownMember[];
  readonly bootstrap: Configuration;
  readonly clock: Clock;
  readonly random: Random;
  /** Runs the action after the events at hand (setImmediate). */
  readonly nextTurn: (action: () => void) => void;
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly snapshots: SnapshotStore;
  readonly reserve?: SpaceReserve | undefined;
  readonly quarantine: TrustStore;
  /** Absent: nothing is read again at rest. */
  readonly scrubbed?: ScrubbedFiles;
  readonly transport: PeerTransport;
  readonly raftSettings?: Partial<RaftSettings>;
  readonly replicaSettings?: Partial<ReplicaSettings>;
  readonly compactionSettings?: Partial<CompactionSettings>;
  readonly lessorSettings?: Partial<LessorSettings>;
  readonly backupSettings?: Partial<BackupSettings>;
  readonly integritySettings?: Partial<IntegritySettings>;
  readonly scrubSettings?: Partial<ScrubSettings>;
  /** Bytes of uncompacted data above which puts are refused before they are proposed. */
  readonly quotaBytes?: number;
  readonly onFatal: (error: unknown) => void;
  /**
   * Members have come, gone or moved: where they are, and who may be whom, must be judged again
   * (safety.md 15).
   */
  readonly onMembers?: () => void;
  readonly onEvent?: (event: ReplicaEvent) => void;
  readonly onIntegrity?: (event: IntegrityEvent) => void;
  readonly onInput?: (nowMs: number, input: Input) => void;
  readonly recorder?: CoreRecorder | undefined;
  /** Goes around each load of a state. */
  readonly whileLoading?: KvStoreOptions['whileLoading'];
};
