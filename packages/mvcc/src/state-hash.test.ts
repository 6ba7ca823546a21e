// Goal: a hash means the same in every release, because members of two releases compare theirs.
// Method: fixed logs and the hashes that they had when their kinds of command were new.
import { type Command, MemberStanding } from '@holdfast/proto/internal';
import { describe, expect, it } from 'vitest';
import {
  applyAll,
  applyAt,
  command,
  compact,
  del,
  grant,
  newStore,
  newStoreAtTwo,
  put,
  register,
  revoke,
} from './command.fixture.ts';

const bind = (memberId: bigint): Command =>
  command('bindMember', {
    memberId,
    storeId: memberId + 100n,
    name: `n${memberId}`,
    peerAddresses: [`127.0.0.1:${4650n + memberId}`],
    clientAddresses: [],
    version: 1,
    standing: MemberStanding.JOINED,
  });

describe('the hash of the state', () => {
  it('after a log of cluster version 1 is that of the first release', () => {
    const store = newStore();
    applyAll(store, bind(1n), bind(2n), put('a', '1'), put('b', '2'), put('a', '3'));
    applyAll(store, put('c', 'x', { keyspace: 2 }), del('b'), put('d', 'kept'));
    applyAll(store, compact(4), put('a', '4'));
    expect(store.describe()).toBe(
      'applied=10 revision=8 compacted=4 keys=3 bytes=480 hash=0a46b3812f869793',
    );
  });

  it('after a log of leases and sessions stays what it was', () => {
    const store = newStoreAtTwo();
    applyAll(store, grant(1n), grant(2n, 60_000), put('a', '1', { lease: 1n }));
    applyAll(
      store,
      command('leaseCheckpoint', { leases: [{ id: 2n, remainingMs: 5, grantedAt: 0 }], term: 1 }),
    );
    applyAll(store, revoke(1n), register(1n << 63n), register(9n));
    const session = { sessionId: 1n << 63n, sequence: 1n << 40n, pendingSpan: 3 };
    applyAt(store, { session }, put('b', '2', { prevKv: true }));
    applyAt(store, { session: { ...session, sequence: 1n } }, put('c', ''));
    applyAt(store, { session: { ...session, pendingSpan: 2 } }, put('b', 'again'));
    const failing = { session: { ...session, sequence: session.sequence + 1n } };
    applyAt(store, failing, put('b', '', { lease: 77n }));
    applyAll(store, command('sessionClose', { id: 9n }));
    expect(store.describe()).toBe(
      'applied=14 revision=4 compacted=0 keys=1 bytes=240 hash=f3ea289a4772c432',
    );
  });
});
