// What a restore knows of a state before its first record.

export type StateHeader = {
  readonly appliedIndex: number;
  readonly revision: number;
  readonly compactRevision: number;
  readonly lastProposedAtMs: number;
  readonly stateHash: bigint;
};

/** Of a state to which nothing was ever done. */
export const emptyHeader: StateHeader = {
  appliedIndex: 0,
  revision: 1,
  compactRevision: 0,
  lastProposedAtMs: 0,
  stateHash: 0n,
};
