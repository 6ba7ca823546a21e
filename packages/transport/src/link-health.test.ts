// Goal: as a table of events. Method: pure transitions, one line each.
import { describe, expect, it } from 'vitest';
import {
  consecutiveFailures,
  newLinkHealth,
  withFailure,
  withRefusal,
  withSilence,
  withSuccess,
} from './link-health.ts';

const failure = (nowMs: number, reason = 'no answer') => ({ nowMs, reason });

describe('link health', () => {
  it('is healthy with 0 failures, degraded with 1 and 2, dead from 3 on', () => {
    let health = newLinkHealth('h:1');
    const states = [health.state.name];
    for (let n = 1; n <= 4; n += 1) {
      health = withFailure(health, failure(n * 10));
      states.push(health.state.name);
    }
    expect(states).toEqual(['healthy', 'degraded', 'degraded', 'dead', 'dead']);
    expect(consecutiveFailures(health)).toBe(4);
    expect(health.state).toEqual({ name: 'dead', failures: 4, reason: 'no answer', sinceMs: 30 });
  });

  it('is dead by silence after as many pings as the ping rule asks for', () => {
    const healthy = newLinkHealth('h:1');
    const nameAfter = (pings: number, deadAt: number): string =>
      withSilence(healthy, pings, { ...failure(1), deadAt }).state.name;
    expect([nameAfter(2, 2), nameAfter(4, 5), nameAfter(5, 5)]).toEqual([
      'dead',
      'degraded',
      'dead',
    ]);
  });

  it('is healthy again after one success', () => {
    const dead = withRefusal(newLinkHealth('h:1'), failure(1, 'refused'));
    expect(dead.state).toMatchObject({ name: 'dead', failures: 3, reason: 'refused' });
    const healthy = withSuccess(dead, 7);
    expect(healthy).toEqual({
      address: 'h:1',
      lastSuccessMs: 7,
      lastCheckMs: 7,
      state: { name: 'healthy' },
    });
  });

  it('remembers the last success through failures', () => {
    const health = withFailure(withSuccess(newLinkHealth('h:1'), 5), failure(9));
    expect(health).toMatchObject({ lastSuccessMs: 5, lastCheckMs: 9 });
  });
});
