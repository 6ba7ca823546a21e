// Which entry of the written log lies where. The log is written strictly forwards: a truncation
// only changes this index, and the group written next says from which index on it replaces what was
// there.
//
//   base < first of segment 1 ... last of segment n = last        (segments may hold no live entry)
import { assert, must } from '@holdfast/base/assert';
import { type Index, index, next, type Term } from '@holdfast/base/ids';
import type { ChainedId, LogId } from '@holdfast/raft/entry';
import { type EntryPosition, EntryPositions } from './entry-positions.ts';
import { groupHeaderBytes, type LogPosition } from './log-group.ts';
import type { LogSegment } from './log-segment.ts';
import { TermRuns } from './term-runs.ts';

/** The entry before the first of the log, and where in the files the log begins. */
export type LogBase = ChainedId & { readonly start: LogPosition };

export type LiveSegment = { readonly segment: LogSegment; readonly positions: EntryPositions };

export class LogIndex {
  #base: LogBase;
  #live: LiveSegment[] = [];
  #last: Index;
  readonly #terms = new TermRuns();

  constructor(base: LogBase) {
    this.#base = base;
    this.#last = base.id.index;
  }

  get base(): LogBase {
    return this.#base;
  }

  get segments(): readonly LogSegment[] {
    return this.#live.map(({ segment }) => segment);
  }

  /** Each segment with its live entries, oldest first. */
  get live(): readonly LiveSegment[] {
    return this.#live;
  }

  get current(): LogSegment {
    return must(this.#live.at(-1), 'the log has a segment').segment;
  }

  get last(): LogId {
    return this.idAt(this.#last);
  }

  /** The entry before the first, and the last one. */
  get extent(): { readonly after: ChainedId; readonly end: ChainedId } {
    const { id, chain } = this.#base;
    return { after: { id, chain }, end: { id: this.last, chain: this.chainAt(this.#last) } };
  }

  get termRuns(): ReturnType<TermRuns['after']> {
    return this.#terms.after(this.#base.id.index);
  }

  addSegment(segment: LogSegment): void {
    this.#live.push({ segment, positions: new EntryPositions() });
  }

  /** Puts a rebuilt segment in the place of the newest, of which no entry is live any more. */
  replaceNewest(segment: LogSegment): void {
    assert(this.current.sequence === segment.sequence, 'a rebuilt segment keeps its sequence');
    this.#live.pop();
    this.addSegment(segment);
  }

  /** Takes the entry after the last into the newest segment. */
  append(id: LogId, position: EntryPosition): void {
    assert(id.index === this.#last + 1, 'the log has no holes');
    must(this.#live.at(-1), 'the log has a segment').positions.push(id.index, position);
    this.#terms.push(id.index, id.term);
    this.#last = id.index;
  }

  /** Forgets every entry after `last`. */
  truncate(last: Index): void {
    assert(last >= this.#base.id.index && last <= this.#last, 'a truncation stays in the log');
    for (const { positions } of this.#live) if (positions.count > 0) positions.truncate(last);
    this.#terms.truncate(last);
    this.#last = last;
  }

  /** The term at `at`, which is the base or an entry of the log. */
  termAt(at: Index): Term {
    if (at === this.#base.id.index) return this.#base.id.term;
    return must(this.#terms.at(at), 'an entry of the log has a term');
  }

  idAt(at: Index): LogId {
    return { index: at, term: this.termAt(at) };
  }

  chainAt(at: Index): number {
    return at === this.#base.id.index ? this.#base.chain : this.positionAt(at).chain;
  }

  positionAt(at: Index): EntryPosition {
    return this.homeOf(at).positions.at(at);
  }

  /** The segment that holds the entry. */
  homeOf(at: Index): LiveSegment {
    assert(at > this.#base.id.index && at <= this.#last, 'the entry is in the log');
    // Nearly always one of the newest segments.
    const home = this.#live.findLast(
      ({ positions }) => positions.count > 0 && positions.first <= at,
    );
    return must(home, 'an entry of the log has a segment');
  }

  /** Payload bytes of each entry, in order. */
  payloadLengths(): number[] {
    const lengths: number[] = [];
    for (const { positions } of this.#live) {
      for (let at = positions.first; at < positions.end; at += 1) {
        lengths.push(positions.at(at).payloadLength);
      }
    }
    return lengths;
  }

  /** The base that the log has once all segments with nothing live after `through` are gone. */
  baseAfterPurge(through: Index): LogBase {
    const dead = this.#deadCount(through);
    const last = this.#live.slice(0, dead).findLast(({ positions }) => positions.count > 0);
    const id = last ? this.idAt(index(last.positions.end - 1)) : this.#base.id;
    const { segment, positions } = must(this.#live[dead], 'the newest segment stays');
    // Before a segment's first live entry lies its group's header; before that, dead groups.
    const offset =
      positions.count > 0 ? positions.at(positions.first).offset - groupHeaderBytes : segment.end;
    const start = { segment: segment.sequence, offset };
    return { id, chain: this.chainAt(id.index), start: dead > 0 ? start : this.#base.start };
  }

  /** Makes `base` the log's beginning; answers the segments before it, which are dead. */
  purge(base: LogBase): readonly LogSegment[] {
    const dead = this.#live.filter(({ segment }) => segment.sequence < base.start.segment);
    this.#live = this.#live.slice(dead.length);
    this.#base = base;
    this.#terms.purge(base.id.index);
    return dead.map(({ segment }) => segment);
  }

  /** The newest segment's live entries from `offset` on: [lo, hi). */
  liveFrom(offset: number): { readonly lo: Index; readonly hi: Index } {
    const { positions } = must(this.#live.at(-1), 'the log has a segment');
    const hi = next(this.#last);
    let lo = hi;
    while (lo > positions.first && positions.count > 0 && positions.at(lo - 1).offset >= offset) {
      lo = index(lo - 1);
    }
    return { lo, hi };
  }

  /** How many segments, from the oldest, hold nothing live after `through`; never the newest. */
  #deadCount(through: Index): number {
    const keep = this.#live.findIndex(
      ({ positions }, at) =>
        at === this.#live.length - 1 || (positions.count > 0 && positions.end - 1 > through),
    );
    return Math.max(0, keep);
  }
}
