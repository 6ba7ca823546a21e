// What a member knows of itself at one moment: for status pages, metrics and the simulator.
import type { Index } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { DiskState } from '@holdfast/raft/message';
import type { RaftStatus } from '@holdfast/raft/raft';
import type { ContactStatus } from './leader-gate.ts';
import type { RepairProgress } from './log-repair.ts';
import type { RecoveryFindings } from './recovery.ts';
import type { Phase } from './recovery-phases.ts';
import type { InstallProgress } from './snapshot-installer.ts';
import type { SnapshotStatus } from './snapshotter.ts';

export type ReplicaStatus = ContactStatus & {
  readonly raft: RaftStatus | undefined;
  /** What the state machine holds; undefined while it recovers. */
  readonly applied: LogId | undefined;
  /** Everything that was known to be committed before the start is applied (D-12). */
  readonly isInitialised: boolean;
  /** Serving since the first read barrier, which an entry of the current term made possible. */
  readonly isReady: boolean;
  /** What the recovery found; undefined before it has ended. */
  readonly findings: RecoveryFindings | undefined;
  readonly phases: readonly Phase[];
  readonly ageMs: number | undefined;
  readonly snapshotIndex: Index;
  /** Own snapshots; undefined while it recovers. */
  readonly snapshot: SnapshotStatus | undefined;
  /** A snapshot that is being received or installed. */
  readonly install: InstallProgress | undefined;
  /** The log's lost range on its way from a peer. */
  readonly repair: RepairProgress | undefined;
  /** Whether it can write what it is sent (safety.md 9). */
  readonly disk: DiskState;
  readonly syncs: number;
  readonly entriesSynced: number;
  readonly proposalsPending: number;
};
