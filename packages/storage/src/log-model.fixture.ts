// A plain array that promises what the log promises, and judges what the log says after a crash. It
// keeps every state since the last acknowledged one: a crash may leave any of them, whole or
// without its un-synced end, but nothing that mixes two and nothing that lacks what was
// acknowledged.
import { must } from '@holdfast/base/assert';
import { index, term } from '@holdfast/base/ids';
import { type Entry, type LogId, sameLogId } from '@holdfast/raft/entry';
import type { LogRecovery } from './log-store.ts';

type State = { readonly purged: LogId; readonly entries: readonly Entry[] };

const origin: LogId = { index: index(0), term: term(0) };
const same = (a: Entry | undefined, b: Entry | undefined): boolean =>
  a !== undefined && b !== undefined && a.index === b.index && a.term === b.term;

export class LogModel {
  #acknowledged: State = { purged: origin, entries: [] };
  /** States since, oldest first; the last is what a reader sees now. */
  #since: State[] = [];
  /** A reset that was not acknowledged yet. */
  #resetting: LogId | undefined;
  #purgeMax = 0;

  get entries(): readonly Entry[] {
    return this.#now.entries;
  }

  get last(): LogId {
    return this.entries.at(-1) ?? this.#now.purged;
  }

  get purged(): LogId {
    return this.#now.purged;
  }

  accept(entries: readonly Entry[]): void {
    const first = must(entries[0], 'something is accepted').index;
    const kept = this.entries.filter((entry) => entry.index < first);
    this.#since.push({ purged: this.purged, entries: [...kept, ...entries] });
  }

  synced(): void {
    this.#acknowledged = this.#now;
    this.#since = [];
  }

  purging(through: number): void {
    this.#purgeMax = Math.max(this.#purgeMax, through);
  }

  purgedTo(base: LogId): void {
    const cut = (state: State): State => ({
      purged: base,
      entries: state.entries.filter((entry) => entry.index > base.index),
    });
    this.#acknowledged = cut(this.#acknowledged);
    this.#since = this.#since.map(cut);
  }

  resetting(last: LogId): void {
    this.#resetting = last;
  }

  reset(last: LogId): void {
    this.#resetting = undefined;
    this.#acknowledged = { purged: last, entries: [] };
    this.#since = [];
  }

  /**
   * Undefined if the log may say this after a crash; it is then what the model knows as durable.
   */
  judge(recovery: LogRecovery, found: readonly Entry[]): string | undefined {
    const flaw = this.#flawOf(recovery, found);
    if (flaw) return flaw;
    this.#acknowledged = { purged: recovery.purged, entries: found };
    this.#since = [];
    this.#resetting = undefined;
    return undefined;
  }

  get #now(): State {
    return this.#since.at(-1) ?? this.#acknowledged;
  }

  #flawOf(recovery: LogRecovery, found: readonly Entry[]): string | undefined {
    if (recovery.rot) return `rot where there is none: ${recovery.rot.reason}`;
    const { purged } = recovery;
    const isReset = this.#resetting !== undefined && sameLogId(purged, this.#resetting);
    if (isReset && found.length === 0) return undefined;
    const owed = this.#acknowledged.purged.index;
    if (purged.index < owed) return `purged ${purged.index}, acknowledged ${owed}`;
    if (purged.index > Math.max(owed, this.#purgeMax)) return `purged too much: ${purged.index}`;
    let kept = this.#acknowledged.entries;
    for (const state of [this.#acknowledged, ...this.#since]) {
      kept = commonStart(kept, state.entries);
      const past = (entries: readonly Entry[]): readonly Entry[] =>
        entries.filter((entry) => entry.index > purged.index);
      const isStart = commonStart(past(state.entries), found).length === found.length;
      if (isStart && found.length >= past(kept).length) return undefined;
    }
    const acknowledged = describeEntries(this.#acknowledged.entries);
    return `found ${describeEntries(found)}, acknowledged ${acknowledged}`;
  }
}

function commonStart(a: readonly Entry[], b: readonly Entry[]): readonly Entry[] {
  let count = 0;
  while (same(a[count], b[count])) count += 1;
  return a.slice(0, count);
}

const describeEntries = (entries: readonly Entry[]): string =>
  `${entries.at(0)?.index ?? '-'}..${entries.at(-1)?.index ?? '-'}@${entries.at(-1)?.term ?? '-'}`;
