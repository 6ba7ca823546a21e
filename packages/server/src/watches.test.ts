// The three small watches of a member: its directory, the room on its disk, a start that takes
// long. Each with a clock that the test moves, and answers that it chooses.
import { ManualClock } from '@holdfast/base/manual-clock';
import type { RecoveryPhase } from '@holdfast/engine/engine';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';

import { watchDirectory } from './directory-watch.ts';
import { DiskWatch } from './disk-watch.ts';
import { watchStart } from './start-watch.ts';

function capturedLog() {
  const lines: { msg: string }[] = [];
  const log = pino(
    { level: 'debug' },
    { write: (line: string) => void lines.push(JSON.parse(line)) },
  );
  return { log, lines };
}

describe('the watch of a directory', () => {
  it('bears nothing but the directory that was locked', async () => {
    for (const gone of ['/d', '/d/identity']) {
      const clock = new ManualClock();
      let isThere = true;
      const identify = async (path: string): Promise<string | undefined> =>
        !isThere && path === gone ? undefined : '1-2';
      const stop = new AbortController();
      const watching = watchDirectory({ root: '/d', clock, identify }, stop.signal);
      const ended = watching.then(
        () => 'ended',
        (error: unknown) => error,
      );
      await clock.advanceAsync(9000);
      isThere = false;
      await clock.advanceAsync(3000);
      expect(await ended).toMatchObject({
        code: 'failed-precondition',
        message: expect.stringContaining('/d was deleted or replaced'),
      });
      expect(clock.pendingCount).toBe(0);
    }
  });

  it('ends with its signal', async () => {
    const clock = new ManualClock();
    const stop = new AbortController();
    const identify = async (): Promise<string> => '1-2';
    const watching = watchDirectory({ root: '/d', clock, identify }, stop.signal);
    await clock.advanceAsync(5000);
    stop.abort();
    await watching;
    expect(clock.pendingCount).toBe(0);
  });
});

describe('the watch of the disk', () => {
  it('warns at 70, 80 and 90 percent, once each, and again after it was better', async () => {
    const { log, lines } = capturedLog();
    let freeBytes = 50;
    const measure = async () => ({ freeBytes, totalBytes: 100 });
    const watch = new DiskWatch({ clock: new ManualClock(), log, measure });
    for (freeBytes of [50, 29, 28, 19, 5, 5, 60, 25]) await watch.look();
    expect(lines.map(({ msg }) => msg.match(/\d+ %/)?.[0])).toEqual([
      '71 %',
      '81 %',
      '95 %',
      '75 %',
    ]);
    expect(watch.figures.map(({ read }) => read())).toEqual([25, 100]);
  });

  it('goes on where the room can not be measured', async () => {
    const { log, lines } = capturedLog();
    const measure = async (): Promise<never> => {
      throw new Error('no such call');
    };
    const watch = new DiskWatch({ clock: new ManualClock(), log, measure });
    await watch.look();
    expect(lines.length).toBe(1);
    expect(watch.figures[0]?.read()).toBeUndefined();
  });
});

describe('the watch of a start', () => {
  const phase = (state: RecoveryPhase['state'], durationMs: number): RecoveryPhase => ({
    name: 'log',
    state,
    durationMs,
    progress: 0.5,
    amount: undefined,
    etaMs: 10,
    detail: '',
  });

  it('warns once of a phase that has used up its time, with what to look at', async () => {
    const { log, lines } = capturedLog();
    const clock = new ManualClock();
    let now = phase('running', 0);
    const watching = watchStart(
      { clock, log, phases: () => [now], budgetMs: 60_000 },
      new AbortController().signal,
    );
    await clock.advanceAsync(5000);
    expect(lines).toEqual([]);
    now = phase('running', 61_000);
    await clock.advanceAsync(5000);
    expect(lines).toMatchObject([
      { phase: 'log', msg: expect.stringMatching(/phase log .* longer than 60 s: .*throughput/) },
    ]);
    now = phase('done', 70_000);
    await clock.advanceAsync(2000);
    await watching;
    expect(clock.pendingCount).toBe(0);
  });
});
