// Goal: apply refuses what was allowed by other access rules than those in force, the same on every
// member, and nothing else. Method: entries on the store itself, with the key that stands for the
// rules written as any other.
import { index, term } from '@holdfast/base/ids';
import {
  encodeEntryEnvelope,
  encodeEntryGroup,
  ownAuthRevision,
  stampEntryEnvelope,
} from '@holdfast/proto/entry-envelope';
import { Command, type CommandResult } from '@holdfast/proto/internal';
import { beforeEach, describe, expect, it } from 'vitest';
import { accessKeyspace } from './access-gate.ts';
import {
  applyAll,
  bytes,
  chunked,
  collect,
  command,
  del,
  failureCode,
  grant,
  newStoreAtThree,
  put,
  register,
  text,
  yieldNow,
} from './command.fixture.ts';
import { KvStore } from './kv-store.ts';

let store: KvStore;

beforeEach(() => {
  store = newStoreAtThree();
});

/** Applies a command that was allowed at that revision of the rules. */
function applyAllowed(
  one: Command,
  authRevision: bigint,
  place: { readonly sequence?: bigint } = {},
) {
  const [result] = applyPayload(envelope(one, authRevision, place));
  return result as CommandResult;
}

function envelope(
  one: Command,
  authRevision: bigint,
  { sequence = 0n }: { readonly sequence?: bigint } = {},
): Uint8Array {
  return encodeEntryEnvelope({
    proposedAtMs: timeMs(),
    sessionId: sequence > 0n ? 9n : 0n,
    sequence,
    pendingSpan: 0,
    traceId: 0n,
    authRevision,
    actor: 'test',
    body: Command.encode(one).finish(),
  });
}

const timeMs = (): number => Math.max(store.appliedIndex + 1, store.lastProposedAtMs);

/** The results of its commands. */
function applyPayload(payload: Uint8Array): readonly CommandResult[] {
  const at = index(store.appliedIndex + 1);
  const [result] = store.apply([{ index: at, term: term(1), kind: 'command', payload }]);
  return [result ?? []].flat();
}

/** Access control is on, or its rules have changed: answers their revision. */
function change(): bigint {
  const gate = put('g', '', { keyspace: accessKeyspace });
  return BigInt(applyAllowed(gate, ownAuthRevision).revision);
}

const shown = (key: string): string | undefined => {
  const range = { keyspace: 1, key: bytes(key), rangeEnd: bytes(''), limit: 0, revision: 0 };
  const { kvs } = store.range({ ...range, keysOnly: false, countOnly: false });
  return kvs[0] && text(kvs[0].value);
};

describe('a command', () => {
  it('needs nobody to have allowed it while access control is off', () => {
    expect(store.accessRevision).toBe(0);
    expect(failureCode(applyAllowed(put('a', '1'), 0n))).toBeUndefined();
    expect(failureCode(applyAllowed(put('a', '2'), ownAuthRevision))).toBeUndefined();
    expect(failureCode(applyAllowed(put('a', '3'), 7n))).toBe('access-changed');
    expect(shown('a')).toBe('2');
  });

  it('is refused where it was allowed before access control was on, or by older rules', () => {
    const first = change();
    expect(store.accessRevision).toBe(Number(first));
    expect(failureCode(applyAllowed(put('a', '1'), 0n))).toBe('access-changed');
    expect(failureCode(applyAllowed(put('a', '2'), first))).toBeUndefined();
    const second = change();
    const revision = store.revision;
    for (const one of [put('a', '3'), del('a'), grant(7n), command('compact', { revision: 2 })]) {
      expect(failureCode(applyAllowed(one, first))).toBe('access-changed');
    }
    expect([store.revision, store.compactRevision, shown('a')]).toEqual([revision, 0, '2']);
    expect(failureCode(applyAllowed(put('a', '4'), second))).toBeUndefined();
  });

  it('is the cluster own work whatever the rules are', () => {
    change();
    expect(failureCode(applyAllowed(put('a', '1'), ownAuthRevision))).toBeUndefined();
  });

  it('needs nobody again when access control is off', () => {
    const allowedAt = change();
    applyAllowed(del('g', '', { keyspace: accessKeyspace }), ownAuthRevision);
    expect(store.accessRevision).toBe(0);
    expect(failureCode(applyAllowed(put('a', '1'), allowedAt))).toBe('access-changed');
    expect(failureCode(applyAllowed(put('a', '1'), 0n))).toBeUndefined();
  });

  it('is not held against a gate of another keyspace, or another key of its own', () => {
    applyAll(store, put('g', ''), put('gg', '', { keyspace: accessKeyspace }));
    expect(store.accessRevision).toBe(0);
  });

  it('in a session may come again when it was refused so, and has its answer when it was not', () => {
    const before = change();
    applyAllowed(register(9n), ownAuthRevision);
    const now = change();
    const write = put('a', '1', { prevKv: true });
    expect(failureCode(applyAllowed(write, before, { sequence: 1n }))).toBe('access-changed');
    expect(failureCode(applyAllowed(write, now, { sequence: 1n }))).toBeUndefined();
    const { revision } = store;
    change();
    const again = applyAllowed(write, now, { sequence: 1n });
    expect([failureCode(again), again.revision]).toEqual([undefined, revision]);
  });

  it('that ends a lease is refused where a key of it was written since it was judged', () => {
    applyAll(store, grant(7n), put('a', '1', { lease: 7n }));
    const judgedAt = store.revision;
    applyAll(store, put('b', '1', { lease: 7n }));
    const revoke = (at: number): Command => command('leaseRevoke', { id: 7n, judgedAt: at });
    expect(failureCode(applyAll(store, revoke(judgedAt)))).toBe('access-changed');
    expect(shown('a')).toBe('1');
    expect(failureCode(applyAll(store, revoke(store.revision)))).toBeUndefined();
    expect([shown('a'), shown('b')]).toEqual([undefined, undefined]);
  });
});

describe('commands of one entry', () => {
  it('are judged one by one, by what those before them have changed', () => {
    const before = change();
    const gate = put('g', '', { keyspace: accessKeyspace });
    const group = encodeEntryGroup([
      envelope(put('a', '1'), before),
      envelope(gate, ownAuthRevision),
      envelope(put('b', '1'), before),
      envelope(put('c', '1'), ownAuthRevision),
    ]);
    stampEntryEnvelope(group, timeMs());
    const codes = applyPayload(group).map(failureCode);
    expect(codes).toEqual([undefined, undefined, 'access-changed', undefined]);
    expect([shown('a'), shown('b'), shown('c')]).toEqual(['1', undefined, '1']);
    expect(store.accessRevision).toBe(Number(before) + 2);
  });
});

describe('the gate', () => {
  it('stands in an image', async () => {
    change();
    const image = await collect(store.image().chunks());
    const other = new KvStore({ yieldNow });
    await other.restore({ index: store.appliedIndex }, chunked(image, 1000));
    expect(other.accessRevision).toBe(store.accessRevision);
    expect(other.accessRevision).toBeGreaterThan(0);
  });

  it('that was deleted is off in an image, too', async () => {
    change();
    applyAllowed(del('g', '', { keyspace: accessKeyspace }), ownAuthRevision);
    const image = await collect(store.image().chunks());
    const other = new KvStore({ yieldNow });
    await other.restore({ index: store.appliedIndex }, chunked(image, 1000));
    expect(other.accessRevision).toBe(0);
  });
});
