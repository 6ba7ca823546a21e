// Goal: a held lease is kept in time, and its holder is told before it may end elsewhere. Method: a
// cluster of one function, on a clock that the test moves.
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';

import type { CallOptions } from './config-api.ts';
import type { LeaseTime } from './lease-api.ts';
import { LeaseKeeper } from './lease-keeper.ts';

function started(answer: (sentMs: number, options: CallOptions) => Promise<LeaseTime>) {
  const clock = new ManualClock();
  const sent: number[] = [];
  const revoked: string[] = [];
  const leases = {
    keepAlive: (_id: string, options: CallOptions = {}) => {
      sent.push(clock.monotonicMs());
      return answer(clock.monotonicMs(), options);
    },
    revoke: async (id: string) => {
      revoked.push(id);
      return { deleted: 0 };
    },
  };
  const ports = { leases, clock, random: new SeededRandom(1) };
  const keeper = new LeaseKeeper({ id: '7', ttlMs: 9000 }, clock.monotonicMs(), ports);
  return { clock, sent, revoked, keeper };
}

const kept = async (): Promise<LeaseTime> => ({ id: '7', ttlMs: 9000, remainingMs: 9000 });

/** As a call over the network: it ends with its signal at the latest. */
const silent = (signal: AbortSignal | undefined): Promise<never> =>
  new Promise((_resolve, reject) => {
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

describe('a held lease', () => {
  it('is kept three times in its time', async () => {
    const { clock, sent, keeper } = started(kept);
    await clock.advanceAsync(90_000);
    expect(sent.length).toBeGreaterThanOrEqual(30);
    expect(sent.length).toBeLessThanOrEqual(40);
    expect(keeper.lost.aborted).toBe(false);
    await keeper[Symbol.asyncDispose]();
    expect(clock.pendingCount).toBe(0);
  });

  it('is lost at once when the cluster says so', async () => {
    const { clock, keeper } = started(async (sentMs) => {
      if (sentMs === 0) return kept();
      throw new HoldfastError('not-found', 'requested lease not found');
    });
    await clock.advanceAsync(3000);
    expect(keeper.lost.aborted).toBe(true);
    await keeper[Symbol.asyncDispose]();
  });

  it('is lost, counted from the last acknowledged sending, when nobody answers', async () => {
    const { clock, sent, keeper } = started((sentMs, { signal }) =>
      sentMs === 0 ? kept() : silent(signal),
    );
    await clock.advanceAsync(8999);
    expect(keeper.lost.aborted).toBe(false);
    expect(sent.length).toBeGreaterThan(1);
    await clock.advanceAsync(1);
    expect(keeper.lost.aborted).toBe(true);
    await keeper[Symbol.asyncDispose]();
    expect(clock.pendingCount).toBe(0);
  });

  it('tries again soon what failed', async () => {
    const { clock, sent, keeper } = started(async (sentMs) => {
      if (sentMs < 5000) throw new HoldfastError('no-leader', 'an election');
      return kept();
    });
    await clock.advanceAsync(8000);
    expect(sent.length).toBeGreaterThanOrEqual(6);
    expect(keeper.lost.aborted).toBe(false);
    await keeper[Symbol.asyncDispose]();
  });

  it('is ended by its holder', async () => {
    const { clock, revoked, keeper } = started(kept);
    await clock.advanceAsync(1000);
    await keeper.revoke();
    expect(revoked).toEqual(['7']);
    expect(clock.pendingCount).toBe(0);
  });
});
