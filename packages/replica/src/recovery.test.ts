// Goal: whatever a crash or rot left behind, a start ends in a state that the member may stand for,
// or in a refusal that says what to do (D-01 to D-06, D-12, D-19). Method: memory twins in each
// such state.
import { HoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { LogId } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { MemoryLogStore } from './memory-log-store.ts';
import { MemorySnapshotStore } from './memory-snapshot-store.ts';
import { MemoryStateMachine } from './memory-state-machine.ts';
import { MemoryStatusStore } from './memory-status-store.ts';
import type { StoredStatus } from './ports.ts';
import { type Recovered, recover } from './recovery.ts';
import { RecoveryPhases } from './recovery-phases.ts';
import { entryAt, idOf } from './replica.fixture.ts';

const configuration = newConfiguration({ voters: [1, 2, 3].map(idOf) });
const id = (at: number, inTerm = 1): LogId => ({ index: index(at), term: term(inTerm) });

class Directory {
  readonly order: string[] = [];
  readonly status: MemoryStatusStore;
  readonly log = new MemoryLogStore();
  readonly snapshots = new MemorySnapshotStore();
  stateMachine = new MemoryStateMachine();
  phases = new RecoveryPhases(new ManualClock());

  constructor() {
    this.status = new MemoryStatusStore({
      beforeSave: ({ state }) => void this.order.push(state.repairing ? 'save repairing' : 'save'),
    });
    const reset = this.log.reset.bind(this.log);
    this.log.reset = async (last) => {
      this.order.push('reset');
      await reset(last);
    };
  }

  async save(inTerm: number, more: Partial<StoredStatus> = {}): Promise<this> {
    const state = { term: term(inTerm), vote: undefined, repairing: undefined };
    await this.status.save({ state, installing: false, ...more });
    this.order.length = 0;
    return this;
  }

  /** Entries [1, through], synced, and the state that they make written as snapshots. */
  async fill(through: number, snapshotsAt: readonly number[] = [], inTerm = 1): Promise<this> {
    const machine = new MemoryStateMachine();
    await this.log.open();
    for (let at = 1; at <= through; at += 1) {
      this.log.accept([entryAt(at, inTerm)]);
      machine.apply([entryAt(at, inTerm)]);
      if (!snapshotsAt.includes(at)) continue;
      const image = machine.image();
      const last = id(at, inTerm);
      const writer = await this.snapshots.create({ last, configuration }, image.stateHash);
      for await (const chunk of image.chunks()) await writer.write(chunk);
      await writer.commit();
    }
    await this.log.sync(index(through));
    await this.log.close();
    return this;
  }

  recover(
    signal = new AbortController().signal,
    waitForRoom?: () => Promise<void>,
  ): Promise<Recovered> {
    const { log, status, snapshots, stateMachine, phases } = this;
    const stores = { log, status, snapshots, stateMachine, ...(waitForRoom && { waitForRoom }) };
    return recover({ ...stores, phases, bootstrap: configuration, signal });
  }

  get details(): Record<string, string> {
    return Object.fromEntries(this.phases.list().map(({ name, detail }) => [name, detail]));
  }
}

describe('a start', () => {
  it('of a new directory begins with nothing, and makes its status durable', async () => {
    const directory = new Directory();
    const recovered = await directory.recover();
    expect(recovered).toMatchObject({ commit: 0, applied: id(0, 0), statusLost: false });
    expect(recovered.configurations).toEqual([{ index: 0, configuration }]);
    expect(directory.status.saved?.state.term).toBe(0);
    expect(directory.details).toMatchObject({
      status: 'new data directory',
      log: '0 entries up to 0@0',
    });
  });

  it('takes the newest snapshot, and the log behind it', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [4, 8]);
    const recovered = await directory.recover();
    expect(recovered).toMatchObject({ commit: 10, applied: id(8) });
    expect(recovered.snapshots.map(({ last }) => last.index)).toEqual([8, 4]);
    expect(directory.order).toEqual([]);
    expect(
      directory.phases
        .list()
        .slice(0, 5)
        .every(({ state }) => state === 'done'),
    ).toBe(true);
  });

  it('falls back to the older snapshot, and counts on the newer one no more (D-19)', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [4, 8]);
    directory.snapshots.rot(id(8));
    const recovered = await directory.recover();
    expect(recovered).toMatchObject({ commit: 10, applied: id(4) });
    expect(recovered.snapshots.map(({ last }) => last.index)).toEqual([4]);
    expect(recovered.state.repairing).toBeUndefined();
  });

  it('repairs where the log no longer reaches back to a readable snapshot (D-03, D-04)', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [4, 8]);
    await directory.log.open();
    await directory.log.purge(index(6));
    directory.snapshots.rot(id(8));
    const recovered = await directory.recover();
    expect(recovered).toMatchObject({ commit: 4, applied: id(4) });
    expect(recovered.log.last).toEqual(id(4));
    expect(directory.status.saved?.state.repairing).toMatchObject({
      target: 0,
      goal: { after: { id: id(6) }, end: { id: id(10) } },
    });
    // A crash between the two must not make it forget what it had acknowledged.
    expect(directory.order).toEqual(['save repairing', 'reset']);
  });

  it('asks for a snapshot where none is left and the log begins later (D-03)', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [4, 8]);
    await directory.log.open();
    await directory.log.purge(index(4));
    for (const at of [4, 8]) directory.snapshots.rot(id(at));
    const recovered = await directory.recover();
    expect(recovered).toMatchObject({ commit: 0, applied: id(0, 0), snapshots: [] });
    expect(recovered.state.repairing?.goal).toMatchObject({ end: { id: id(10) } });
    // The goal outlives the log that it was read from.
    await directory.log.close();
    directory.stateMachine = new MemoryStateMachine();
    expect((await directory.recover()).state.repairing).toEqual(recovered.state.repairing);
  });

  it('asks for a snapshot where an install was switching, and its snapshot is lost (D-05)', async () => {
    const directory = await (await new Directory().save(1, { installing: true })).fill(10, [4, 8]);
    await directory.log.open();
    await directory.log.reset(id(8));
    directory.snapshots.rot(id(8));
    const recovered = await directory.recover();
    expect(recovered).toMatchObject({ applied: id(4), state: { repairing: { target: 0 } } });
    expect(directory.status.saved?.installing).toBe(false);
    expect(directory.order.slice(1)).toEqual(['save repairing', 'reset']);
  });

  it('with damage that a snapshot covers to its end is whole (D-06)', async () => {
    const directory = await (await new Directory().save(1)).fill(8, [8]);
    directory.log.rot(index(3));
    const recovered = await directory.recover();
    expect(recovered).toMatchObject({ commit: 8, applied: id(8) });
    expect(recovered.state.repairing).toBeUndefined();
  });

  it('with damage behind its snapshot repairs towards its old end (D-10)', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [4]);
    directory.log.rot(index(7));
    const recovered = await directory.recover();
    expect(recovered.log.last).toEqual(id(6));
    expect(recovered.state.repairing?.goal).toMatchObject({
      after: { id: id(6) },
      end: { id: id(10) },
    });
    expect(directory.order).toEqual(['save repairing']);
  });

  it('begins a log behind a snapshot that it does not reach, or that another branch stands at', async () => {
    for (const inTerm of [1, 2]) {
      const directory = await (await new Directory().save(2)).fill(8, [8], 2);
      await directory.log.open();
      await directory.log.reset(id(0, 0));
      const through = inTerm === 1 ? 10 : 5;
      for (let at = 1; at <= through; at += 1) directory.log.accept([entryAt(at, inTerm)]);
      await directory.log.sync(index(0));
      const recovered = await directory.recover();
      expect(recovered).toMatchObject({ commit: 8, applied: id(8, 2) });
      expect(recovered.log.last).toEqual(id(8, 2));
      expect(recovered.state.repairing).toBeUndefined();
    }
  });

  it('ends an install that a crash had interrupted (D-05, D-15)', async () => {
    const directory = await (await new Directory().save(1, { installing: true })).fill(10, [8]);
    await directory.recover();
    expect(directory.status.saved?.installing).toBe(false);
  });

  it('refuses a status that is older than the log, or than the snapshot (D-06)', async () => {
    const log = await (await new Directory().save(1)).fill(3, [], 2);
    await expect(log.recover()).rejects.toMatchObject({ code: 'corrupt' });
    const snapshot = await (await new Directory().save(1)).fill(3, [3], 2);
    await snapshot.log.open();
    await snapshot.log.reset(id(0, 0));
    await expect(snapshot.recover()).rejects.toMatchObject({ code: 'corrupt' });
    expect(snapshot.phases.list().find(({ name }) => name === 'checks')?.state).toBe('failed');
  });

  it('refuses a log and a snapshot that contradict each other at a purged place', async () => {
    const directory = await (await new Directory().save(3)).fill(8, [8], 3);
    await directory.log.open();
    await directory.log.reset(id(8, 2));
    await expect(directory.recover()).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('with a lost status saves nothing, and refuses to forget a hole as well', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [4, 8]);
    directory.status.lose();
    const recovered = await directory.recover();
    expect(recovered.statusLost).toBe(true);
    expect(directory.order).toEqual([]);
    directory.snapshots.rot(id(8));
    await directory.log.open();
    await directory.log.purge(index(6));
    directory.stateMachine = new MemoryStateMachine();
    await expect(directory.recover()).rejects.toMatchObject({ code: 'corrupt' });
    expect(directory.order).toEqual([]);
  });

  it('stops between two steps when it is told to', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [8]);
    const reason = new HoldfastError('shutting-down', 'stop');
    const signal = AbortSignal.abort(reason);
    await expect(directory.recover(signal)).rejects.toBe(reason);
    expect(directory.phases.list()[1]?.state).toBe('waiting');
  });

  it('lets an error that is no rot end it: another version wrote the snapshot', async () => {
    const directory = await (await new Directory().save(1)).fill(10, [4, 8]);
    const newer = new HoldfastError('version-mismatch', 'newer');
    directory.stateMachine.restore = () => Promise.reject(newer);
    await expect(directory.recover()).rejects.toBe(newer);
  });
});

describe('a full disk', () => {
  const full = (): HoldfastError => new HoldfastError('disk-full', 'opening the log: no space');

  it('lets a start wait for room, which is seen, and go on', async () => {
    const directory = await (await new Directory().fill(5)).save(1);
    const { log } = directory;
    const open = log.open.bind(log);
    let tries = 0;
    log.open = () => {
      tries += 1;
      return tries < 4 ? Promise.reject(full()) : open();
    };
    const seen: (string | undefined)[] = [];
    const recovered = await directory.recover(undefined, async () => {
      seen.push(directory.details['log']);
    });
    expect(recovered.log.last).toEqual(id(5));
    expect(seen).toEqual(Array(3).fill('waits for room on the disk: opening the log: no space'));
  });

  it('ends the start of one that cannot wait, or has been told to stop', async () => {
    const directory = await (await new Directory().fill(5)).save(1);
    directory.log.open = () => Promise.reject(full());
    await expect(directory.recover()).rejects.toMatchObject({ code: 'disk-full' });
    const stopping = new HoldfastError('shutting-down', 'this member is stopping');
    const waiting = directory.recover(undefined, () => Promise.reject(stopping));
    await expect(waiting).rejects.toBe(stopping);
  });
});
