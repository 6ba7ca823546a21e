// One hash over all records of all keyspaces up to a revision, so that members can be compared
// without a check in the log: those that have compacted the same say the same, whatever they have
// reclaimed, loaded or written since. The records are walked in short slices while writes go on.
import type { YieldNow } from './image-format.ts';
import { doubleAt, type FrozenSlab, isKept, type RecordSlab, recordBodyAt } from './record-slab.ts';
import { StateHash } from './state-hash.ts';
import type { StoreState } from './store-state.ts';

export type RevisionHash = {
  /** 32 bits. */
  readonly hash: number;
  readonly revision: number;
  /** What was forgotten when the walk began: others are compared only where this is the same. */
  readonly compactRevision: number;
};

const recordsPerSliceMax = 4096;
/** Half a millisecond of hashing, about. */
const bytesPerSliceMax = 1024 * 1024;

/** Of a state of which nothing is reclaimed meanwhile, and that has the revision. */
export async function hashRevision(
  state: StoreState,
  revision: number,
  yieldNow: YieldNow,
): Promise<RevisionHash> {
  const { compactRevision } = state;
  const hash = new StateHash();
  for (const { slab, used } of state.heap.freeze()) {
    for (let at = 0; at < used; ) {
      const end = mixSlice(hash, { slab, used }, { from: at, revision, compactRevision });
      if (end === undefined) return { hash: folded(hash), revision, compactRevision };
      at = end;
      await yieldNow();
    }
  }
  return { hash: folded(hash), revision, compactRevision };
}

type Slice = {
  readonly from: number;
  readonly revision: number;
  readonly compactRevision: number;
};

/** Where the next slice begins; undefined: all that follows is of later revisions. */
function mixSlice(
  hash: StateHash,
  { slab, used }: FrozenSlab,
  { from, revision, compactRevision }: Slice,
): number | undefined {
  const end = Math.min(used, from + bytesPerSliceMax);
  let at = from;
  for (let seen = 0; seen < recordsPerSliceMax && at < end; seen += 1) {
    if (modRevisionAt(slab, at) > revision) return undefined;
    const size = slab.sizeAt(at);
    if (isKept(slab, at, compactRevision)) {
      hash.mixWords(slab.words, (at + recordBodyAt) >>> 2, (at + size) >>> 2);
    }
    at += size;
  }
  return at;
}

const modRevisionAt = (slab: RecordSlab, at: number): number =>
  slab.doubles[(at >>> 3) + doubleAt.modRevision] as number;

const folded = ({ value }: StateHash): number => Number((value ^ (value >> 32n)) & 0xffff_ffffn);
