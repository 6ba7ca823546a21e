// The bytes of a repair goal, the same in the status file and in the note about rot: what a member
// lost of its log, and in which chain the entries that it fetches must end (safety.md 5).
import { index, term } from '@holdfast/base/ids';
import type { ChainedId } from '@holdfast/raft/entry';
import type { RepairGoal } from '@holdfast/raft/ready';
import { getCounter, putCounter } from './byte-codec.ts';

//  0 last good entry   24 durable end; each: 0 u64 index   8 u64 term   16 u64 chain
const chainedBytes = 24;
export const goalBytes = 2 * chainedBytes;

export function putGoal(view: DataView, at: number, goal: RepairGoal): void {
  putChained(view, at, goal.after);
  putChained(view, at + chainedBytes, goal.end);
}

export const getGoal = (view: DataView, at: number): RepairGoal => ({
  after: getChained(view, at),
  end: getChained(view, at + chainedBytes),
});

function putChained(view: DataView, at: number, { id, chain }: ChainedId): void {
  putCounter(view, at, id.index);
  putCounter(view, at + 8, id.term);
  putCounter(view, at + 16, chain);
}

const getChained = (view: DataView, at: number): ChainedId => ({
  id: { index: index(getCounter(view, at)), term: term(getCounter(view, at + 8)) },
  chain: getCounter(view, at + 16),
});
