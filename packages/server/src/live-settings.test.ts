// Goal: settings change while a member runs, by an operator and by its file, all or nothing, and
// nobody is left in doubt what holds and why. Method: settings read from a real file, what
// is applied kept in a list.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { LiveSettings } from './live-settings.ts';
import type { Variables } from './setting-sources.ts';
import { type MemberSettings, readSettings } from './settings.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-live-'));
  file = join(folder, 'holdfast.yaml');
});

afterEach(() => rmSync(folder, { recursive: true }));

const variables: Variables = { HOLDFAST_CONNECTION_CHECK_MS: '2000' };

function read(text: string): MemberSettings {
  writeFileSync(file, text);
  return readSettings({ config: file, breakerFailuresMax: '5' }, variables);
}

function started(text = 'connection-idle-ms: 20000\n') {
  const applied: MemberSettings[] = [];
  const apply = (now: MemberSettings): void => void applied.push(now);
  const live = new LiveSettings({ settings: read(text), apply });
  const shown = (key: string): unknown => {
    const { value, source } = live.view[key] ?? {};
    return [value, source];
  };
  return { live, applied, shown };
}

describe('the settings of a running member', () => {
  it('show what holds, where it comes from, and what it may be', () => {
    const { live, shown } = started();
    expect(shown('connection-idle-ms')).toEqual([20_000, 'file']);
    expect(shown('connection-check-ms')).toEqual([2000, 'variable']);
    expect(shown('breaker-failures-max')).toEqual([5, 'flag']);
    expect(live.view['ping-silence-ms']).toEqual({
      value: 4500,
      source: 'default',
      default: 4500,
      lo: 500,
      hi: 5000,
    });
    expect(live.view['log-level']?.of).toContain('debug');
    expect(live.view['data-dir']).toBeUndefined();
  });

  it('change at once, from whatever source they came, until an operator takes it back', () => {
    const { live, applied, shown } = started();
    const changed = live.change({ 'connection-idle-ms': 60_000, 'breaker-failures-max': '7' });
    expect(changed).toEqual({
      'connection-idle-ms': { from: 20_000, to: 60_000 },
      'breaker-failures-max': { from: 5, to: 7 },
    });
    expect(shown('connection-idle-ms')).toEqual([60_000, 'live']);
    expect(applied.at(-1)?.connections).toMatchObject({
      checker: { checkMs: 2000, idleMs: 60_000 },
      breaker: { failuresMax: 7 },
    });
    const back = live.change({ 'connection-idle-ms': null });
    expect(back).toEqual({ 'connection-idle-ms': { from: 60_000, to: 20_000 } });
    expect(shown('connection-idle-ms')).toEqual([20_000, 'file']);
    expect(shown('breaker-failures-max')).toEqual([7, 'live']);
  });

  it.each([
    [{ 'connection-idle': 5 }, 'did you mean connection-idle-ms?'],
    [{ 'data-dir': 'x' }, 'data-dir needs a restart'],
    [{ 'ping-wait-ms': 1.5 }, 'ping-wait-ms is a whole number from 100 to 10000'],
    [{ 'ping-wait-ms': true }, 'not true'],
    [{ 'ping-wait-ms': { a: 1 } }, 'ping-wait-ms is a whole number'],
    [{ 'log-level': 'loud' }, 'log-level is one of'],
    [{ 'connection-stale-ms': 5000 }, '--connection-stale-ms 5000 is too short'],
    [{ 'connection-check-ms': 20_001 }, '--connection-idle-ms 20000 is less than'],
  ])('%j is refused, and what stood beside it as well', (changes, words) => {
    const { live, applied } = started();
    const before = live.view;
    expect(() => live.change({ 'breaker-open-ms': 5000, ...changes })).toThrow(words);
    expect(live.view).toEqual(before);
    expect(applied).toEqual([]);
  });
});

describe('a settings file that is read anew', () => {
  it('changes what may change live, and names what needs a restart', () => {
    const { live, applied, shown } = started();
    const now = read('connection-idle-ms: 40000\nquota-bytes: 4000000\nsegment-bytes: 2000000\n');
    const result = live.reread(now);
    expect(result).toEqual({
      changed: { 'connection-idle-ms': { from: 20_000, to: 40_000 } },
      needRestart: ['quota-bytes', 'segment-bytes'],
      beaten: [],
    });
    expect(shown('connection-idle-ms')).toEqual([40_000, 'file']);
    expect(applied.at(-1)?.connections.checker.idleMs).toBe(40_000);
    // A restart is needed until there was one.
    const again = live.reread(now);
    expect(again).toMatchObject({ changed: {}, needRestart: ['quota-bytes', 'segment-bytes'] });
    expect(applied.length).toBe(1);
    // What is not in the file any more is what it is by default.
    live.reread(read(''));
    expect(shown('connection-idle-ms')).toEqual([30_000, 'default']);
  });

  it('is beaten by what an operator has said, and says so', () => {
    const { live, shown } = started();
    live.change({ 'connection-idle-ms': 90_000 });
    const result = live.reread(read('connection-idle-ms: 40000\n'));
    expect(result).toEqual({ changed: {}, needRestart: [], beaten: ['connection-idle-ms'] });
    expect(shown('connection-idle-ms')).toEqual([90_000, 'live']);
    live.change({ 'connection-idle-ms': null });
    expect(shown('connection-idle-ms')).toEqual([40_000, 'file']);
  });

  it('changes nothing where it does not go with what an operator has said', () => {
    const { live, applied, shown } = started();
    live.change({ 'connection-check-ms': 15_000 });
    const now = read('connection-idle-ms: 10000\nbreaker-open-ms: 9000\n');
    expect(() => live.reread(now)).toThrow('--connection-idle-ms 10000 is less than');
    expect(shown('breaker-open-ms')).toEqual([30_000, 'default']);
    expect(applied.length).toBe(1);
  });
});
