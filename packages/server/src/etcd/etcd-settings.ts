// What an operator decides about etcd's API, beside what holds for all doors.

export type EtcdSettings = {
  /**
   * The longest silence before an election: a stream that requires a leader ends after three of
   * them without one, and no lease lives shorter than one and a half.
   */
  readonly electionMs: number;
  /** Between two notices to a watcher that asked for them and has had no event meanwhile. */
  readonly watchProgressMs: number;
  /** Of all watchers of a member together. */
  readonly watchersMax: number;
  /** Answers to watches that were made and not read, over all streams. */
  readonly watchUnreadBytesMax: number;
};

/**
 * Progress as often as etcd tells of it. A watcher costs about a kilobyte. A stream that is not
 * read holds 64 KiB and one answer at the most: four thousand of them reach the bound.
 */
export const defaultEtcdSettings: EtcdSettings = {
  electionMs: 1200,
  watchProgressMs: 10 * 60 * 1000,
  watchersMax: 200_000,
  watchUnreadBytesMax: 256 * 1024 * 1024,
};
