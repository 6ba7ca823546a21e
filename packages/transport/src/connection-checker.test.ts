// Goal: the four reasons of A-08, each apart, and none of them on the own process's account.
// Method: records that differ from a sound one in a single thing; a clock that is advanced, and one
// whose timers come late.
import type { Clock } from '@holdfast/base/clock';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { ConnectionChecker } from './connection-checker.ts';
import { newLinkHealth, withFailure, withSuccess } from './link-health.ts';
import { defaultCheckerSettings, type LinkRecord, reasonToEvict } from './link-record.ts';

const nowMs = 1_000_000;
const sound: LinkRecord = {
  purpose: 'log',
  health: withSuccess(newLinkHealth('h:1'), nowMs - 1000),
  openSinceMs: nowMs - 60_000,
  lastUseMs: nowMs - 1000,
};
const verdict = (record: LinkRecord, settings = defaultCheckerSettings) =>
  reasonToEvict(record, nowMs, settings);
const failed = (times: number) => {
  let { health } = sound;
  for (let n = 0; n < times; n += 1) health = withFailure(health, { nowMs, reason: 'silence' });
  return health;
};

describe('a link is evicted', () => {
  it('never while it is sound, or where there is no connection', () => {
    expect(verdict(sound)).toBeUndefined();
    const gone: LinkRecord = { ...sound, health: failed(5), openSinceMs: undefined };
    expect(verdict(gone)).toBeUndefined();
  });

  it('because it is dead', () => {
    expect(verdict({ ...sound, health: failed(2) })).toBeUndefined();
    expect(verdict({ ...sound, health: failed(3) })).toBe('dead');
  });

  it('because nobody used it for 30 s, unless it is a control connection', () => {
    expect(verdict({ ...sound, lastUseMs: nowMs - 30_000 })).toBeUndefined();
    const idle: LinkRecord = { ...sound, lastUseMs: nowMs - 30_001 };
    expect(verdict(idle)).toBe('idle');
    expect(verdict({ ...idle, purpose: 'bulk' })).toBe('idle');
    expect(verdict({ ...idle, purpose: 'control' })).toBeUndefined();
    expect(verdict({ ...idle, lastUseMs: undefined })).toBe('idle');
    // What was used long ago is another connection than the one that has just been dialled.
    expect(verdict({ ...idle, openSinceMs: nowMs - 5000 })).toBeUndefined();
    expect(verdict(idle, { ...defaultCheckerSettings, idleMs: 60_000 })).toBeUndefined();
  });

  it('because it has failed as often as is allowed', () => {
    const settings = { ...defaultCheckerSettings, failuresMax: 2 };
    expect(verdict({ ...sound, health: failed(1) }, settings)).toBeUndefined();
    expect(verdict({ ...sound, health: failed(2) }, settings)).toBe('failures');
  });

  it('because nobody has judged it for 30 s', () => {
    const judged = (ago: number): LinkRecord => ({
      ...sound,
      health: withSuccess(sound.health, nowMs - ago),
    });
    expect(verdict(judged(30_000))).toBeUndefined();
    expect(verdict(judged(30_001))).toBe('stale');
    expect(verdict({ ...judged(30_001), purpose: 'control' })).toBe('stale');
  });
});

function newChecker(clock: Clock, records: () => readonly LinkRecord[]) {
  const log: string[] = [];
  const checker = new ConnectionChecker({
    clock,
    settings: () => defaultCheckerSettings,
    ownLagMs: () => 250,
    pingWaitMs: () => 1000,
    links: () =>
      records().map((record) => ({
        record,
        ping: () => void log.push(`${clock.monotonicMs()} ping`),
        evict: (reason) => void log.push(`${clock.monotonicMs()} evict ${reason}`),
      })),
  });
  return { checker, log };
}

describe('the checker', () => {
  it('looks every 10 s, and rests when it is closed', () => {
    const clock = new ManualClock();
    let health = withSuccess(newLinkHealth('h:1'), 0);
    const { checker, log } = newChecker(clock, () => [
      { ...sound, purpose: 'control', health, openSinceMs: 0 },
    ]);
    checker.start();
    clock.advance(19_000);
    health = withSuccess(health, clock.monotonicMs());
    clock.advance(30_999);
    expect(log).toEqual([]);
    clock.advance(1);
    expect(log).toEqual(['50000 evict stale']);
    checker.close();
    clock.advance(60_000);
    expect(log).toHaveLength(1);
    expect(clock.pendingCount).toBe(0);
  });

  it('asks once before it judges when this process itself has slept', () => {
    const time = new ManualClock();
    let lateMs = 0;
    const clock: Clock = {
      monotonicMs: () => time.monotonicMs() + lateMs,
      wallMs: () => time.wallMs(),
      schedule: (delayMs, action) => time.schedule(delayMs, action),
    };
    let health = withSuccess(newLinkHealth('h:1'), 0);
    const record = (): LinkRecord => ({ ...sound, purpose: 'control', health, openSinceMs: 0 });
    const { checker, log } = newChecker(clock, () => [record()]);
    checker.start();
    // A minute passes for the world while this process does nothing.
    lateMs = 60_000;
    time.advance(10_000);
    expect(log).toEqual(['70000 ping']);
    health = withSuccess(health, clock.monotonicMs() + 5);
    time.advance(1000);
    expect(log).toHaveLength(1);
    lateMs += 60_000;
    time.advance(10_000);
    time.advance(1000);
    expect(log.slice(1)).toEqual(['141000 ping', '142000 evict stale']);
    checker.close();
  });
});
