// Goal: what must be durable becomes so in the order of safety.md 4 and 9. Method: the loop over
// memory stores whose syncs the test holds.
import { HoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { newConfiguration } from '@holdfast/raft/configuration';
import { describe, expect, it } from 'vitest';
import { MemoryLogStore } from './memory-log-store.ts';
import { MemoryStatusStore } from './memory-status-store.ts';
import { PersistLoop } from './persist-loop.ts';
import { entryAt } from './replica.fixture.ts';

async function newLoop() {
  const clock = new ManualClock();
  const done: string[] = [];
  let sync: () => Promise<void> | void = () => undefined;
  const log = new MemoryLogStore({ duringSync: () => sync() });
  await log.open();
  const loop = new PersistLoop({
    clock,
    log,
    status: new MemoryStatusStore(),
    commitIndex: () => index(0),
    onStatus: (sequence) => done.push(`status ${sequence}`),
    onLog: (persisted) => done.push(`log ${persisted.index}`),
    install: async ({ last }) => void done.push(`install ${last.index}`),
    onDiskFull: () => done.push('full'),
    settings: { diskRetryMs: 1000 },
  });
  const running = loop.run();
  running.catch(() => undefined);
  const save = (sequence: number): void =>
    loop.saveStatus({
      sequence,
      state: { term: term(1), vote: undefined, repairing: undefined },
    });
  const accept = (at: number): void => {
    log.accept([entryAt(at, 1)]);
    loop.syncLog();
  };
  const setSync = (next: typeof sync): void => {
    sync = next;
  };
  return { clock, loop, running, done, save, accept, setSync };
}

describe('PersistLoop', () => {
  it('saves the status before the log, and covers all that arrived with one sync', async () => {
    const { clock, loop, running, done, save, accept, setSync } = await newLoop();
    let release = (): void => undefined;
    setSync(() => new Promise((resolve) => (release = resolve)));
    accept(1);
    await clock.advanceAsync(0);
    for (const at of [2, 3, 4]) accept(at);
    save(1);
    setSync(() => undefined);
    release();
    await clock.advanceAsync(0);
    expect(done).toEqual(['log 1', 'status 1', 'log 4']);
    expect(loop.counters).toEqual({ syncs: 2, entries: 4 });
    loop.close();
    await running;
  });

  it('with a full disk still saves the status, and tries the log again after a while', async () => {
    const { clock, loop, running, done, save, accept, setSync } = await newLoop();
    setSync(() => Promise.reject(new HoldfastError('disk-full', 'no space left')));
    accept(1);
    await clock.advanceAsync(0);
    save(7);
    accept(2);
    await clock.advanceAsync(900);
    expect([done, loop.isDiskFull]).toEqual([['full', 'status 7'], true]);
    setSync(() => undefined);
    await clock.advanceAsync(100);
    expect([done, loop.isDiskFull]).toEqual([['full', 'status 7', 'log 2'], false]);
    loop.close();
    await running;
    expect(clock.pendingCount).toBe(0);
  });

  it('ends with what is no full disk', async () => {
    const { clock, running, accept, setSync } = await newLoop();
    setSync(() => Promise.reject(new Error('EIO')));
    accept(1);
    await clock.advanceAsync(0);
    await expect(running).rejects.toMatchObject({ code: 'unavailable' });
  });

  it('installs a snapshot in the place of entries that it makes void', async () => {
    const { clock, loop, running, done, accept } = await newLoop();
    accept(1);
    const configuration = newConfiguration({});
    loop.installSnapshot({ last: { index: index(9), term: term(1) }, configuration });
    await clock.advanceAsync(0);
    expect(done).toEqual(['install 9']);
    loop.close();
    await running;
  });
});
