// The log's own time: the leader's wall clock, made to never go back along the log. It is the only
// time that apply may use, so a new leader must know the latest one that any entry before carries.
import { index } from '@holdfast/base/ids';
import { entryProposedAtMs, stampEntryEnvelope } from '@holdfast/proto/entry-envelope';
import type { Entry, LogId } from '@holdfast/raft/entry';
import type { Proposal } from '@holdfast/raft/input';
import type { LogStore } from './ports.ts';

const readCount = 64;

export class LogTime {
  #latestMs = 0;

  /** No time that is given from now on is below it. */
  atLeast(timeMs: number): void {
    this.#latestMs = Math.max(this.#latestMs, timeMs);
  }

  /** These entries stand in the own log now, whoever made them. */
  note(entries: readonly Entry[]): void {
    this.#latestMs = latestTimeMs(entries, this.#latestMs);
  }

  /** Writes the time into each proposal, before any log has accepted it. */
  stamp(proposals: readonly Proposal[], wallMs: number): void {
    this.atLeast(wallMs);
    for (const proposal of proposals) stampEntryEnvelope(proposal.payload, this.#latestMs);
  }
}

/** The time of the last command in (after, last], or `floorMs` where there is none. */
export async function lastLogTimeMs(
  log: Pick<LogStore, 'read'>,
  range: { readonly after: LogId; readonly last: LogId },
  floorMs: number,
): Promise<number> {
  let hi = range.last.index + 1;
  while (hi > range.after.index + 1) {
    const lo = Math.max(range.after.index + 1, hi - readCount);
    const found = await latestBetween(log, lo, hi);
    if (found > Number.NEGATIVE_INFINITY) return Math.max(found, floorMs);
    hi = lo;
  }
  return floorMs;
}

async function latestBetween(log: Pick<LogStore, 'read'>, lo: number, hi: number): Promise<number> {
  let latest = Number.NEGATIVE_INFINITY;
  for (let at = lo; at < hi; ) {
    const entries = await log.read(index(at), index(hi), Number.MAX_SAFE_INTEGER);
    latest = latestTimeMs(entries, latest);
    at += entries.length;
  }
  return latest;
}

/** The latest time of any command among `entries`, at least `floorMs`. */
export function latestTimeMs(entries: readonly Entry[], floorMs: number): number {
  let latest = floorMs;
  for (const entry of entries) {
    if (entry.kind === 'command') latest = Math.max(latest, entryProposedAtMs(entry.payload));
  }
  return latest;
}
