// What a leader knows of one follower: how far its log is known to agree, what is on the way to it,
// and when it was last heard. Three ways of sending, as in etcd/raft:
//
//   probe      one message at a time, until the follower's log is found
//   replicate  a pipeline of messages, within the in-flight limits
//   snapshot   nothing, until the streamed snapshot was reported
import { advance, type Index, index, maxIndex, next } from '@holdfast/base/ids';
import type { RaftSettings } from './settings.ts';

type Inflight = { readonly last: Index; readonly bytes: number; readonly sentAtMs: number };

/** A follower's stamp, and the round that was the newest when it arrived (safety.md 19). */
type Stamp = { readonly stampMs: number; readonly round: number };

export type ProgressState =
  | { readonly name: 'probe'; readonly sentAtMs: number | undefined }
  | { readonly name: 'replicate' }
  | { readonly name: 'snapshot' };

const freshProbe: ProgressState = { name: 'probe', sentAtMs: undefined };

export type ProgressCapture = {
  readonly match: Index;
  readonly next: Index;
  readonly state: ProgressState;
  readonly lastAckMs: number;
  readonly isDead: boolean;
  readonly ackedRound: number;
  readonly ackedRoundAtMs: number;
  readonly commitSent: Index;
  readonly noticeDueMs: number;
  readonly isSpare: boolean;
  readonly pacedUntilMs: number;
  readonly repairTarget: Index | undefined;
  readonly fresh: { readonly stampMs: number; readonly commit: Index } | undefined;
  readonly inflight: readonly Inflight[];
  readonly stamp: Stamp | undefined;
  readonly laterStamp: Stamp | undefined;
};

export class Progress {
  /**
   * The follower has synced everything up to here, equal to the leader's log. Counts for commit.
   */
  match: Index = index(0);
  /** The next entry to send. */
  next: Index;
  state: ProgressState = freshProbe;
  /** Monotonic time of the last answer of this term; the leader's start counts as one. */
  lastAckMs: number;
  /** Its machine said that nobody listens, and nothing was heard since. */
  isDead = false;
  /** The newest heartbeat round that it answered, and when. */
  ackedRound = 0;
  ackedRoundAtMs = 0;
  /** The highest commit index that it was told. */
  commitSent: Index = index(0);
  /** When it is to be told of a commit that no entries have carried to it; Infinity: of none. */
  noticeDueMs = Number.POSITIVE_INFINITY;
  /** The last commit did not wait for it: enough others were quicker. */
  isSpare = false;
  /** Until then entries for it wait while it is spare, so that one message takes them all. */
  pacedUntilMs = Number.NEGATIVE_INFINITY;
  /** Set while the follower repairs its log: what it must sync before it counts again. */
  repairTarget: Index | undefined;
  /**
   * The follower's own time that a confirmed round has since covered, and the commit index then.
   */
  fresh: { readonly stampMs: number; readonly commit: Index } | undefined;
  #inflight: Inflight[] = [];
  #inflightBytes = 0;
  #stamp: Stamp | undefined;
  #laterStamp: Stamp | undefined;

  constructor(nextIndex: Index, nowMs: number) {
    this.next = nextIndex;
    this.lastAckMs = nowMs;
  }

  static resume(capture: ProgressCapture): Progress {
    const { inflight, stamp, laterStamp, ...open } = capture;
    const progress = Object.assign(new Progress(capture.next, capture.lastAckMs), open);
    progress.#inflight = [...inflight];
    progress.#inflightBytes = inflight.reduce((sum, { bytes }) => sum + bytes, 0);
    progress.#stamp = stamp;
    progress.#laterStamp = laterStamp;
    return progress;
  }

  capture(): ProgressCapture {
    return {
      match: this.match,
      next: this.next,
      state: this.state,
      lastAckMs: this.lastAckMs,
      isDead: this.isDead,
      ackedRound: this.ackedRound,
      ackedRoundAtMs: this.ackedRoundAtMs,
      commitSent: this.commitSent,
      noticeDueMs: this.noticeDueMs,
      isSpare: this.isSpare,
      pacedUntilMs: this.pacedUntilMs,
      repairTarget: this.repairTarget,
      fresh: this.fresh,
      inflight: [...this.#inflight],
      stamp: this.#stamp,
      laterStamp: this.#laterStamp,
    };
  }

  heard(nowMs: number): void {
    this.lastAckMs = nowMs;
    this.isDead = false;
  }

  heardRound(round: number, nowMs: number): void {
    if (round <= this.ackedRound) return;
    this.ackedRound = round;
    this.ackedRoundAtMs = nowMs;
  }

  get inflightCount(): number {
    return this.#inflight.length;
  }

  /** Whether another message may leave now. */
  maySend(settings: RaftSettings): boolean {
    switch (this.state.name) {
      case 'probe':
        return this.state.sentAtMs === undefined;
      case 'replicate':
        return (
          this.#inflight.length < settings.inflightCountMax &&
          this.#inflightBytes < settings.inflightBytesMax
        );
      case 'snapshot':
        return false;
    }
  }

  /** Entries [next, hi) have left. */
  sent(hi: Index, bytes: number, nowMs: number): void {
    if (this.state.name === 'probe') {
      this.state = { name: 'probe', sentAtMs: nowMs };
      return;
    }
    if (hi > this.next) {
      this.#inflight.push({ last: advance(hi, -1), bytes, sentAtMs: nowMs });
      this.#inflightBytes += bytes;
      this.next = hi;
    }
  }

  /** The follower agrees up to `agreed`, whether or not that counts for commit. */
  agreedTo(agreed: Index): void {
    this.next = maxIndex(this.next, next(agreed));
    while (this.#inflight[0] && this.#inflight[0].last <= agreed) {
      this.#inflightBytes -= this.#inflight[0].bytes;
      this.#inflight.shift();
    }
    if (this.state.name !== 'replicate') this.becomeReplicate(agreed);
  }

  /**
   * What is committed leaves for it with the next Ready: somebody there may ask for it soon. Where
   * entries wait for their time, it leaves with these.
   */
  tellCommit(nowMs: number): void {
    if (this.state.name === 'replicate') this.noticeDueMs = nowMs;
  }

  /** As tellCommit, and entries wait for nothing: somebody there waits for them. */
  hurry(nowMs: number): void {
    this.tellCommit(nowMs);
    this.pacedUntilMs = Number.NEGATIVE_INFINITY;
  }

  /** Whether it is to get entries that there are later, together with those that follow them. */
  isPaced(nowMs: number): boolean {
    return this.isSpare && nowMs < this.pacedUntilMs;
  }

  becomeProbe(nextIndex: Index): void {
    this.state = freshProbe;
    this.next = maxIndex(nextIndex, next(this.match));
    this.#clearInflight();
  }

  becomeReplicate(agreed: Index): void {
    this.state = { name: 'replicate' };
    this.next = next(agreed);
    this.#clearInflight();
  }

  becomeSnapshot(): void {
    this.state = { name: 'snapshot' };
    this.#clearInflight();
  }

  /** Whether something was sent so long ago that it must be taken for lost. */
  isStuck(nowMs: number, timeoutMs: number): boolean {
    if (this.state.name === 'probe') {
      return this.state.sentAtMs !== undefined && nowMs - this.state.sentAtMs >= timeoutMs;
    }
    const oldest = this.#inflight[0];
    return oldest !== undefined && nowMs - oldest.sentAtMs >= timeoutMs;
  }

  /** Keeps the first stamp until a round confirms it, so that a steady stream can't starve it. */
  takeStamp(stampMs: number, newestRound: number): void {
    const stamp = { stampMs, round: newestRound };
    if (this.#stamp) this.#laterStamp = stamp;
    else this.#stamp = stamp;
  }

  /** Round `round`, which began at commit index `commit`, was confirmed by a quorum. */
  confirmRound(round: number, commit: Index): void {
    if (!this.#stamp || this.#stamp.round >= round) return;
    const later = this.#laterStamp;
    const best = later && later.round < round ? later : this.#stamp;
    this.fresh = { stampMs: best.stampMs, commit };
    this.#stamp = best === later ? undefined : later;
    this.#laterStamp = undefined;
  }

  #clearInflight(): void {
    this.noticeDueMs = Number.POSITIVE_INFINITY;
    this.#inflight = [];
    this.#inflightBytes = 0;
  }

  describe(): string {
    const repairing = this.repairTarget === undefined ? '' : ` repairing->${this.repairTarget}`;
    const { match, next: toSend, inflightCount } = this;
    const place = `match=${match} next=${toSend} inflight=${inflightCount}`;
    return `${this.state.name} ${place}${repairing}`;
  }
}
