// What the log answers at open. The same shape as the port of the replica, which this package does
// not import: where the two meet, the compiler compares them.
import type { Index, Term } from '@holdfast/base/ids';
import type { PlacedConfiguration } from '@holdfast/raft/configuration';
import type { LogId } from '@holdfast/raft/entry';
import type { RepairGoal } from '@holdfast/raft/ready';
import type { Disk } from './disk.ts';
import type { SegmentMakerOptions } from './segment-maker.ts';

/** Damage at or before the durable end (safety.md 3). */
export type LogRot = {
  /** The first index that is missing; the log ends before it. */
  readonly from: Index;
  readonly reason: string;
  /**
   * What to fetch, from any peer, and in which chain it must end (safety.md 2, 5). Undefined where
   * the files cannot tell the durable end for certain: then only a leader can name one.
   */
  readonly goal: RepairGoal | undefined;
};

export type LogRecovery = {
  readonly purged: LogId;
  readonly last: LogId;
  readonly termRuns: readonly { readonly from: Index; readonly term: Term }[];
  readonly sizes: readonly number[];
  readonly configurations: readonly PlacedConfiguration[];
  readonly commitHint: Index;
  /** `purged` and `last` with their chains. */
  readonly extent: RepairGoal;
  readonly tornBytes: number;
  /**
   * Told by every open() until the first sync() after it: the caller saves `repairing` before that.
   */
  readonly rot: LogRot | undefined;
};

/** For whoever waits for an open(), which may read gigabytes. */
export type OpenWatch = {
  /** Breaks the open off with its reason; what was done so far harms nobody. */
  readonly signal?: AbortSignal | undefined;
  /** Told of each step, in bytes of the files. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined;
  /** Whose log it is has lived before: where none is left, that is rot from the first entry on. */
  readonly mustExist?: boolean | undefined;
};

export type LogMarks = {
  readonly purged: LogId;
  readonly accepted: LogId;
  readonly persisted: LogId;
};

/** Whether `id` lies within what was asked to be synced: neither beyond it nor of a newer term. */
export const isWithin = (id: LogId, goal: LogId): boolean =>
  id.index <= goal.index && id.term <= goal.term;

export type SegmentedLogOptions = {
  readonly disk: Disk;
  /** Made if it is not there. Default `log`. */
  readonly directory?: string;
  /** Default 64 MB; an entry that needs more gets a longer segment of its own. */
  readonly segmentBytes?: number;
  /** Default 1 MB (speed.md 2). */
  readonly groupBytesMax?: number;
  /** Default 32 MB of the newest entries. */
  readonly cacheBytesMax?: number;
  readonly groupId?: number;
  readonly reserve?: SegmentMakerOptions['reserve'];
};
