// Goal: snapshots are taken when they are due (safety.md 8), never ahead of the synced log, and the
// log is purged only behind the older of those that are kept. Method: the snapshotter over memory
// twins.
import { HoldfastError } from '@holdfast/base/errors';
import { index, memberId, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { TaskGroup } from '@holdfast/base/task-group';
import { newConfiguration } from '@holdfast/raft/configuration';
import { describe, expect, it } from 'vitest';
import { MemoryLogStore } from './memory-log-store.ts';
import { MemorySnapshotStore } from './memory-snapshot-store.ts';
import { MemoryStateMachine } from './memory-state-machine.ts';
import { PersistWaiters } from './persist-waiters.ts';
import { entryAt } from './replica.fixture.ts';
import { defaultReplicaSettings, type ReplicaSettings } from './settings.ts';
import { Snapshotter } from './snapshotter.ts';

/** A store that cannot be written as long as it has an error to tell. */
class FailingStore extends MemorySnapshotStore {
  error: HoldfastError | undefined;
  override async create(...args: Parameters<MemorySnapshotStore['create']>) {
    if (this.error) throw this.error;
    return super.create(...args);
  }
}

const four = [1n, 2n, 3n, 4n].map(memberId);

async function newSnapshotter(overrides: Partial<ReplicaSettings> = {}, id = memberId(1n)) {
  const clock = new ManualClock();
  const log = new MemoryLogStore();
  await log.open();
  const [snapshots, stateMachine] = [new FailingStore(), new MemoryStateMachine()];
  const [purged, failures]: [number[], unknown[]] = [[], []];
  const waiters = new PersistWaiters();
  const state = { isDoubted: false, isRead: false };
  const tasks = new TaskGroup((error) => failures.push(error));
  const snapshotter = new Snapshotter({
    id,
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
      ...overrides,
    },
    tasks,
    applied: () => ({
      id: { index: stateMachine.appliedIndex, term: term(1) },
      configuration: newConfiguration({ voters: four }),
    }),
    persisted: async (through) => {
      if (log.marks.persisted.index < through) await waiters.until(through);
    },
    onPurged: (last) => purged.push(last.index),
    onSent: () => undefined,
    onFailure: (_what, error) => failures.push(error),
    stored: [],
    isDoubted: () => state.isDoubted,
    isStateRead: () => state.isRead,
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
  return {
    clock,
    log,
    snapshotter,
    snapshots,
    stateMachine,
    purged,
    failures,
    waiters,
    tasks,
    state,
    apply,
    sync,
  };
}

describe('Snapshotter', () => {
  it('is not due in all members at once, neither first nor later', async () => {
    const taken = await Promise.all(
      four.map(async (id) => {
        const { snapshotter, apply, sync } = await newSnapshotter(
          { snapshotEntriesMax: 64, snapshotIntervalMinMs: 0 },
          id,
        );
        const indexes = new Set<number>();
        for (let entries = 0; entries < 200; entries += 1) {
          await apply(1);
          await sync();
          indexes.add(snapshotter.newestIndex);
        }
        return [...indexes].slice(1);
      }),
    );
    expect(taken).toEqual([
      [64, 128, 192],
      [56, 120, 184],
      [48, 112, 176],
      [40, 104, 168],
    ]);
  });

  it('is not due in all members at once where all wait for their time', async () => {
    const taken = await Promise.all(
      four.map(async (id) => {
        const { clock, snapshotter, apply, sync } = await newSnapshotter({}, id);
        const times: number[] = [];
        for (let before = 0, ms = 0; ms <= 260; ms += 10) {
          await apply(20);
          await sync();
          await clock.advanceAsync(0);
          if (snapshotter.newestIndex !== before) times.push(ms);
          before = snapshotter.newestIndex;
          await clock.advanceAsync(10);
        }
        return times;
      }),
    );
    for (const round of [0, 1]) {
      const times = taken.map((one) => one[round]);
      expect(times).toEqual([...new Set(times)].sort((a = 0, b = 0) => b - a));
    }
  });

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

  it('takes it later while the state is read by somebody, and not much later', async () => {
    const { clock, snapshotter, state, apply, sync } = await newSnapshotter();
    await clock.advanceAsync(100);
    state.isRead = true;
    await apply(19);
    await sync();
    expect(snapshotter.newestIndex).toBe(0);
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(20);
    await clock.advanceAsync(100);
    await apply(15);
    await sync();
    state.isRead = false;
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(36);
  });

  it('does not wait for such a reader with one that has failed', async () => {
    const { clock, snapshotter, snapshots, state, apply, sync } = await newSnapshotter();
    await clock.advanceAsync(100);
    snapshots.error = new HoldfastError('disk-full', 'no room');
    await apply(10);
    await sync();
    state.isRead = true;
    snapshots.error = undefined;
    await clock.advanceAsync(defaultReplicaSettings.snapshotRetryMs);
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(11);
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

  it('tells of no purge that an install has overtaken: that begins the log anew by itself', async () => {
    const { clock, log, snapshotter, purged, apply, sync } = await newSnapshotter();
    await clock.advanceAsync(100);
    await apply(10);
    await sync();
    await clock.advanceAsync(100);
    const { purge } = log;
    // The purge waits for its disk while a snapshot far ahead becomes the log's beginning.
    log.purge = async () => {
      await log.reset({ index: index(100), term: term(1) });
      return purge.call(log, index(100));
    };
    await apply(10);
    await sync();
    expect(snapshotter.newestIndex).toBe(20);
    expect(log.marks.purged.index).toBe(100);
    expect(purged).toEqual([]);
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

  it('keeps none that was begun before a doubt, not even when that has ended', async () => {
    const { clock, snapshotter, snapshots, failures, state, apply, sync } = await newSnapshotter();
    await clock.advanceAsync(100);
    await apply(10);
    state.isDoubted = true;
    snapshotter.stateDoubted();
    state.isDoubted = false;
    await sync();
    expect([await snapshots.open(), snapshotter.newestIndex]).toEqual([[], 0]);
    expect(failures).toMatchObject([{ code: 'unavailable' }]);
    await clock.advanceAsync(1000);
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(11);
  });

  it('takes one after so many bytes, or a quarter of the last one where that is more', async () => {
    const { clock, snapshotter, apply, sync } = await newSnapshotter({ snapshotEntriesMax: 1e6 });
    await clock.advanceAsync(100);
    await apply(9, 100);
    expect(snapshotter.newestIndex).toBe(0);
    await apply(1, 100);
    await sync();
    expect(snapshotter.newestIndex).toBe(10);
    const large = await newSnapshotter({ snapshotEntriesMax: 1e6, snapshotLogBytesMin: 1 });
    await large.apply(20, 0);
    await large.sync();
    await large.snapshotter.take(large.tasks.signal);
    const { index: first, bytes } = large.snapshotter.status;
    expect(first).toBe(20);
    await large.clock.advanceAsync(100);
    await large.apply(1, Math.floor(bytes / 4) - 1);
    await large.sync();
    expect(large.snapshotter.newestIndex).toBe(first);
    await large.apply(1, 2);
    await large.sync();
    expect(large.snapshotter.newestIndex).toBeGreaterThan(first);
  });

  it('takes none within the interval after a start: the replay is not slowed down', async () => {
    const { clock, snapshotter, apply, sync } = await newSnapshotter();
    await apply(50, 1000);
    await clock.advanceAsync(99);
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(0);
    await clock.advanceAsync(1);
    await apply(1);
    await sync();
    expect(snapshotter.newestIndex).toBe(52);
  });

  it('writes no faster than it may, and takes entries in meanwhile', async () => {
    const { clock, snapshotter, apply, sync } = await newSnapshotter({
      snapshotWriteBytesPerSecond: 100,
    });
    await clock.advanceAsync(100);
    await apply(10);
    await sync();
    expect(snapshotter.status.isTaking).toBe(true);
    await clock.advanceAsync(150);
    await apply(5);
    expect(snapshotter.status).toMatchObject({ isTaking: true, index: 0 });
    await clock.advanceAsync(2000);
    await sync();
    expect(snapshotter.status).toMatchObject({ isTaking: false, index: 10 });
    expect(snapshotter.status.lastMs).toBeGreaterThan(150);
  });

  it('takes its time with one that nobody waits for, and none with one that somebody does', async () => {
    const { clock, snapshotter, stateMachine, apply, sync, tasks } = await newSnapshotter();
    const image = stateMachine.image.bind(stateMachine);
    const megabytes = async function* () {
      for (let at = 0; at < 40; at += 1) yield new Uint8Array(1_000_000);
    };
    stateMachine.image = () => ({ ...image(), chunks: megabytes });
    const elapsed = async (): Promise<number> => {
      const fromMs = clock.monotonicMs();
      while (snapshotter.status.isTaking) await clock.advanceAsync(10);
      return clock.monotonicMs() - fromMs;
    };
    await clock.advanceAsync(100);
    await apply(10);
    await sync();
    expect(await elapsed()).toBeGreaterThan(650);
    await apply(10);
    await sync();
    const taking = snapshotter.take(tasks.signal);
    expect(await elapsed()).toBeLessThan(200);
    await taking;
    await clock.advanceAsync(100);
    await apply(10);
    await sync();
    const joined = snapshotter.take(tasks.signal);
    expect(await elapsed()).toBeLessThan(200);
    await joined;
  });

  it('tells of one that cannot be written, and tries again later and later', async () => {
    for (const code of ['disk-full', 'unavailable'] as const) {
      const { clock, snapshotter, snapshots, failures, apply, sync } = await newSnapshotter({
        snapshotIntervalMinMs: 10_000,
      });
      await clock.advanceAsync(10_000);
      snapshots.error = new HoldfastError(code, 'no');
      await apply(10);
      await sync();
      for (const waitMs of [1000, 2000, 4000]) {
        const before = failures.length;
        await clock.advanceAsync(waitMs - 1);
        await apply(1);
        expect(failures.length, `${code} before ${waitMs}`).toBe(before);
        await clock.advanceAsync(1);
        await apply(1);
        expect(failures.length, `${code} after ${waitMs}`).toBe(before + 1);
      }
      expect(snapshotter.status.failures).toBe(4);
      snapshots.error = undefined;
      await clock.advanceAsync(8000);
      await apply(1);
      await sync();
      expect(snapshotter.status).toMatchObject({ index: 17, failures: 0 });
    }
  });

  it('trims the log again and again: what is kept does not grow with what was written', async () => {
    const { clock, log, snapshots, purged, apply, sync } = await newSnapshotter();
    for (let round = 0; round < 40; round += 1) {
      await clock.advanceAsync(100);
      await apply(10);
      await sync();
    }
    expect(purged.at(-1)).toBeGreaterThan(300);
    expect(log.marks.accepted.index - log.marks.purged.index).toBeLessThan(100);
    expect(await snapshots.open()).toHaveLength(2);
  });
});
