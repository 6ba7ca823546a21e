// The limits that apply itself checks. They are part of the replicated behaviour: a member with
// other limits than its peers would answer an entry differently, so a running cluster never changes
// them. What an operator may tune is checked by the engine, before it proposes.

export type StoreLimits = {
  readonly keyBytesMax: number;
  readonly valueBytesMax: number;
  /** Of one level of a transaction: the longest of compare, success and failure. */
  readonly txnOpsMax: number;
  readonly txnDepthMax: number;
  readonly memberAddressesMax: number;
  readonly memberTextBytesMax: number;
  /**
   * Bytes of all uncompacted records above which puts are refused; deletes and compaction never.
   */
  readonly quotaBytes: number;
};

export const defaultStoreLimits: StoreLimits = {
  keyBytesMax: 16 * 1024,
  valueBytesMax: 8 * 1024 * 1024,
  txnOpsMax: 128,
  txnDepthMax: 8,
  memberAddressesMax: 16,
  memberTextBytesMax: 1024,
  quotaBytes: 8 * 1024 * 1024 * 1024,
};
