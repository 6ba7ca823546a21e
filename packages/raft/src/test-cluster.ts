// A handful of cores on one clock, with a log and a status file each and a network that is a list.
// Nothing happens by itself: time, delivery and the end of a sync are the test's own moves. For the
// scripts and the thesis tests; whole members under random faults are the simulator's matter.
import { must } from '@holdfast/base/assert';
import { index, type MemberId, memberId, requestId, type Term, term } from '@holdfast/base/ids';
import { type Configuration, decodeConfiguration, newConfiguration } from './configuration.ts';
import { type Entry, entryBytes, type LogId } from './entry.ts';
import type { Input } from './input.ts';
import { beforeLog, type TermRun } from './log.ts';
import type { Message, SnapshotMeta } from './message.ts';
import { Raft } from './raft.ts';
import type { HardState, Ready } from './ready.ts';
import { defaultRaftSettings, type RaftSettings } from './settings.ts';

type Member = {
  readonly id: MemberId;
  raft: Raft;
  /** Entries after `purged`, accepted; the first `synced` of the log are on disk. */
  entries: Entry[];
  purged: LogId;
  synced: number;
  state: HardState;
  savedState: HardState;
  snapshot: SnapshotMeta | undefined;
  applied: Entry[];
  /** While set, ends of syncs and saves wait in `unsynced`. */
  holdsSyncs: boolean;
  unsynced: (() => void)[];
  isDown: boolean;
};

export type ClusterOptions = {
  readonly voters: number;
  readonly learners?: number;
  readonly settings?: Partial<RaftSettings>;
  /** Terms of the entries that each member starts with, e.g. [[1, 1, 2], [1]]. */
  readonly logs?: readonly (readonly number[])[];
  /** Term and status of each member; the last log term by default. */
  readonly terms?: readonly number[];
};

export class TestCluster {
  readonly members = new Map<MemberId, Member>();
  readonly settings: RaftSettings;
  nowMs = 0;
  /** Messages on the way, oldest first. */
  network: Message[] = [];
  /** Every message ever sent. */
  readonly sent: Message[] = [];
  readonly answers: string[] = [];
  readonly reads: {
    readonly member: MemberId;
    readonly id: bigint;
    readonly index: number | undefined;
  }[] = [];
  readonly #cuts = new Set<string>();
  readonly #configuration: Configuration;
  #requests = 0n;

  constructor(options: ClusterOptions) {
    const { voters, learners = 0 } = options;
    this.settings = {
      ...defaultRaftSettings,
      idleCommitMs: 0,
      commitNoticeMs: 0,
      spareAppendMs: 0,
      ...options.settings,
    };
    const ids = Array.from({ length: voters + learners }, (_, at) => memberId(BigInt(at + 1)));
    this.#configuration = newConfiguration({
      voters: ids.slice(0, voters),
      learners: ids.slice(voters),
    });
    for (const [at, id] of ids.entries()) {
      const log = options.logs?.[at] ?? [];
      this.#add(id, log, options.terms?.[at] ?? log[log.length - 1] ?? 0);
    }
  }

  #add(id: MemberId, terms: readonly number[], saved: number): void {
    const entries = terms.map((one, at): Entry => {
      return { index: index(at + 1), term: term(one), kind: 'command', payload: new Uint8Array(1) };
    });
    const state: HardState = { term: term(saved), vote: undefined, repairing: undefined };
    this.members.set(id, {
      id,
      raft: this.#core({ id, entries, purged: beforeLog, state, snapshot: undefined }),
      entries: [...entries],
      purged: beforeLog,
      synced: entries.length,
      state,
      savedState: state,
      snapshot: undefined,
      applied: [],
      holdsSyncs: false,
      unsynced: [],
      isDown: false,
    });
  }

  #core(from: {
    readonly id: MemberId;
    readonly entries: readonly Entry[];
    readonly purged: LogId;
    readonly state: HardState;
    readonly snapshot: SnapshotMeta | undefined;
    readonly statusLost?: boolean;
  }): Raft {
    const start = from.snapshot?.last.index ?? index(0);
    const placed = from.entries
      .filter((entry) => entry.kind === 'membership' && entry.index > start)
      .map((entry) => ({
        index: entry.index,
        configuration: decodeConfiguration(entry.payload),
      }));
    const born = from.snapshot?.configuration ?? this.#configuration;
    return new Raft({
      id: from.id,
      settings: this.settings,
      seed: Number(from.id) * 7919 + Math.floor(this.nowMs),
      nowMs: this.nowMs,
      state: from.state,
      statusLost: from.statusLost ?? false,
      log: {
        purged: from.purged,
        termRuns: termRuns(from.entries),
        sizes: from.entries.map(entryBytes),
      },
      configurations: [{ index: start, configuration: born }, ...placed],
      commit: start,
      applied: start,
    });
  }

  member(id: number | MemberId): Member {
    return must(this.members.get(memberId(BigInt(id))), `member ${id} exists`);
  }

  raft(id: number | MemberId): Raft {
    return this.member(id).raft;
  }

  get leaders(): readonly Member[] {
    return [...this.members.values()].filter((one) => !one.isDown && one.raft.role === 'leader');
  }

  step(id: number | MemberId, input: Input): void {
    const member = this.member(id);
    if (member.isDown) return;
    member.raft.step(this.nowMs, input);
    this.#handle(member, member.raft.ready());
  }

  propose(id: number, count = 1): bigint {
    const proposals = Array.from({ length: count }, () => {
      this.#requests += 1n;
      return { requestId: requestId(this.#requests), payload: new Uint8Array(1) };
    });
    this.step(id, { type: 'propose', proposals });
    return this.#requests;
  }

  read(id: number): bigint {
    this.#requests += 1n;
    this.step(id, { type: 'read-index', requestId: requestId(this.#requests) });
    return this.#requests;
  }

  change(id: number, voters: readonly number[], learners: readonly number[] = []): void {
    this.#requests += 1n;
    const ids = (list: readonly number[]) => list.map((one) => memberId(BigInt(one)));
    const target = { voters: ids(voters), learners: ids(learners) };
    for (const one of [...voters, ...learners]) {
      if (!this.members.has(memberId(BigInt(one)))) this.#add(memberId(BigInt(one)), [], 0);
    }
    this.step(id, { type: 'change-membership', requestId: requestId(this.#requests), target });
  }

  /** Delivers what is on the way now; answers whether there was anything. */
  deliver(pick: (message: Message) => boolean = () => true): boolean {
    const now = this.network.filter(pick);
    this.network = this.network.filter((message) => !pick(message));
    for (const message of now) {
      if (!this.isCut(message.from, message.to))
        this.step(message.to, { type: 'message', message });
    }
    return now.length > 0;
  }

  /** Delivers until nothing is on the way. */
  settle(): void {
    for (let round = 0; round < 10_000; round += 1) {
      if (!this.deliver()) return;
    }
    throw new Error('the cluster does not come to rest');
  }

  /** Lets time pass in steps of 5 ms, with ticks where they are due and everything delivered. */
  run(forMs: number): void {
    const endMs = this.nowMs + forMs;
    while (this.nowMs < endMs) {
      this.passTime(Math.min(5, endMs - this.nowMs));
      this.settle();
    }
  }

  /** Lets time pass; due members tick, nothing is delivered. */
  passTime(byMs: number): void {
    this.nowMs += byMs;
    for (const member of this.members.values()) {
      if (!member.isDown && member.raft.nextTickMs <= this.nowMs)
        this.step(member.id, { type: 'tick' });
    }
  }

  /** Makes this member's election timer fire now. */
  timeOut(id: number): void {
    const member = this.member(id);
    this.nowMs = Math.max(this.nowMs, member.raft.nextTickMs);
    this.step(id, { type: 'tick' });
  }

  elect(id: number): void {
    this.timeOut(id);
    this.settle();
  }

  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`);
  }

  isolate(id: number): void {
    for (const other of this.members.keys()) {
      if (Number(other) === id) continue;
      this.cut(id, Number(other));
      this.cut(Number(other), id);
    }
  }

  heal(): void {
    this.#cuts.clear();
  }

  isCut(from: MemberId, to: MemberId): boolean {
    return this.#cuts.has(`${from}>${to}`) || this.member(to).isDown;
  }

  holdSyncs(id: number): void {
    this.member(id).holdsSyncs = true;
  }

  releaseSyncs(id: number): void {
    const member = this.member(id);
    member.holdsSyncs = false;
    const waiting = member.unsynced;
    member.unsynced = [];
    for (const sync of waiting) sync();
  }

  /** Power loss: what was not synced is gone. */
  crash(id: number): void {
    const member = this.member(id);
    member.isDown = true;
    member.unsynced = [];
    member.holdsSyncs = false;
    member.entries = member.entries.slice(0, member.synced - member.purged.index);
    member.state = member.savedState;
  }

  restart(
    id: number,
    changes: { readonly statusLost?: boolean; readonly repairing?: boolean } = {},
  ): void {
    const member = this.member(id);
    if (changes.repairing) member.state = { ...member.state, repairing: { target: index(0) } };
    member.isDown = false;
    member.applied = member.applied.slice(0, 0);
    const statusLost = changes.statusLost ?? false;
    member.raft = this.#core({ ...member, statusLost });
    this.network = this.network.filter((message) => message.from !== member.id);
  }

  /** Takes a snapshot of what is applied and purges the log behind it. */
  compact(id: number): void {
    const member = this.member(id);
    const last = must(member.applied[member.applied.length - 1], 'something was applied');
    member.snapshot = {
      last: { index: last.index, term: last.term },
      configuration: member.raft.status().configuration,
    };
    member.entries = member.entries.filter((entry) => entry.index > last.index);
    member.purged = member.snapshot.last;
    this.step(id, { type: 'log-purged', last: member.purged });
  }

  #handle(member: Member, ready: Ready): void {
    for (const entry of ready.append) {
      const keep = entry.index - member.purged.index - 1;
      member.entries.length = keep;
      member.entries.push(entry);
      member.synced = Math.min(member.synced, entry.index - 1);
    }
    for (const message of ready.messages) this.#send(message);
    for (const order of ready.appends) {
      const from = order.lo - member.purged.index - 1;
      const entries = member.entries.slice(from, order.hi - member.purged.index - 1);
      const { lo: _lo, hi: _hi, ...rest } = order;
      this.#send({ ...rest, type: 'append-entries', from: member.id, entries });
    }
    for (const peer of ready.snapshots) this.#sendSnapshot(member, peer);
    this.#answer(member, ready);
    this.#persist(member, ready);
    this.#apply(member, ready);
  }

  #persist(member: Member, ready: Ready): void {
    const { status, install } = ready;
    if (status) {
      member.state = status.state;
      this.#sync(member, () => {
        member.savedState = status.state;
        this.step(member.id, { type: 'persisted', statusSequence: status.sequence });
      });
    }
    const last = ready.append[ready.append.length - 1];
    if (install) this.#install(member, install);
    else if (last) {
      this.#sync(member, () => {
        member.synced = Math.max(
          member.synced,
          Math.min(last.index, member.purged.index + member.entries.length),
        );
        this.step(member.id, { type: 'persisted', log: { index: last.index, term: last.term } });
      });
    }
  }

  #sync(member: Member, done: () => void): void {
    if (member.holdsSyncs) member.unsynced.push(done);
    else done();
  }

  #install(member: Member, snapshot: SnapshotMeta): void {
    this.#sync(member, () => {
      member.entries = [];
      member.purged = snapshot.last;
      member.snapshot = snapshot;
      member.synced = snapshot.last.index;
      this.step(member.id, { type: 'snapshot-installed', last: snapshot.last });
    });
  }

  #apply(member: Member, ready: Ready): void {
    if (!ready.committed) return;
    const { lo, hi } = ready.committed;
    for (let at: number = lo; at < hi; at += 1) {
      const entry = must(member.entries[at - member.purged.index - 1], `entry ${at} is there`);
      member.applied.push(entry);
    }
    this.step(member.id, { type: 'applied', index: index(hi - 1) });
  }

  #answer(member: Member, ready: Ready): void {
    for (const one of ready.appended)
      this.answers.push(`${one.requestId} appended ${one.id.index}@${one.id.term}`);
    for (const one of ready.refused) this.answers.push(`${one.requestId} refused ${one.reason}`);
    for (const one of ready.reads) {
      this.reads.push({ member: member.id, id: one.requestId, index: one.readIndex });
    }
  }

  #sendSnapshot(member: Member, to: MemberId): void {
    const snapshot = must(member.snapshot, 'a log was purged behind a snapshot');
    const { term: sentTerm } = member.raft;
    const sent = !this.isCut(member.id, to);
    this.#send({ type: 'install-snapshot', from: member.id, to, term: sentTerm as Term, snapshot });
    this.step(member.id, { type: 'snapshot-reported', peer: to, sent });
  }

  #send(message: Message): void {
    this.network.push(message);
    this.sent.push(message);
  }
}

function termRuns(entries: readonly Entry[]): readonly TermRun[] {
  const runs: TermRun[] = [];
  for (const entry of entries) {
    if (runs[runs.length - 1]?.term !== entry.term)
      runs.push({ from: entry.index, term: entry.term });
  }
  return runs;
}
