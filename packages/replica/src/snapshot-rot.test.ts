// A stored snapshot that rots while the member runs must not keep a follower waiting: it gives way
// to another one.
import { HoldfastError } from '@holdfast/base/errors';
import { index, memberId, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { TaskGroup } from '@holdfast/base/task-group';
import { newConfiguration } from '@holdfast/raft/configuration';
import { expect, it } from 'vitest';
import { MemoryLogStore } from './memory-log-store.ts';
import { MemorySnapshotStore } from './memory-snapshot-store.ts';
import { MemoryStateMachine } from './memory-state-machine.ts';
import type { StoredSnapshot } from './ports.ts';
import { entryAt } from './replica.fixture.ts';
import { defaultReplicaSettings } from './settings.ts';
import { Snapshotter } from './snapshotter.ts';

class RottingStore extends MemorySnapshotStore {
  rotten: StoredSnapshot | undefined;
  override read(snapshot: StoredSnapshot): AsyncGenerator<Uint8Array> {
    if (snapshot === this.rotten) throw new HoldfastError('corrupt', 'rot');
    return super.read(snapshot);
  }
}

it('a newest snapshot that has rotted is not sent again and again', async () => {
  const clock = new ManualClock();
  const log = new MemoryLogStore();
  await log.open();
  const snapshots = new RottingStore();
  const stateMachine = new MemoryStateMachine();
  const sent: boolean[] = [];
  const tasks = new TaskGroup(() => undefined);
  const snapshotter = new Snapshotter({
    id: memberId(1n),
    clock,
    log,
    snapshots,
    stateMachine,
    transport: { sendSnapshot: () => Promise.resolve() },
    settings: defaultReplicaSettings,
    tasks,
    applied: () => ({
      id: { index: stateMachine.appliedIndex, term: term(1) },
      configuration: newConfiguration({}),
    }),
    persisted: () => Promise.resolve(),
    onPurged: () => undefined,
    onSent: (_peer, isSent) => sent.push(isSent),
    onFailure: () => undefined,
    stored: [],
    isDoubted: () => false,
  });
  for (let at = 1; at <= 20; at += 1) {
    log.accept([entryAt(at, 1)]);
    stateMachine.apply([entryAt(at, 1)]);
    if (at % 10 === 0) await snapshotter.take(tasks.signal);
  }
  await log.sync(index(20));
  snapshots.rotten = (await snapshots.open())[0];
  for (let tries = 0; tries < 3; tries += 1) {
    snapshotter.send(memberId(2n));
    await clock.advanceAsync(10);
  }
  expect(sent.at(-1)).toBe(true);
  await tasks.close();
});
