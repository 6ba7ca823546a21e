// Goal: who waits for a leader waits 900 ms at most, is let through at once when there is one, and
// leaves nothing behind (safety.md 23). Method: the waiting lists and the age alone, on a clock
// that stands.
import { index } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { newConfiguration } from '@holdfast/raft/configuration';
import { describe, expect, it } from 'vitest';
import { bootClock } from './boot-clock.ts';
import { Contacts } from './contacts.ts';
import { Freshness } from './freshness.ts';
import { type LeaderView, LeaderWait } from './leader-wait.ts';
import { idOf } from './replica.fixture.ts';
import { RequestIds } from './request-ids.ts';

const noLeader: LeaderView = {
  leader: undefined,
  quorumReachable: true,
  missingVoters: [],
  leaderlessMs: 0,
};

function newWait(view: LeaderView, callsMax = 10) {
  const clock = new ManualClock();
  const current = { view };
  const describeMember = (id: bigint): string => `n${id}`;
  const wait = new LeaderWait({
    clock,
    view: () => current.view,
    describe: describeMember,
    callsMax,
  });
  return { clock, wait, current };
}

describe('LeaderWait', () => {
  it('ends when a leader is known, and after its time', async () => {
    const { clock, wait } = newWait(noLeader);
    const [released, late] = [wait.wait(900), wait.wait(10)];
    const refused = expect(late).rejects.toMatchObject({ code: 'no-leader' });
    await clock.advanceAsync(10);
    await refused;
    wait.release();
    await released;
    expect(clock.pendingCount).toBe(0);
  });

  it('refuses at once without a quorum, and names who is missing', async () => {
    const missing = { quorumReachable: false, missingVoters: [idOf(2), idOf(3)] };
    const view = { leader: undefined, ...missing, leaderlessMs: 0 };
    await expect(newWait(view).wait.wait(900)).rejects.toMatchObject({
      code: 'no-quorum',
      details: { missingVoters: ['n2', 'n3'] },
    });
  });

  it('is left with the signal, and takes only so many', async () => {
    const { clock, wait } = newWait(noLeader, 1);
    const controller = new AbortController();
    const waiting = wait.wait(900, controller.signal);
    await expect(wait.wait(900)).rejects.toMatchObject({ code: 'resource-exhausted' });
    controller.abort(new Error('gone'));
    await expect(waiting).rejects.toThrow('gone');
    expect(clock.pendingCount).toBe(0);
  });
});

describe('Contacts', () => {
  it('say whether a quorum was heard lately, and who was not', () => {
    const contacts = new Contacts();
    const five = newConfiguration({ voters: [1, 2, 3, 4, 5].map(idOf) });
    contacts.heard(idOf(2), 100);
    contacts.heard(idOf(3), 200);
    expect(contacts.reachQuorum(five, idOf(1), 100)).toBe(true);
    expect(contacts.reachQuorum(five, idOf(1), 101)).toBe(false);
    expect(contacts.missingVoters(five, idOf(1), 101)).toEqual([2, 4, 5].map(idOf));
    contacts.refused(idOf(3));
    expect(contacts.isReachable(idOf(3), 0)).toBe(false);
  });
});

describe('Freshness', () => {
  const mark = (stampMs: number, at: number) => ({ stampMs, index: index(at) });
  const now = (nowMs: number, at: number) => ({ nowMs, applied: index(at) });

  it('is unknown first, then counts from the stamp, once its index is applied', () => {
    const freshness = new Freshness(1000);
    freshness.confirmed(mark(1100, 5), now(1150, 4));
    expect(freshness.ageMs(1200)).toBeUndefined();
    freshness.applied(index(5));
    expect(freshness.ageMs(1200)).toBe(100);
    freshness.confirmed(mark(1050, 5), now(1200, 5));
    expect(freshness.ageMs(1200)).toBe(100);
  });

  it('knows nothing from the stamps of another boot', () => {
    const freshness = new Freshness(1000);
    freshness.confirmed(mark(999, 1), now(1100, 9));
    freshness.confirmed(mark(1101, 1), now(1100, 9));
    expect(freshness.ageMs(1100)).toBeUndefined();
  });

  it('of a state that lags for long is known as soon as the first mark is applied', () => {
    const freshness = new Freshness(0);
    for (let at = 1; at <= 1000; at += 1) freshness.confirmed(mark(at, at), now(at, 0));
    freshness.applied(index(1));
    expect(freshness.ageMs(1000)).toBe(999);
    freshness.applied(index(1000));
    expect(freshness.ageMs(1000)).toBe(0);
  });
});

describe('a boot', () => {
  it('shares neither its time nor its request ids with another one', () => {
    const clock = new ManualClock();
    const times = [1, 2].map((seed) => bootClock(clock, new SeededRandom(seed)).monotonicMs());
    expect(Math.abs((times[0] ?? 0) - (times[1] ?? 0))).toBeGreaterThan(1e6);
    const ids = [1, 2].map((seed) => new RequestIds(new SeededRandom(seed)).next());
    expect(ids[0]).not.toBe(ids[1]);
  });
});
