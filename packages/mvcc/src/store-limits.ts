// The limits that apply itself checks. They are part of the replicated behaviour: a member with
// other limits than its peers would answer an entry differently, so a running cluster never changes
// them. What an operator may tune is checked by the engine, before it proposes.
import { keyBytesMax } from '@holdfast/base/key';

export type StoreLimits = {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** Of one level of a transaction: the longest of compare, success and failure. */
  readonly txnOpsMax: number;
  readonly txnDepthMax: number;
  /** What transactions, and deletes that tell what was, may answer: a frame has room for it. */
  readonly answerBytesMax: number;
  readonly memberAddressesMax: number;
  readonly memberTextBytesMax: number;
  /**
   * Bytes of all uncompacted records above which puts are refused; deletes and compaction never.
   */
  readonly quotaBytes: number;
  readonly leaseTtlMsMin: number;
  readonly leaseTtlMsMax: number;
  readonly leasesMax: number;
  readonly sessionTtlMsMin: number;
  readonly sessionTtlMsMax: number;
  readonly sessionsMax: number;
  /** Writes of one session whose answers are kept at once. */
  readonly sessionInFlightMax: number;
  /** An encoded answer that is longer, or finds no room, is kept as "applied at revision R". */
  readonly sessionResultBytesMax: number;
  /** Of all sessions together. */
  readonly sessionResultBytesAllMax: number;
};

export const defaultStoreLimits: StoreLimits = {
  keyBytesMax,
  valueBytesMax: 8 * 1024 * 1024,
  txnOpsMax: 128,
  txnDepthMax: 8,
  answerBytesMax: 16 * 1024 * 1024,
  memberAddressesMax: 16,
  memberTextBytesMax: 1024,
  quotaBytes: 8 * 1024 * 1024 * 1024,
  leaseTtlMsMin: 1000,
  leaseTtlMsMax: 9_000_000_000_000, // etcd's longest: 9,000,000,000 s.
  leasesMax: 1_000_000,
  sessionTtlMsMin: 1000,
  sessionTtlMsMax: 24 * 60 * 60 * 1000,
  sessionsMax: 10_000,
  sessionInFlightMax: 64,
  sessionResultBytesMax: 4096,
  sessionResultBytesAllMax: 64 * 1024 * 1024,
};
