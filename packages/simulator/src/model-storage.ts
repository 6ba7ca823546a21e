// What one core-only member has on its disk, as a model: a log, a status and snapshots, each with
// what was written and what was synced. Owns what a crash leaves of them; nothing here takes time.
import { assert, must } from '@holdfast/base/assert';
import { type Index, index, type Term, term } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { Configuration, PlacedConfiguration } from '@holdfast/raft/configuration';
import { decodeConfiguration } from '@holdfast/raft/configuration';
import { type Entry, entryBytes, type LogId } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type { HardState } from '@holdfast/raft/ready';

/** A state image: here a rolling checksum of everything applied. */
export type ModelSnapshot = SnapshotMeta & { readonly stateHash: number };

export type ModelStatus = HardState & { readonly lost: boolean };

/** What a start finds, in the shape that the core wants. */
export type ModelRecovery = {
  readonly snapshot: ModelSnapshot;
  readonly status: ModelStatus;
  readonly purged: LogId;
  readonly termRuns: readonly { readonly from: Index; readonly term: Term }[];
  readonly sizes: readonly number[];
  readonly configurations: readonly PlacedConfiguration[];
  readonly commit: Index;
};

/** Entries behind a purge mark; the array's first element is entry purged + 1. */
type LogState = { purged: LogId; entries: Entry[] };

const beforeLog: LogId = { index: index(0), term: term(0) };

export class ModelStorage {
  #accepted: LogState = { purged: beforeLog, entries: [] };
  readonly #durable: LogState = { purged: beforeLog, entries: [] };
  /** Accepted since the last sync, in order; an entry replaces all from its index on. */
  #unsynced: Entry[] = [];
  /** How many of them were handed to the operating system. */
  #submitted = 0;
  #status: ModelStatus;
  #commitHint = index(0);
  /** Of what was handed over: it stands in the same bytes, and is there only if they all are. */
  #submittedHint = index(0);
  /** Newest last; the first is the empty state that the cluster was born with. */
  #snapshots: ModelSnapshot[];

  constructor(configuration: Configuration) {
    this.#status = { term: term(0), vote: undefined, repairing: undefined, lost: false };
    this.#snapshots = [{ last: beforeLog, configuration, stateHash: 0 }];
  }

  get purged(): LogId {
    return this.#accepted.purged;
  }

  get last(): LogId {
    return lastOf(this.#accepted);
  }

  get snapshot(): ModelSnapshot {
    return must(this.#snapshots.at(-1), 'a member always has a state to start from');
  }

  /** Undefined where both copies are unreadable. */
  get savedStatus(): HardState | undefined {
    return this.#status.lost ? undefined : this.#status;
  }

  /** Whether a start finds nothing missing. */
  get isWhole(): boolean {
    return !this.#status.lost && this.#status.repairing === undefined;
  }

  /** Entries [lo, hi), or undefined where some were purged. */
  read(lo: Index, hi: Index): readonly Entry[] | undefined {
    const { purged, entries } = this.#accepted;
    if (lo <= purged.index) return undefined;
    return entries.slice(lo - purged.index - 1, hi - purged.index - 1);
  }

  termAt(at: Index): Term | undefined {
    return termIn(this.#accepted, at);
  }

  /** The term at `at` that every crash would leave. */
  durableTermAt(at: Index): Term | undefined {
    return termIn(this.#durable, at);
  }

  accept(entries: readonly Entry[]): void {
    for (const entry of entries) {
      place(this.#accepted, entry);
      this.#unsynced.push(entry);
    }
  }

  get hasUnsynced(): boolean {
    return this.#unsynced.length > 0;
  }

  /** Hands everything accepted to the operating system; answers how many entries and their end. */
  submit(commitHint: Index): { readonly count: number; readonly end: LogId } {
    this.#submitted = this.#unsynced.length;
    this.#submittedHint = commitHint;
    return { count: this.#submitted, end: this.last };
  }

  /** The sync of the first `count` unsynced entries has ended. */
  synced(count: number): void {
    for (const entry of this.#unsynced.slice(0, count)) place(this.#durable, entry);
    this.#unsynced = this.#unsynced.slice(count);
    this.#submitted -= count;
    this.#commitHint = this.#submittedHint;
  }

  saveStatus(state: HardState): void {
    this.#status = { ...state, lost: false };
  }

  addSnapshot(snapshot: ModelSnapshot): void {
    this.#snapshots.push(snapshot);
  }

  /** Keeps two snapshots, and the log behind the older one. Answers the new purge mark. */
  purgeBehindOlderSnapshot(): LogId | undefined {
    if (this.#snapshots.length < 3) return undefined;
    this.#snapshots = this.#snapshots.slice(-2);
    const { last } = must(this.#snapshots[0], 'two snapshots are kept');
    if (last.index <= this.purged.index) return undefined;
    assert(this.durableTermAt(last.index) === last.term, 'a snapshot covers synced entries alone');
    purge(this.#accepted, last);
    purge(this.#durable, last);
    return last;
  }

  /** An installed snapshot takes the place of state and log, at once and durably. */
  install(snapshot: ModelSnapshot): void {
    this.#snapshots = [snapshot];
    this.#unsynced = [];
    this.#submitted = 0;
    for (const log of [this.#accepted, this.#durable]) {
      log.purged = snapshot.last;
      log.entries = [];
    }
  }

  /** What a crash leaves: of what was written everything (process) or a random part (power). */
  crash(how: 'process' | 'power', random: Random): void {
    const written = this.#submitted;
    const kept = how === 'process' ? written : random.integer(0, written + 1);
    // A start syncs what it finds before it counts as persisted (safety.md 1).
    for (const entry of this.#unsynced.slice(0, kept)) place(this.#durable, entry);
    if (written > 0 && kept === written) this.#commitHint = this.#submittedHint;
    this.#unsynced = [];
    this.#submitted = 0;
    this.#accepted = { purged: this.#durable.purged, entries: [...this.#durable.entries] };
  }

  /** Rot takes synced entries; the start finds it, and says so durably (safety.md 5). */
  rot(random: Random): boolean {
    const { purged, entries } = this.#durable;
    const floor = Math.max(0, this.snapshot.last.index - purged.index);
    if (entries.length <= floor) return false;
    entries.length = random.integer(floor, entries.length);
    this.#accepted = { purged, entries: [...entries] };
    this.#status = { ...this.#status, repairing: { target: index(0) } };
    return true;
  }

  /** Both copies of the status file are unreadable (safety.md 4). */
  loseStatus(): void {
    this.#status = { term: this.last.term, vote: undefined, repairing: undefined, lost: true };
  }

  recover(): ModelRecovery {
    const { purged, entries } = this.#accepted;
    const { snapshot } = this;
    assert(snapshot.last.index <= this.last.index, 'the log reaches the newest snapshot');
    const hint = Math.min(this.#commitHint, this.last.index);
    return {
      snapshot,
      status: this.#status,
      purged,
      termRuns: runsOf(entries),
      sizes: entries.map(entryBytes),
      configurations: this.#configurations(),
      commit: index(Math.max(hint, snapshot.last.index)),
    };
  }

  #configurations(): readonly PlacedConfiguration[] {
    const { snapshot } = this;
    const base = { index: snapshot.last.index, configuration: snapshot.configuration };
    const later = this.#accepted.entries.filter(
      (entry) => entry.kind === 'membership' && entry.index > snapshot.last.index,
    );
    const placed = later.map((entry) => ({
      index: entry.index,
      configuration: decodeConfiguration(entry.payload),
    }));
    return [base, ...placed];
  }
}

const lastOf = ({ purged, entries }: LogState): LogId => {
  const entry = entries.at(-1);
  return entry ? { index: entry.index, term: entry.term } : purged;
};

function termIn({ purged, entries }: LogState, at: Index): Term | undefined {
  return at === purged.index ? purged.term : entries[at - purged.index - 1]?.term;
}

function place(log: LogState, entry: Entry): void {
  const position = entry.index - log.purged.index - 1;
  if (position < 0) return;
  assert(position <= log.entries.length, 'entries are written without a gap');
  log.entries.length = position;
  log.entries.push(entry);
}

function purge(log: LogState, through: LogId): void {
  log.entries = log.entries.slice(through.index - log.purged.index);
  log.purged = through;
}

function runsOf(entries: readonly Entry[]): { from: Index; term: Term }[] {
  const runs: { from: Index; term: Term }[] = [];
  for (const entry of entries) {
    if (runs.at(-1)?.term !== entry.term) runs.push({ from: entry.index, term: entry.term });
  }
  return runs;
}
