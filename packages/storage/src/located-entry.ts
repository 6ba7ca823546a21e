// An entry of the log, and where its record lies: what offline readers give.
import type { Entry } from '@holdfast/raft/entry';

export type LogPlace = { readonly path: string; readonly offset: number };

export type LocatedEntry = { readonly entry: Entry; readonly place: LogPlace };
