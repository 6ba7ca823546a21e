// Goal: to the millisecond: who is let through when, and whose word counts. Method: a
// clock that is advanced, permits kept over changes of the state, and many callers at once.
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker, defaultBreakerSettings, type Permit } from './circuit-breaker.ts';

function newBreaker() {
  const clock = new ManualClock();
  const changes: string[] = [];
  let settings = defaultBreakerSettings;
  const breaker = new CircuitBreaker({
    clock,
    settings: () => settings,
    onChange: (from, to) => changes.push(`${clock.monotonicMs()} ${from.name} > ${to.name}`),
  });
  const admit = (): Permit => {
    const permit = breaker.admit();
    if (!permit) throw new Error(`nobody is let through: ${breaker.state.name}`);
    return permit;
  };
  const fail = (times: number): void => {
    for (let n = 0; n < times; n += 1) admit().failed('no answer');
  };
  const set = (changed: typeof settings): void => {
    settings = changed;
  };
  return { clock, breaker, changes, admit, fail, set };
}

describe('a circuit breaker', () => {
  it('opens at the third failure in a row, blocks for 30 s, then lets a probe through', () => {
    const { clock, breaker, changes, fail, admit } = newBreaker();
    clock.advance(1000);
    fail(2);
    expect(breaker.state).toEqual({ name: 'closed', failures: 2, reason: 'no answer' });
    fail(1);
    expect(breaker.state).toEqual({ name: 'open', sinceMs: 1000, reason: 'no answer' });
    clock.advance(29_999);
    expect(breaker.admit()).toBeUndefined();
    clock.advance(1);
    expect(breaker.state.name).toBe('half-open');
    admit().succeeded();
    expect(breaker.state).toEqual({ name: 'closed', failures: 0, reason: undefined });
    expect(changes).toEqual([
      '1000 closed > open',
      '31000 open > half-open',
      '31000 half-open > closed',
    ]);
  });

  it('opens for another 30 s when the probe fails', () => {
    const { clock, breaker, fail, admit } = newBreaker();
    fail(3);
    clock.advance(30_000);
    const probe = admit();
    clock.advance(2000);
    probe.failed('still nobody');
    expect(breaker.state).toEqual({ name: 'open', sinceMs: 32_000, reason: 'still nobody' });
    clock.advance(29_999);
    expect(breaker.admit()).toBeUndefined();
    clock.advance(1);
    expect(breaker.admit()).toBeDefined();
  });

  it('counts failures in a row alone: one success forgives the ones before', () => {
    const { breaker, fail, admit } = newBreaker();
    for (let n = 0; n < 20; n += 1) {
      fail(2);
      admit().succeeded();
    }
    expect(breaker.state).toEqual({ name: 'closed', failures: 0, reason: undefined });
  });

  it('lets exactly one of 100 callers through when it is half-open', () => {
    const { clock, breaker, fail } = newBreaker();
    fail(3);
    clock.advance(30_000);
    const callers = Array.from({ length: 100 }, () => breaker.admit());
    expect(callers.filter((permit) => permit !== undefined)).toHaveLength(1);
    callers.find((permit) => permit !== undefined)?.succeeded();
    expect(Array.from({ length: 100 }, () => breaker.admit())).not.toContain(undefined);
  });

  it('is neither closed nor held open by calls that began before it opened', () => {
    const { clock, breaker, admit, fail } = newBreaker();
    const early = Array.from({ length: 50 }, admit);
    fail(3);
    const opened = breaker.state;
    early[0]?.succeeded();
    for (const one of early.slice(1, 25)) {
      clock.advance(1000);
      one.failed('late');
      expect(breaker.state).toEqual(opened);
    }
    clock.advance(6000);
    expect(breaker.state.name).toBe('half-open');
    const probe = admit();
    // Nor do they speak for the probe.
    for (const one of early.slice(25, 30)) one.succeeded();
    for (const one of early.slice(30)) one.failed('late');
    expect(breaker.state).toMatchObject({ name: 'half-open', probeSinceMs: 30_000 });
    probe.succeeded();
    expect(breaker.state.name).toBe('closed');
  });

  it('hears each call once', () => {
    const { breaker, admit } = newBreaker();
    const permit = admit();
    for (let n = 0; n < 5; n += 1) permit.failed('the same one');
    expect(breaker.state).toMatchObject({ name: 'closed', failures: 1 });
  });

  it('gives the place of a probe that was given up to the next caller', () => {
    const { clock, breaker, fail, admit } = newBreaker();
    fail(3);
    clock.advance(30_000);
    admit().released();
    const probe = admit();
    expect(breaker.admit()).toBeUndefined();
    probe.succeeded();
    expect(breaker.state.name).toBe('closed');
  });

  it('takes a probe that never says a word for failed', () => {
    const { clock, breaker, fail, admit } = newBreaker();
    fail(3);
    clock.advance(30_000);
    const silent = admit();
    clock.advance(30_000);
    expect(breaker.state).toMatchObject({ name: 'open', sinceMs: 60_000 });
    silent.succeeded();
    expect(breaker.state.name).toBe('open');
  });

  it('trips at once, for 30 s and no longer, and closes at a hello', () => {
    const { clock, breaker, changes } = newBreaker();
    breaker.trip('refused');
    clock.advance(20_000);
    breaker.trip('refused again');
    expect(breaker.state).toEqual({ name: 'open', sinceMs: 0, reason: 'refused' });
    breaker.close();
    expect(breaker.admit()).toBeDefined();
    breaker.trip('dead');
    clock.advance(30_000);
    breaker.trip('dead still');
    expect(breaker.state).toMatchObject({ name: 'open', sinceMs: 50_000 });
    expect(changes.at(-1)).toBe('50000 half-open > open');
  });

  it('goes by the settings of the moment', () => {
    const { clock, breaker, fail, set } = newBreaker();
    set({ failuresMax: 1, openMs: 30_000 });
    fail(1);
    expect(breaker.state.name).toBe('open');
    set({ failuresMax: 1, openMs: 100 });
    clock.advance(100);
    expect(breaker.state.name).toBe('half-open');
  });
});
