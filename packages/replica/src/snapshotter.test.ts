// Goal: snapshots are taken when they are due (safety.md 8), never ahead of the synced log, and the
// log is purged only behind the older of those that are kept. Method: the snapshotter over memory
// twins.
import { index, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { TaskGroup } from '@holdfast/base/task-group';
import { newConfiguration } from '@holdfast/raft/configuration';
import { describe, expect, it } from 'vitest';
import { MemoryLogStore } from './memory-log-store.ts';
import { MemorySnapshotStore } from './memory-snapshot-store.ts';
import { MemoryStateMachine } from './memory-state-machine.ts';
import { PersistWaiters } from './persist-waiters.ts';
import { entryAt } from './replica.fixture.ts';
import { defaultReplicaSettings } from './settings.ts';
import { Snapshotter } from './snapshotter.ts';

async function newSnapshotter() {
  const clock = new ManualClock();
  const log = new MemoryLogStore();
  await log.open();
  const [snapshots, stateMachine] = [new MemorySnapshotStore(), new MemoryStateMachine()];
  const [purged, failures]: [number[], unknown[]] = [[], []];
  const waiters = new PersistWaiters();
  const tasks = new TaskGroup((error) => failures.push(error));
  const snapshotter = new Snapshotter({
    clock,
    log,
    snapshots,
    stateMachine,
    transport: { sendSnapshot: () => Promise.resolve() },
    settings: {
      ...defaultReplicaSettings,
      snapshotEntriesMax: 10,
      snapshotLogBytesMin: 1000,
      snapshotIntervalMinMs: 100,
    },
    tasks,
    applied: () => ({
      id: { index: stateMachine.appliedIndex, term: term(1) },
      configuration: newConfiguration({}),
    }),
    persisted: async (through) => {
      if (log.marks.persisted.index < through) await waiters.until(through);
    },
    onPurged: (last) => purged.push(last.index),
    onSent: () => undefined,
    onFailure: (_what, error) => failures.push(error),
    stored: [],
  });
  const apply = async (count: number, bytes = 1): Promise<void> => {
    for (let left = count; left > 0; left -= 1) {
      const entry = entryAt(stateMachine.appliedIndex + 1, 1);
      log.accept([entry]);
      stateMachine.apply([entry]);
      snapshotter.applied(bytes);
    }
    await clock.advanceAsync(0);
  };
  const sync = async (): Promise<void> => {
    const { index: persisted } = await log.sync(index(0));
    waiters.persisted(persisted);
    await clock.advanceAsync(0);
  };
  return { clock, log, snapshotter, snapshots, purged, failures, waiters, tasks, apply, sync };
}

describe('Snapshotter', () => {
  it('takes one after so many entries or bytes, but not too often', async () => {
    const { clock, snapshotter, apply, sync } = await newSnapshotter();
    await clock.advanceAsync(100);
    await apply(9);
    await sync();
    expect(snapshotter.newestIndex).toBe(0);
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(10);
    await apply(1, 5000);
    await sync();
    expect(snapshotter.newestIndex).toBe(10);
    await clock.advanceAsync(100);
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(12);
  });

  it('waits for the sync of what it holds, and purges behind the older one', async () => {
    const { clock, snapshotter, snapshots, purged, apply, sync } = await newSnapshotter();
    await clock.advanceAsync(100);
    await apply(10);
    expect(await snapshots.open()).toEqual([]);
    await sync();
    expect([snapshotter.newestIndex, purged]).toEqual([10, []]);
    await clock.advanceAsync(100);
    await apply(10);
    await sync();
    expect([snapshotter.newestIndex, purged]).toEqual([20, [10]]);
  });

  it('writes nothing when no sync comes any more', async () => {
    const { clock, snapshotter, snapshots, waiters, tasks, failures, apply } =
      await newSnapshotter();
    await clock.advanceAsync(100);
    await apply(10);
    waiters.close();
    await tasks.close();
    expect([await snapshots.open(), snapshotter.newestIndex]).toEqual([[], 0]);
    await expect(snapshotter.take(tasks.signal)).rejects.toThrow();
    expect(failures).toEqual([]); // It was told to stop: that is no failure.
  });
});
