// Every number of a live member that is not the core's, with defaults and their sources.

export type ReplicaSettings = {
  /** How long a call waits for a leader during an ordinary election (safety.md 23). */
  readonly leaderWaitMs: number;
  /**
   * Silence after which a voter does not count as reachable: two election timeouts (safety.md 23).
   */
  readonly reachableMs: number;
  /** A forwarded proposal without an answer for this long has an unknown outcome. */
  readonly forwardTimeoutMs: number;
  /** The same, where a connection with the leader was lost meanwhile. */
  readonly answerGraceMs: number;
  /** Proposals under way from this member, its own and those forwarded to it. */
  readonly proposalsMax: number;
  readonly proposalBytesMax: number;
  /** Calls that wait for a leader at the same time. */
  readonly callsWaitingMax: number;
  /** One batch of entries to apply (D-11). */
  readonly applyCountMax: number;
  readonly applyBytesMax: number;
  /**
   * A snapshot is due after this many bytes of log, or a quarter of the last one's size (safety.md
   * 8).
   */
  readonly snapshotLogBytesMin: number;
  readonly snapshotEntriesMax: number;
  /** Between two of them, and after a start (safety.md 8). */
  readonly snapshotIntervalMinMs: number;
  /** A clean stop leaves no more than this many entries behind the snapshot. */
  readonly snapshotAtStopEntries: number;
  readonly snapshotsKept: number;
  /** How fast own snapshots are written, and how fast all peers together are sent theirs. */
  readonly snapshotWriteBytesPerSecond: number;
  readonly snapshotSendBytesPerSecond: number;
  /** A snapshot that a peer has begun with is kept so long after its last try has ended. */
  readonly snapshotHoldMs: number;
  /** After a snapshot that could not be written, or that a peer refused; doubles for own ones. */
  readonly snapshotRetryMs: number;
  /** How long a full disk is left alone before the next try. */
  readonly diskRetryMs: number;
};

export const defaultReplicaSettings: ReplicaSettings = {
  leaderWaitMs: 900,
  reachableMs: 1200,
  forwardTimeoutMs: 5000,
  answerGraceMs: 1000,
  proposalsMax: 20_000,
  proposalBytesMax: 128 * 1024 * 1024,
  callsWaitingMax: 20_000,
  applyCountMax: 1024,
  applyBytesMax: 16 * 1024 * 1024,
  snapshotLogBytesMin: 64 * 1024 * 1024,
  snapshotEntriesMax: 250_000,
  snapshotIntervalMinMs: 30_000,
  snapshotAtStopEntries: 100_000,
  snapshotsKept: 2,
  snapshotWriteBytesPerSecond: 200_000_000,
  snapshotSendBytesPerSecond: 200_000_000,
  snapshotHoldMs: 60_000,
  snapshotRetryMs: 1000,
  diskRetryMs: 1000,
};
