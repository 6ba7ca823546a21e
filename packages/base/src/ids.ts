// Branded numbers: a Term cannot be passed where an Index is meant. Each brand has one constructor,
// which asserts its range. Counters are safe integers; opaque 64-bit identities are bigints.
import { violated } from './assert.ts';

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/** A Raft term (thesis 3.3). Zero before the first election. */
export type Term = Branded<number, 'Term'>;
/** A position in the Raft log (thesis 3.5). The first entry is 1; zero means "before the log". */
export type Index = Branded<number, 'Index'>;
/** A version of the whole store, as in etcd: each transaction that writes adds one. */
export type Revision = Branded<number, 'Revision'>;
/** A configured member of the cluster. Never its address: addresses change, the id does not. */
export type MemberId = Branded<bigint, 'MemberId'>;
/** Which cluster a data directory or a connection belongs to. */
export type ClusterId = Branded<bigint, 'ClusterId'>;
/** Joins a proposal or a read of one member's boot to its result. */
export type RequestId = Branded<bigint, 'RequestId'>;
/** The random identity of one data directory (safety.md rule 15). */
export type StoreId = Branded<bigint, 'StoreId'>;

function natural(value: number, name: string): number {
  if (!Number.isSafeInteger(value) || value < 0) {
    violated(`${name} is a natural safe integer (${value})`);
  }
  return value;
}

const unsigned64End = 1n << 64n;

function unsigned64(value: bigint, name: string): bigint {
  if (value < 0n || value >= unsigned64End) {
    violated(`${name} fits in 64 unsigned bits (${value})`);
  }
  return value;
}

export const term = (value: number): Term => natural(value, 'term') as Term;
export const index = (value: number): Index => natural(value, 'index') as Index;
export const revision = (value: number): Revision => natural(value, 'revision') as Revision;
export const memberId = (value: bigint): MemberId => unsigned64(value, 'member id') as MemberId;
export const clusterId = (value: bigint): ClusterId => unsigned64(value, 'cluster id') as ClusterId;
export const requestId = (value: bigint): RequestId => unsigned64(value, 'request id') as RequestId;
export const storeId = (value: bigint): StoreId => unsigned64(value, 'store id') as StoreId;

/** The index after `at`. */
export const next = (at: Index): Index => index(at + 1);
/** The index before `at`; `at` is at least 1. */
export const previous = (at: Index): Index => index(at - 1);
/** `at` moved by `count`, which may be negative. */
export const advance = (at: Index, count: number): Index => index(at + count);
export const minIndex = (a: Index, b: Index): Index => (a < b ? a : b);
export const maxIndex = (a: Index, b: Index): Index => (a > b ? a : b);

/** The sixteen hexadecimal digits that people see for a 64-bit identity. */
export const formatId = (id: bigint): string => id.toString(16).padStart(16, '0');
