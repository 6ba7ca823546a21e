// Which revision to compact to: history is kept by age, by count and by bytes, and the strictest
// limit wins. Pure: the leader asks now and then, and proposes the answer as a command.

export type CompactionSettings = {
  /** Revisions younger than this are kept, unless count or bytes forbid it. */
  readonly historyAgeMs: number;
  readonly historyRevisionsMax: number;
  /** Bytes of versions that are no longer the newest. */
  readonly historyBytesMax: number;
  /** Age alone never takes the newest so many revisions: a quiet store keeps its history. */
  readonly historyRevisionsMin: number;
  /** No proposal that would move the compact revision by less. */
  readonly stepRevisionsMin: number;
};

export const defaultCompactionSettings: CompactionSettings = {
  historyAgeMs: 60 * 60 * 1000,
  historyRevisionsMax: 1_000_000,
  historyBytesMax: 512 * 1024 * 1024,
  historyRevisionsMin: 1000,
  stepRevisionsMin: 100,
};

/** What a store says of its history; KvStore is one. */
export interface CompactionSource {
  readonly revision: number;
  readonly compactRevision: number;
  /** Bytes that a compaction at the current revision would set free. */
  readonly garbageBytes: number;
  /** The newest revision known to be made at or before that wall time of the log, or 0. */
  revisionAt(timeMs: number): number;
  /** The lowest revision whose compaction sets at least so many bytes free. */
  revisionFreeing(bytes: number): number;
}

/**
 * The revision to compact to, or undefined when nothing is due. `nowMs`: the leader's wall clock.
 */
export function proposeCompaction(
  source: CompactionSource,
  settings: CompactionSettings,
  nowMs: number,
): number | undefined {
  const wanted = Math.max(
    byAge(source, settings, nowMs),
    source.revision - settings.historyRevisionsMax,
    byBytes(source, settings),
  );
  const target = Math.min(wanted, source.revision);
  const step = target - source.compactRevision;
  return step > 0 && step >= settings.stepRevisionsMin ? target : undefined;
}

function byAge(source: CompactionSource, settings: CompactionSettings, nowMs: number): number {
  const aged = source.revisionAt(nowMs - settings.historyAgeMs);
  return Math.min(aged, source.revision - settings.historyRevisionsMin);
}

function byBytes(source: CompactionSource, settings: CompactionSettings): number {
  const excess = source.garbageBytes - settings.historyBytesMax;
  return excess > 0 ? source.revisionFreeing(excess) : 0;
}
