// Goal: a leader that doubts its state answers for no lease, and forgets nothing of what it has
// proposed before. Method: the work of a leader over a replica and a store that are scripts.
import { term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { KvStore } from '@holdfast/mvcc/kv-store';
import type { Replica } from '@holdfast/replica/replica';
import { expect, it } from 'vitest';

import { LeaderWork } from './leader-work.ts';

function leading() {
  const clock = new ManualClock();
  const lease = { id: 7n, grantedAt: 1, ttlMs: 1000, remainingMs: 1000, keyCount: 0 };
  const leases = new Map([[7n, lease]]);
  const state = { isDoubted: false, proposed: 0 };
  const replica = {
    ...{ isLeader: true, term: term(3) },
    confirmLeadership: () => Promise.resolve(term(3)),
    // In the log, and not answered.
    proposeIn: () => {
      state.proposed += 1;
      return new Promise(() => undefined);
    },
  };
  const view = { get: (id: bigint) => leases.get(id), ids: () => leases.keys(), size: 1 };
  const work = new LeaderWork({
    clock,
    store: { leases: view } as unknown as KvStore,
    replica: replica as unknown as Replica,
    ...{ configured: () => [], settled: () => [], isDoubted: () => state.isDoubted },
    yieldNow: () => Promise.resolve(),
    onProblem: (_what, error) => {
      throw error;
    },
  });
  return { clock, state, lessor: work.lessor };
}

it('confirms no lease while it doubts its state', async () => {
  const { state, lessor } = leading();
  await expect(lessor.keepAlive(7n)).resolves.toMatchObject({ ttlMs: 1000 });
  state.isDoubted = true;
  await expect(lessor.keepAlive(7n)).rejects.toMatchObject({ code: 'not-leader' });
  await expect(lessor.timeToLive(7n)).rejects.toMatchObject({ code: 'not-leader' });
});

it('proposes no end of a lease while it doubts its state', async () => {
  const { clock, state, lessor } = leading();
  await lessor.keepAlive(7n);
  state.isDoubted = true;
  await clock.advanceAsync(2000);
  await lessor.attend();
  expect(state.proposed).toBe(0);
});

it('keeps in mind over a doubt that the end of a lease is in the log', async () => {
  const { clock, state, lessor } = leading();
  await lessor.keepAlive(7n);
  await clock.advanceAsync(2000);
  void lessor.attend();
  await clock.advanceAsync(0);
  expect(state.proposed).toBe(1);
  for (const isDoubted of [true, false]) {
    state.isDoubted = isDoubted;
    const code = isDoubted ? 'not-leader' : 'not-found';
    await expect(lessor.keepAlive(7n)).rejects.toMatchObject({ code });
  }
});
