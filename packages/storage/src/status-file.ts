// The status of a member: term, vote, repairing, install (safety.md 4). Whatever this file has
// promised to keep decides whom the member may vote for, so a save is acknowledged after both
// copies.
import { HoldfastError } from '@holdfast/base/errors';
import { index, memberId, term } from '@holdfast/base/ids';
import type { HardState } from '@holdfast/raft/ready';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import type { Disk } from './disk.ts';
import { getGoal, goalBytes, putGoal } from './repair-goal.ts';
import { TwinFile } from './twin-file.ts';

export type StoredStatus = {
  readonly state: HardState;
  /** A snapshot install was in the middle of its switch. */
  readonly installing: boolean;
};

export type StatusRecovery = {
  /** Undefined: a new directory, or both copies are bad. */
  readonly status: StoredStatus | undefined;
  /** Both copies were unreadable: term and vote are unknown, the member must abstain. */
  readonly lost: boolean;
  readonly copiesBad: number;
};

export type StatusFileOptions = { readonly disk: Disk; readonly path?: string };

const magic = 0x54534648; // "HFST"
const version = 1;

export class StatusFile {
  readonly #file: TwinFile;

  constructor(options: StatusFileOptions) {
    const path = options.path ?? 'status';
    this.#file = new TwinFile(options.disk, { path, what: 'status file', magic, version });
  }

  async open(): Promise<StatusRecovery> {
    const { payload, exists, copiesBad } = await this.#file.open();
    const status = payload && decodeStatus(payload);
    return { status, lost: exists && !payload, copiesBad };
  }

  /** Resolves when copy 1 and then copy 2 are written and synced. */
  save(status: StoredStatus): Promise<void> {
    return this.#file.save(encodeStatus(status));
  }

  /** As TwinFile.scrub. */
  scrub(): Promise<boolean> {
    return this.#file.scrub();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

//  0 u64 term   8 u64 vote   16 u64 repair target   24 u8 flags   25 repair goal, if there is one
const statusBytes = 25;
const hasVote = 1;
const isRepairing = 2;
const isInstalling = 4;

function encodeStatus({ state, installing }: StoredStatus): Uint8Array {
  const goal = state.repairing?.goal;
  const bytes = new Uint8Array(statusBytes + (goal ? goalBytes : 0));
  const view = viewOf(bytes);
  putCounter(view, 0, state.term);
  view.setBigUint64(8, state.vote ?? 0n, true);
  putCounter(view, 16, state.repairing?.target ?? 0);
  const vote = state.vote === undefined ? 0 : hasVote;
  const repairing = state.repairing ? isRepairing : 0;
  view.setUint8(24, vote | repairing | (installing ? isInstalling : 0));
  if (goal) putGoal(view, statusBytes, goal);
  return bytes;
}

function decodeStatus(bytes: Uint8Array): StoredStatus {
  const hasGoal = bytes.length === statusBytes + goalBytes;
  if (bytes.length !== statusBytes && !hasGoal) {
    throw new HoldfastError('corrupt', 'the status file has a wrong length');
  }
  const view = viewOf(bytes);
  const flags = view.getUint8(24);
  const target = index(getCounter(view, 16));
  const goal = hasGoal ? { goal: getGoal(view, statusBytes) } : {};
  const repairing = flags & isRepairing ? { target, ...goal } : undefined;
  const vote = flags & hasVote ? memberId(view.getBigUint64(8, true)) : undefined;
  return {
    state: { term: term(getCounter(view, 0)), vote, repairing },
    installing: (flags & isInstalling) !== 0,
  };
}
