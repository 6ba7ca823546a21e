// Permissions on ranges of keys, and what many of them cover together.
import { compareBytes, concatBytes, equalBytes } from '@holdfast/base/bytes';

export type PermissionKind = 'read' | 'write' | 'readwrite';

/** Of the keyspace that clients see; `rangeEnd` as in a range. */
export type Permission = {
  readonly kind: PermissionKind;
  readonly key: Uint8Array;
  readonly rangeEnd: Uint8Array;
};

/** Half-open; `hi` undefined: to the last key. */
export type Span = { readonly lo: Uint8Array; readonly hi: Uint8Array | undefined };

const zero = new Uint8Array([0]);

const isOpenEnded = (rangeEnd: Uint8Array): boolean => rangeEnd.length === 1 && rangeEnd[0] === 0;

/** Whether it can mean anything: etcd's rule. */
export const isPermissionRange = (key: Uint8Array, rangeEnd: Uint8Array): boolean =>
  key.length > 0 &&
  (rangeEnd.length === 0 || isOpenEnded(rangeEnd) || compareBytes(key, rangeEnd) < 0);

/**
 * The keys that a range names. No key is empty, so what begins there begins at the first key there
 * can be. A range that ends before it begins names no key; it stands for the one it begins with.
 */
export function spanOf(key: Uint8Array, rangeEnd: Uint8Array): Span {
  const lo = key.length === 0 ? zero : key;
  if (isOpenEnded(rangeEnd)) return { lo, hi: undefined };
  const isRange = rangeEnd.length > 0 && compareBytes(lo, rangeEnd) < 0;
  return { lo, hi: isRange ? rangeEnd : concatBytes(lo, zero) };
}

export const isSameRange = (
  a: Pick<Permission, 'key' | 'rangeEnd'>,
  b: Pick<Permission, 'key' | 'rangeEnd'>,
): boolean => equalBytes(a.key, b.key) && equalBytes(a.rangeEnd, b.rangeEnd);

/** The union of any spans: sorted, apart from each other. */
export class Coverage {
  readonly #spans: readonly Span[];

  constructor(spans: readonly Span[]) {
    this.#spans = merged([...spans].sort((a, b) => compareBytes(a.lo, b.lo)));
  }

  /** Whether all of it is covered. */
  covers({ lo, hi }: Span): boolean {
    const span = this.#spans[this.#lastFrom(lo)];
    if (!span) return false;
    if (span.hi === undefined) return true;
    return hi !== undefined && compareBytes(hi, span.hi) <= 0;
  }

  /** The place of the last span that begins at `key` or before it, or -1. */
  #lastFrom(key: Uint8Array): number {
    let [low, high] = [0, this.#spans.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (compareBytes((this.#spans[middle] as Span).lo, key) <= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }
}

function merged(sorted: readonly Span[]): readonly Span[] {
  const spans: Span[] = [];
  for (const span of sorted) {
    const last = spans.at(-1);
    if (!last || (last.hi !== undefined && compareBytes(last.hi, span.lo) < 0)) spans.push(span);
    else spans[spans.length - 1] = { lo: last.lo, hi: further(last.hi, span.hi) };
  }
  return spans;
}

const further = (a: Span['hi'], b: Span['hi']): Span['hi'] =>
  a === undefined || b === undefined ? undefined : compareBytes(a, b) >= 0 ? a : b;
