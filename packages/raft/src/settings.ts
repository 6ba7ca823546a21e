// Every number of the core, with the defaults of safety.md rule 11 and their sources.

export type RaftSettings = {
  /** Between two heartbeats of a leader; C-01 allows ten a second. */
  readonly heartbeatMs: number;
  /** A follower that heard no leader for a random time in [min, max) asks for pre-votes. */
  readonly electionMinMs: number;
  readonly electionMaxMs: number;
  /**
   * A member that has just started knows no leader, and asks for pre-votes after a random time in
   * [min, max): long enough to be heard by a leader that lives, which voters then defend; short for
   * a cluster that came back together (D-17).
   */
  readonly startMinMs: number;
  readonly startMaxMs: number;
  /** After a lost or split vote the next try comes within [min, max). */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** After the leader's machine refused a connection: pre-votes within [0, max) (safety.md 12). */
  readonly refusedMaxMs: number;
  /** Payload bytes of one append-entries; a single larger entry still travels alone. */
  readonly appendBytesMax: number;
  readonly appendCountMax: number;
  /**
   * Unacknowledged append-entries a follower, by messages and by bytes (pipelining, thesis 10.2.1).
   */
  readonly inflightCountMax: number;
  readonly inflightBytesMax: number;
  /**
   * A commit that no entries carry to a follower is told for itself after so long: under load there
   * are some by then, and two messages a follower are spared. Who reads from a follower meanwhile
   * is told of the commit with its read; a watch there hears so much later, or by spareAppendMs.
   * Chosen: shorter than anybody sees, longer than a client's next request takes.
   */
  readonly commitNoticeMs: number;
  /**
   * A follower whom the last commit did not wait for, since others were quicker, is sent new
   * entries no more often than this (0: at once): a majority's latency and a majority's work are
   * what a write costs, and the others get many writes for the price of one. Whoever is among the
   * quick and falls silent holds a commit up for so long, once. Who reads from such a follower has
   * all that the read waits for sent at once; whoever waits there for a revision, or watches, hears
   * of it so much later. Chosen: less than anybody sees, and several writes of one who writes
   * alone.
   */
  readonly spareAppendMs: number;
  /**
   * A round that reads ask for begins with as many followers as make a majority; everybody is asked
   * when these have not answered after so long. Chosen: several times a round trip in a rack, and
   * less than anybody sees.
   */
  readonly readRoundMs: number;
  /** Proposals beyond this many not yet committed bytes are refused. */
  readonly uncommittedBytesMax: number;
  /**
   * A leader that got no new commit for this long proves itself with an empty entry; 0 =
   * never.
   */
  readonly idleCommitMs: number;
  /** A leader without answers of a majority for this long gives leadership up (check-quorum). */
  readonly quorumTimeoutMs: number;
};

export const defaultRaftSettings: RaftSettings = {
  heartbeatMs: 100,
  electionMinMs: 600,
  electionMaxMs: 1200,
  startMinMs: 150,
  startMaxMs: 450,
  retryMinMs: 50,
  retryMaxMs: 300,
  refusedMaxMs: 50,
  appendBytesMax: 1024 * 1024,
  appendCountMax: 4096,
  inflightCountMax: 64,
  inflightBytesMax: 16 * 1024 * 1024,
  commitNoticeMs: 2,
  spareAppendMs: 5,
  readRoundMs: 3,
  uncommittedBytesMax: 128 * 1024 * 1024,
  idleCommitMs: 5000,
  quorumTimeoutMs: 1000,
};
