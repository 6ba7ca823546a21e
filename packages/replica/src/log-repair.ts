// Gets back what this member lost of its log, from any peer, while no leader is there to do it
// (safety.md 5). First the whole range is fetched and its chain reckoned; only if that ends in the
// chain of the own old durable end is anything of it put into the log. Owns nothing durable: the
// goal stands in the status file, and a member that was stopped in the middle begins again.
import { assert } from '@holdfast/base/assert';
import { Backoff } from '@holdfast/base/backoff';
import { bugLog } from '@holdfast/base/bug-log';
import { type Clock, pause } from '@holdfast/base/clock';
import { type Index, index, type MemberId, type RequestId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import {
  type ChainedId,
  type Entry,
  entryBytes,
  type LogId,
  sameLogId,
} from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import { beforeLog } from '@holdfast/raft/log';
import type { LogRange, LogRangeRequest, WithoutSender } from '@holdfast/raft/message';
import type { Raft } from '@holdfast/raft/raft';
import type { RepairGoal } from '@holdfast/raft/ready';
import type { LogStore } from './ports.ts';

export type LogRepairOptions = {
  readonly raft: Pick<Raft, 'leader' | 'hardState' | 'holds'>;
  readonly log: Pick<LogStore, 'chainAfter' | 'marks'>;
  readonly clock: Clock;
  readonly random: Random;
  /** Peers with a connection, in any order; asked in turn. */
  readonly peers: () => readonly MemberId[];
  readonly newRequestId: () => RequestId;
  readonly send: (message: WithoutSender<LogRangeRequest>) => void;
  readonly step: (input: Input) => void;
  /** Resolves when the log is synced that far; rejects when no further sync comes. */
  readonly persisted: (through: Index) => Promise<void>;
};

/** How far a repair is; for people. */
export type RepairProgress = {
  readonly from: Index;
  readonly through: Index;
  /** Verified so far, and put into the log so far. */
  readonly fetched: Index;
  readonly peer: MemberId | undefined;
  readonly waitsFor: string;
};

/** What one request brought, chained to what came before it. */
type Page = {
  readonly before: ChainedId;
  readonly last: ChainedId;
  entries: readonly Entry[] | undefined;
};

/** A leader that is there is heard within a few heartbeats: it knows better what is missing. */
const leaderFirstMs = 300;
const answerTimeoutMs = 1000;
/** Fetched pages that wait for the proof; beyond it they are fetched a second time. */
const heldBytesMax = 16 * 1024 * 1024;
const snapshotPatienceMs = 5000;

type Asked = { readonly requestId: RequestId; readonly resolve: (range: LogRange) => void };

export class LogRepair {
  readonly #options: LogRepairOptions;
  readonly #backoff: Backoff;
  #asked: Asked | undefined;
  #turn = 0;
  #peer: MemberId | undefined;
  #fetched: Index | undefined;
  #waitsFor = '';
  /** The peers have purged the first lost entries, so a snapshot has to stand for them. */
  #isPurged = false;

  constructor(options: LogRepairOptions) {
    this.#options = options;
    this.#backoff = new Backoff({ initialMs: 100, maxMs: 5000 }, options.random);
  }

  get progress(): RepairProgress | undefined {
    const goal = this.#goal;
    if (!goal) return undefined;
    return {
      from: index(goal.after.id.index + 1),
      through: goal.end.id.index,
      fetched: this.#fetched ?? goal.after.id.index,
      peer: this.#peer,
      waitsFor: this.#waitsFor,
    };
  }

  /** An answer from a peer; one that nobody waits for any more is dropped. */
  take(range: LogRange): void {
    if (this.#asked?.requestId === range.requestId) this.#asked.resolve(range);
  }

  /** Ends when the member is whole again, by whichever way, or when the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    await this.#pause(leaderFirstMs, signal);
    for (let goal = this.#goal; goal && !signal.aborted; goal = this.#goal) {
      const waitMs = await this.#try(goal, signal);
      if (this.#goal) await this.#pause(waitMs, signal);
    }
  }

  get #goal(): RepairGoal | undefined {
    return this.#options.raft.hardState.repairing?.goal;
  }

  /** How long to wait before the next try. */
  async #try(goal: RepairGoal, signal: AbortSignal): Promise<number> {
    const { raft, step } = this.#options;
    const end = goal.end.id;
    if (this.#isBack(end)) {
      step({ type: 'repaired', end });
      // The core may not know yet that the log is synced so far.
      return this.#backoff.nextMs();
    }
    if (raft.leader !== undefined) {
      this.#waitsFor = 'the leader, which sends what is missing';
      this.#backoff.reset();
      return answerTimeoutMs;
    }
    const peer = this.#nextPeer();
    if (peer === undefined) return this.#backoff.nextMs();
    const isDone = await this.#repairFrom(peer, goal, signal);
    if (isDone) this.#backoff.reset();
    return isDone && this.#isBack(end) ? 0 : this.#backoff.nextMs();
  }

  #isBack(end: LogId): boolean {
    const { raft, log } = this.#options;
    return raft.holds(end) && log.marks.persisted.index >= end.index;
  }

  #nextPeer(): MemberId | undefined {
    const peers = this.#options.peers();
    this.#turn += 1;
    this.#peer = peers[this.#turn % Math.max(1, peers.length)];
    this.#waitsFor =
      this.#peer === undefined ? 'a connection to any peer' : 'the entries of a peer';
    return this.#peer;
  }

  async #repairFrom(peer: MemberId, goal: RepairGoal, signal: AbortSignal): Promise<boolean> {
    const pages = await this.#survey(peer, goal, signal);
    if (!pages) return false;
    for (const page of pages) {
      const entries = page.entries ?? (await this.#fetchAgain(peer, page, signal));
      if (!entries || signal.aborted) return false;
      if (!(await this.#putBack(page, entries))) return false;
    }
    return true;
  }

  /**
   * The whole range, page by page; undefined unless it ends in the goal. Where a peer's snapshot
   * stands for its beginning, the own chain cannot cross it: the range then begins behind that
   * snapshot, and the id of its end is the proof. A peer answers only if its log holds that id, and
   * then everything before it is what stood here (Log Matching, thesis 3.5).
   */
  async #survey(
    peer: MemberId,
    goal: RepairGoal,
    signal: AbortSignal,
  ): Promise<readonly Page[] | undefined> {
    const pages: Page[] = [];
    let heldBytes = 0;
    const covered = this.#coveredBySnapshot(goal);
    let at = covered ?? goal.after;
    if (!this.#isReachable(at.id)) {
      await this.#ask(peer, { previous: beforeLog, end: goal.end.id }, signal);
      return undefined;
    }
    while (at.id.index < goal.end.id.index) {
      const entries = await this.#ask(peer, { previous: at.id, end: goal.end.id }, signal);
      if (!entries || signal.aborted || !this.#isFree) return undefined;
      const page = this.#chained(at, entries);
      heldBytes += entries.reduce((bytes, entry) => bytes + entryBytes(entry), 0);
      if (heldBytes > heldBytesMax) page.entries = undefined;
      pages.push(page);
      at = page.last;
      this.#fetched = at.id.index;
    }
    const isProven = covered !== undefined || at.chain === goal.end.chain;
    if (sameLogId(at.id, goal.end.id) && isProven) return pages;
    this.#waitsFor = 'a peer whose entries end in the checksum chain that this member had';
    bugLog('log-repair', 'a peer holds the end of this log, with other bytes before it');
    return undefined;
  }

  /** Where the own log begins, if what was lost before it is nowhere to be had but in snapshots. */
  #coveredBySnapshot(goal: RepairGoal): ChainedId | undefined {
    const { purged } = this.#options.log.marks;
    const isCovered = this.#isPurged && purged.index > goal.after.id.index;
    return isCovered ? { id: purged, chain: 0 } : undefined;
  }

  /** The very page that was proven, though the peer may give it in other pieces now. */
  async #fetchAgain(
    peer: MemberId,
    page: Page,
    signal: AbortSignal,
  ): Promise<readonly Entry[] | undefined> {
    const entries: Entry[] = [];
    let at = page.before;
    while (at.id.index < page.last.id.index) {
      const more = await this.#ask(peer, { previous: at.id, end: page.last.id }, signal);
      if (!more) return undefined;
      at = this.#chained(at, more).last;
      entries.push(...more);
    }
    return at.chain === page.last.chain ? entries : undefined;
  }

  #chained(before: ChainedId, entries: readonly Entry[]): Page {
    const last = entries[entries.length - 1];
    assert(last !== undefined, 'a page holds an entry');
    const chain = this.#options.log.chainAfter(entries, before.chain);
    return { before, last: { id: { index: last.index, term: last.term }, chain }, entries };
  }

  /** What the log still holds stays as it is. False: a leader has come, and sees to it. */
  async #putBack({ before, last }: Page, entries: readonly Entry[]): Promise<boolean> {
    const { raft, step } = this.#options;
    let previous = before.id;
    let missing = entries;
    for (const entry of entries) {
      if (!this.#isThere(entry)) break;
      previous = { index: entry.index, term: entry.term };
      missing = missing.slice(1);
    }
    if (missing.length === 0) return true;
    step({ type: 'repair-entries', previous, entries: missing });
    if (!raft.holds(last.id)) return false;
    return await this.#untilPersisted(last.id.index);
  }

  async #untilPersisted(through: Index): Promise<boolean> {
    try {
      await this.#options.persisted(through);
      return true;
    } catch {
      return false; // The member stops: what was put back so far is found again at the next start.
    }
  }

  /** In the log, or in the snapshot that the log begins behind. */
  #isThere(entry: Entry): boolean {
    const { raft, log } = this.#options;
    return entry.index <= log.marks.purged.index || raft.holds(entry);
  }

  /**
   * Whether entries behind `id` can join what the log holds. Where both snapshots were lost they
   * cannot: then a peer is asked for everything, and has a snapshot to give instead.
   */
  #isReachable(id: LogId): boolean {
    const { raft, log } = this.#options;
    return raft.holds(id) || log.marks.purged.index >= id.index;
  }

  get #isFree(): boolean {
    return this.#goal !== undefined && this.#options.raft.leader === undefined;
  }

  /** Entries behind `previous`, a page at most; undefined: this peer does not help now. */
  async #ask(
    peer: MemberId,
    wanted: Pick<LogRangeRequest, 'previous' | 'end'>,
    signal: AbortSignal,
  ): Promise<readonly Entry[] | undefined> {
    const requestId = this.#options.newRequestId();
    const answered = new AbortController();
    const answer = new Promise<LogRange>((resolve) => {
      this.#asked = { requestId, resolve };
    });
    this.#options.send({ type: 'log-range-request', to: peer, requestId, ...wanted });
    const silence = this.#pause(answerTimeoutMs, AbortSignal.any([signal, answered.signal]));
    const range = await Promise.race([answer, silence]);
    answered.abort();
    this.#asked = undefined;
    if (range) this.#isPurged = range.result === 'snapshot';
    if (range?.result === 'entries') {
      return follow(wanted, range.entries) ? range.entries : undefined;
    }
    if (range?.result === 'snapshot') await this.#awaitSnapshot(signal);
    return undefined;
  }

  async #awaitSnapshot(signal: AbortSignal): Promise<void> {
    this.#waitsFor = 'a snapshot from a peer, which has purged the entries';
    await this.#pause(snapshotPatienceMs, signal);
  }

  /** Ends early, and well, when the signal aborts. */
  async #pause(ms: number, signal: AbortSignal): Promise<undefined> {
    await pause(this.#options.clock, ms, signal);
    return undefined;
  }
}

/** Whether these can be the next entries of a log: a peer's bytes are believed for nothing. */
function follow(
  { previous, end }: Pick<LogRangeRequest, 'previous' | 'end'>,
  entries: readonly Entry[],
): boolean {
  let before = previous;
  for (const entry of entries) {
    if (entry.index !== before.index + 1 || entry.term < before.term) return false;
    before = entry;
  }
  return entries.length > 0 && before.index <= end.index;
}
