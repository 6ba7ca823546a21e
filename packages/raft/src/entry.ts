// What stands in the log. The core reads an entry's place, kind and size; the payload of a command
// is opaque to it, and that of a membership entry is a Configuration that the core itself encoded.
import type { Index, Term } from '@holdfast/base/ids';

/** Names one entry of one log for ever: two logs that share a LogId agree up to it (thesis 3.5). */
export type LogId = { readonly index: Index; readonly term: Term };

/**
 * An entry, and the checksum chain of the log up to and with it, as the log store reckons it:
 * opaque to the core. Equal chains mean equal bytes from the first entry on (safety.md 2).
 */
export type ChainedId = { readonly id: LogId; readonly chain: number };

/**
 * `empty` is a new leader's first entry, or its periodic proof that writes work. It changes
 * nothing.
 */
export type EntryKind = 'command' | 'empty' | 'membership';

export type Entry = {
  readonly index: Index;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly payload: Uint8Array;
};

/** Bytes of log and wire around a payload: the fixed part of a record (docs/formats.md). */
export const entryOverheadBytes = 40;

export const entryBytes = (entry: Entry): number => entryOverheadBytes + entry.payload.length;

export const sameLogId = (a: LogId, b: LogId): boolean => a.index === b.index && a.term === b.term;

/** "At least as up-to-date" (thesis 3.6.1): the later last term wins, then the longer log. */
export const isUpToDate = (candidate: LogId, own: LogId): boolean =>
  candidate.term > own.term || (candidate.term === own.term && candidate.index >= own.index);

export const formatLogId = (id: LogId): string => `${id.index}@${id.term}`;
