// How many bytes live in each keyspace and in each namespace of configurations, and how many may
// (safety.md 9). What is counted are living keys: a delete sets its bytes free at once. The limits
// are replicated state like any other; the counts follow from the records, and are counted anew
// when an image is loaded.
//
//   keyspace 1      every living record: key, value and what the store keeps beside them
//   configurations  heads, and each version's content: as many times as versions refer to it,
//                   whether or not it lies there once. The small records of changes and deletes are
//                   free, so that a delete never needs room
import { assert } from '@holdfast/base/assert';
import { toText } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { spaceNameFault } from '@holdfast/base/space-name';
import type { SetQuotaRequest } from '@holdfast/proto/internal';
import { recordBytes } from './record-slab.ts';

export const configsKeyspace = 2;
const quotasMax = 10_000;

/** Whose bytes: of a keyspace, or of one namespace in it. */
export type QuotaScope = { readonly keyspace: number; readonly namespace: string };
export type Quota = QuotaScope & { readonly bytesMax: number };
export type QuotaUse = QuotaScope & {
  readonly bytes: number;
  /** 0: as many as fit. */
  readonly bytesMax: number;
};

/** What one record counts for. */
export type Charge = { readonly namespace: string; readonly bytes: number };

type Account = { readonly scope: QuotaScope; bytes: number; bytesMax: number };

export class QuotaTable {
  readonly #accounts = new Map<string, Account>();
  #limits = 0;

  constructor(quotas: readonly Quota[] = []) {
    for (const quota of quotas) this.#limit(quota);
  }

  /** The limits, in the order of their scopes. */
  get quotas(): readonly Quota[] {
    return this.uses.flatMap(({ bytes: _, ...quota }) => (quota.bytesMax > 0 ? [quota] : []));
  }

  /** All that count anything or are limited, in order. */
  get uses(): readonly QuotaUse[] {
    const all = [...this.#accounts.values()];
    return all
      .map(({ scope, bytes, bytesMax }) => ({ ...scope, bytes, bytesMax }))
      .sort((a, b) => a.keyspace - b.keyspace || compareText(a.namespace, b.namespace));
  }

  /** Whether anything is limited at all. */
  get isLimiting(): boolean {
    return this.#limits > 0;
  }

  /** Zero bytes lift the limit. Throws `invalid-argument`, `too-large`. */
  set(request: SetQuotaRequest): void {
    checkQuota(request);
    if (this.#limits >= quotasMax && request.bytesMax > 0 && !this.#limitOf(request)) {
      throw new HoldfastError('too-large', `there are at most ${quotasMax} quotas`);
    }
    this.#limit(request);
  }

  /** A record came, went (negative bytes), or both. */
  count(keyspace: number, { namespace, bytes }: Charge): void {
    this.#add({ keyspace, namespace: '' }, bytes);
    if (namespace !== '') this.#add({ keyspace, namespace }, bytes);
  }

  /** Throws `quota-exceeded` where a write grows what is limited beyond its limit. */
  check(growth: QuotaGrowth): void {
    for (const { scope, bytes } of growth.all) {
      if (bytes <= 0) continue;
      const account = this.#accounts.get(keyOf(scope));
      if (!account || account.bytesMax === 0 || account.bytes + bytes <= account.bytesMax) continue;
      throw new HoldfastError(
        'quota-exceeded',
        `${describeScope(scope)} holds ${account.bytes} of its ${account.bytesMax} bytes, and ` +
          `this write needs ${bytes} more: delete what is not needed, or raise the quota ` +
          '(holdfast quota set)',
      );
    }
  }

  /** For tests and the simulator: the same counts, made from scratch. */
  validate(counted: QuotaTable): void {
    const now = JSON.stringify(this.uses.filter(({ bytes }) => bytes !== 0));
    const then = JSON.stringify(counted.uses.map((use) => ({ ...use, bytesMax: this.#max(use) })));
    assert(now === then, `the accounts count the records (${now}, ${then})`);
  }

  #max(scope: QuotaScope): number {
    return this.#accounts.get(keyOf(scope))?.bytesMax ?? 0;
  }

  #limitOf(scope: QuotaScope): boolean {
    return this.#max(scope) > 0;
  }

  #limit({ keyspace, namespace, bytesMax }: Quota): void {
    const account = this.#account({ keyspace, namespace });
    this.#limits += Math.sign(bytesMax) - Math.sign(account.bytesMax);
    account.bytesMax = bytesMax;
    this.#dropIfIdle(account);
  }

  #add(scope: QuotaScope, bytes: number): void {
    const account = this.#account(scope);
    account.bytes += bytes;
    assert(account.bytes >= 0, 'no account holds less than nothing');
    this.#dropIfIdle(account);
  }

  #account(scope: QuotaScope): Account {
    const key = keyOf(scope);
    let account = this.#accounts.get(key);
    if (!account) {
      account = { scope, bytes: 0, bytesMax: 0 };
      this.#accounts.set(key, account);
    }
    return account;
  }

  #dropIfIdle({ scope, bytes, bytesMax }: Account): void {
    if (bytes === 0 && bytesMax === 0) this.#accounts.delete(keyOf(scope));
  }
}

/** What one command would add to each scope; what it deletes counts against it. */
export class QuotaGrowth {
  readonly #bytes = new Map<string, { readonly scope: QuotaScope; bytes: number }>();

  get all(): Iterable<{ readonly scope: QuotaScope; readonly bytes: number }> {
    return this.#bytes.values();
  }

  add(keyspace: number, { namespace, bytes }: Charge): void {
    this.#add({ keyspace, namespace: '' }, bytes);
    if (namespace !== '') this.#add({ keyspace, namespace }, bytes);
  }

  #add(scope: QuotaScope, bytes: number): void {
    const known = this.#bytes.get(keyOf(scope));
    if (known) known.bytes += bytes;
    else this.#bytes.set(keyOf(scope), { scope, bytes });
  }
}

const nothing: Charge = { namespace: '', bytes: 0 };

/** What a living record counts for. */
export function chargeOf(keyspace: number, key: Uint8Array, value: Uint8Array): Charge {
  const bytes = recordBytes(key.length, value.length);
  if (keyspace !== configsKeyspace) return { namespace: '', bytes };
  // As domain/config-key.ts lays them out: `c 0 namespace 0 ...`, `r 0 hash namespace 0 ...`.
  if (key[0] === headKind) return { namespace: nameAt(key, 2), bytes };
  if (key[0] !== referenceKind) return nothing;
  return { namespace: nameAt(key, 2 + hashBytes), bytes: bytes + contentBytes(value) };
}

const headKind = 'c'.charCodeAt(0);
const referenceKind = 'r'.charCodeAt(0);
const hashBytes = 32;

function nameAt(key: Uint8Array, from: number): string {
  const end = key.indexOf(0, from);
  return toText(key.subarray(from, end < 0 ? key.length : end));
}

/** A reference says how long the content is; those of older versions do not. */
function contentBytes(value: Uint8Array): number {
  if (value.length !== 8) return 0;
  return new DataView(value.buffer, value.byteOffset, 8).getFloat64(0, true);
}

function checkQuota({ keyspace, namespace, bytesMax }: SetQuotaRequest): void {
  const isKnown = keyspace === 1 || keyspace === configsKeyspace;
  if (!isKnown || (namespace !== '' && keyspace !== configsKeyspace)) {
    throw new HoldfastError(
      'invalid-argument',
      'a quota is of the keys, of the configurations, or of one of their namespaces',
    );
  }
  if (!Number.isSafeInteger(bytesMax) || bytesMax < 0) {
    throw new HoldfastError('invalid-argument', 'a quota is a number of bytes, or 0 for none');
  }
  const fault = namespace === '' ? undefined : spaceNameFault(namespace);
  if (fault !== undefined) {
    throw new HoldfastError('invalid-argument', `no namespace has such a name: it ${fault}`);
  }
}

const keyOf = ({ keyspace, namespace }: QuotaScope): string => `${keyspace}/${namespace}`;

const compareText = (a: string, b: string): number => (a < b ? -1 : Number(a > b));

const describeScope = ({ keyspace, namespace }: QuotaScope): string =>
  namespace !== ''
    ? `namespace ${namespace}`
    : keyspace === configsKeyspace
      ? 'all configurations together'
      : 'all keys of /v1/kv together';
