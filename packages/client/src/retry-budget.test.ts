// Goal: one client asks again at most ten times a second in the long run, whatever refuses it, and
// says so; a call still waits for what may come before its deadline. Method: scripted
// endpoints, steady callers, and a clock that the test moves.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { scriptedCaller } from './caller.fixture.ts';
import type { Call } from './caller.ts';
import { resumingWatch } from './resuming-watch.ts';
import { defaultRetrySettings, RetryBudget, type RetrySettings } from './retry-budget.ts';
import { type Behaviour, fine, refusal, settled, slow } from './scripted-http.fixture.ts';

const seconds = 30;
const callsPerSecond = 50;
/** What may be asked more than once: what was saved, and ten a second. */
const extraMax = 100 + 10 * (seconds + 10);

const read: Call = { kind: 'read', method: 'GET', path: '/v1/kv/a' };
const once: Call = { kind: 'once', method: 'PUT', path: '/v1/kv/a' };

const count = (sent: readonly string[], method: string): number =>
  sent.filter((line) => line.startsWith(method)).length;

/** Fifty calls a second for a minute; how each ended. */
async function load(
  { caller, clock }: ReturnType<typeof scriptedCaller>,
  call: Call,
): Promise<string[]> {
  const ends: Promise<string>[] = [];
  for (let at = 0; at < seconds * callsPerSecond; at += 1) {
    const end = caller.call(call).then(
      () => 'fine',
      (error: Error) => error.message,
    );
    ends.push(end);
    await clock.advanceAsync(1000 / callsPerSecond);
  }
  return settled(clock, Promise.all(ends));
}

describe('the bucket', () => {
  it('gives as many as it holds, then ten a second, and fills up in a rest', () => {
    const clock = new ManualClock();
    const budget = new RetryBudget({ clock, settings: () => defaultRetrySettings });
    const taken = (tries: number): number =>
      Array.from({ length: tries }, () => budget.take()).filter(Boolean).length;
    expect(taken(1000)).toBe(100);
    clock.advance(1000);
    expect(taken(1000)).toBe(10);
    clock.advance(3_600_000);
    expect(taken(1000)).toBe(100);
  });

  it('goes by the settings of the moment', () => {
    const clock = new ManualClock();
    let settings: RetrySettings = { perSecond: 0, burst: 0 };
    const budget = new RetryBudget({ clock, settings: () => settings });
    clock.advance(60_000);
    expect(budget.take()).toBe(false);
    settings = { perSecond: 1, burst: 1 };
    clock.advance(1000);
    expect([budget.take(), budget.take()]).toEqual([true, false]);
  });
});

describe('a cluster that refuses fifty calls a second', () => {
  it.each([
    ['reads', read, 'GET', 'no-leader'],
    ['writes', once, 'PUT', 'resource-exhausted'],
    ['writes without a quorum', once, 'PUT', 'no-quorum'],
  ] as const)('is asked ten times a second more: %s', async (_, call, method, code) => {
    const refusing: Behaviour = (request) =>
      (request.path === '/ping' ? fine : refusal(code))(request);
    const world = scriptedCaller({ a: refusing, b: refusing, c: refusing });
    world.network.sent.length = 0;
    const ends = await load(world, { ...call, timeoutMs: 5_000 });
    const extra = count(world.network.sent, method) - ends.length;
    expect(extra).toBeGreaterThan(extraMax / 2);
    expect(extra).toBeLessThanOrEqual(extraMax);
    expect(ends.at(-1)).toContain("this client's retry budget is spent");
    world.close();
    await world.clock.advanceAsync(0);
    expect(world.clock.pendingCount).toBe(0);
  });

  it('is not asked again by a call for which another second changes nothing', async () => {
    const world = scriptedCaller({ a: refusal('no-quorum') });
    while (world.budget.take());
    const startMs = world.clock.monotonicMs();
    await expect(settled(world.clock, world.caller.call(read))).rejects.toMatchObject({
      code: 'no-quorum',
      outcome: 'not-applied',
      message: "no (this client's retry budget is spent)",
    });
    expect(world.clock.monotonicMs() - startMs).toBeLessThanOrEqual(60);
    expect(world.network.sent).toHaveLength(1);
    world.close();
  });
});

describe('watches that are refused', () => {
  it('begin anew ten times a second at most, all together', async () => {
    const refusing: Behaviour = (request) =>
      (request.path === '/ping' ? fine : refusal('unavailable'))(request);
    const world = scriptedCaller({ a: refusing });
    const options = { path: '/v1/watch', fromRevision: 5, signal: undefined };
    const ends = Array.from({ length: 100 }, () =>
      resumingWatch(options, world)
        .next()
        .catch((error: Error) => error.message),
    );
    await world.clock.advanceAsync(seconds * 1000);
    expect(world.network.count('GET a')).toBeGreaterThan(extraMax / 2);
    expect(world.network.count('GET a')).toBeLessThanOrEqual(100 + extraMax);
    world.close();
    expect(new Set(await Promise.all(ends))).toEqual(new Set(['closed by the test']));
  });
});

describe('a call without a token', () => {
  it('waits for one, and for a leader that comes before its deadline', async () => {
    const world = scriptedCaller({ a: refusal('no-leader') });
    while (world.budget.take());
    const call = world.caller.call(read);
    await world.clock.advanceAsync(1000);
    world.network.set('a', fine);
    expect((await settled(world.clock, call)).status).toBe(200);
    world.close();
  });
});

describe('an endpoint that is slow and lives', () => {
  it('costs ten hedges a second at most', async () => {
    const world = scriptedCaller({ a: fine, b: fine });
    for (const name of ['a', 'b']) world.network.set(name, slow(world.clock, 600));
    world.network.sent.length = 0;
    const ends = await load(world, read);
    expect(new Set(ends)).toEqual(new Set(['fine']));
    expect(world.network.sent.length - ends.length).toBeLessThanOrEqual(extraMax);
    world.close();
  });
});

describe('a member that has lost the others, and says so', () => {
  it.each(['no-quorum', 'no-leader', 'shutting-down'] as const)(
    'by %s is asked once in a while, and costs no call its answer',
    async (code) => {
      const world = scriptedCaller({ a: refusal(code), b: fine, c: fine });
      const ends = await load(world, read);
      expect(ends.filter((end) => end !== 'fine')).toEqual([]);
      expect(world.network.count('GET a')).toBeLessThanOrEqual(seconds + 1);
      world.close();
    },
  );
});
