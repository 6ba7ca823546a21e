// Goal: the cluster makes one backup when one is due, by one member, never two at once; an old one
// goes only after a newer one was read back; and what fails is told, tried again, and harms nobody.
// Method: several members' schedules on one engine in memory, directories on a real disk, a clock
// that the test moves.
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { putRequest } from '@holdfast/domain/requests';
import type { EngineStatus } from '@holdfast/engine/engine';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { BackupReader } from '@holdfast/storage/backup-reader';
import type { DiskFile } from '@holdfast/storage/disk';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { BackupDirectory, roomFor } from './backup-directory.ts';
import { BackupSchedule, type BackupScheduleOptions } from './backup-schedule.ts';
import { eventually } from './http/test-door.fixture.ts';

const hour = 3_600_000;
let root = '';
const stop = new AbortController();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-schedule-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

type Told = { readonly text: string; readonly reason?: string };

class World {
  readonly clock = new ManualClock();
  readonly engine = new MemoryEngine({ clock: this.clock });
  readonly told: Told[] = [];
  #writes = 0;

  constructor() {
    this.clock.advance(1000);
  }

  member(name: string, more: Partial<BackupScheduleOptions> & { leads?: boolean } = {}) {
    const tell = (fields: object, text: string): void => void this.told.push({ ...fields, text });
    const role: EngineStatus['role'] = more.leads ? 'leader' : 'follower';
    const { engine } = this;
    const seen = {
      range: engine.range.bind(engine),
      txn: engine.txn.bind(engine),
      leaseGrant: engine.leaseGrant.bind(engine),
      leaseKeepAlive: engine.leaseKeepAlive.bind(engine),
      leaseRevoke: engine.leaseRevoke.bind(engine),
      backups: engine.backups,
      status: () => ({ ...engine.status(), role }),
    };
    return new BackupSchedule({
      clock: this.clock,
      log: { info: tell, warn: tell, debug: tell } as never,
      name,
      intervalMs: hour,
      directory: directoryOf(3),
      engine: () => seen,
      ...more,
    });
  }

  async write(): Promise<void> {
    this.#writes += 1;
    const key = { keyspace: 1, key: utf8(`k${this.#writes}`) };
    await this.engine.put(putRequest(key, utf8('v')), { actor: 'test' });
  }
}

const directoryOf = (kept: number): BackupDirectory =>
  new BackupDirectory({ path: join(root, 'backups'), dataDir: root, kept });

const partsOf = (directory: BackupDirectory): BackupScheduleOptions['directory'] => ({
  prepare: (bytes) => directory.prepare(bytes),
  keep: (backup, signal) => directory.keep(backup, signal),
  drop: (file) => directory.drop(file),
  retain: (clusterId) => directory.retain(clusterId),
});

const files = (): readonly string[] => readdirSync(join(root, 'backups'));

const figureOf = (schedule: BackupSchedule, name: string): number | undefined =>
  schedule.figures.find((one) => one.name === name)?.read();

function revisionOf(file: string): number {
  const reader = new BackupReader();
  for (const _ of reader.take(readFileSync(join(root, 'backups', file))));
  return reader.finish().head.revision;
}

describe('a schedule', () => {
  it('makes one when none is, and the next when that is old enough; the rest of the cluster knows', async () => {
    const world = new World();
    const [one, two] = [world.member('n1'), world.member('n2')];
    await world.write();
    await one.look(stop.signal);
    await two.look(stop.signal);
    expect(files().map(revisionOf)).toEqual([expect.any(Number)]);
    expect(world.told).toMatchObject([{ text: 'a scheduled backup was made, and read back' }]);
    for (const schedule of [one, two]) {
      expect(figureOf(schedule, 'backup_last_success_timestamp_seconds')).toBeGreaterThan(0);
      expect(figureOf(schedule, 'backup_last_size_bytes')).toBeGreaterThan(100);
    }
    await world.clock.advanceAsync(hour - 1000);
    await two.look(stop.signal);
    expect(files().length).toBe(1);
    await world.clock.advanceAsync(2000);
    await two.look(stop.signal);
    await one.look(stop.signal);
    expect(files().length).toBe(2);
    const [older, newer] = files().map(revisionOf) as [number, number];
    expect(newer).toBeGreaterThan(older);
  });

  it('keeps as many as it shall, and nothing else is touched', async () => {
    const world = new World();
    const one = world.member('n1');
    await one.look(stop.signal);
    const foreign = ['letter', 'holdfast-00000000000000aa-1.backup', `${files()[0]}.tmp`];
    for (const name of foreign) writeFileSync(join(root, 'backups', name), 'x');
    for (let round = 0; round < 5; round += 1) {
      await world.clock.advanceAsync(hour);
      await one.look(stop.signal);
    }
    const own = files().filter((name) => !foreign.includes(name));
    expect(own.length).toBe(3);
    expect(files()).toEqual(expect.arrayContaining(foreign.slice(0, 2)));
    // Of this very cluster and unfinished: of one who died in the middle.
    expect(files()).not.toContain(foreign[2]);
    expect(own.map(revisionOf)).toEqual([...own.map(revisionOf)].sort((a, b) => a - b));
  });

  it("is the followers' matter first; a leader makes one if nobody else does", async () => {
    const world = new World();
    const leader = world.member('n1', { leads: true });
    await leader.look(stop.signal);
    expect(readdirSync(root)).toEqual([]);
    await world.clock.advanceAsync(61_000);
    await leader.look(stop.signal);
    expect(files().length).toBe(1);
  });

  it('never makes two at once, and frees the claim of one that died', async () => {
    const world = new World();
    let finish: () => void = () => undefined;
    const held = new Promise<void>((resolve) => {
      finish = resolve;
    });
    const slow = directoryOf(3);
    const keep = slow.keep.bind(slow);
    const one = world.member('n1', {
      directory: {
        ...partsOf(slow),
        keep: async (backup, signal) => {
          await held;
          signal.throwIfAborted();
          return keep(backup, signal);
        },
      },
    });
    const two = world.member('n2');
    const running = one.look(stop.signal);
    await eventually(() => expect(world.engine.backups.underWay).toBe(1));
    // Kept alive for as long as it takes.
    for (let at = 0; at < 20; at += 1) {
      await world.clock.advanceAsync(10_000);
      await two.look(stop.signal);
    }
    expect(world.engine.backups.underWay).toBe(1);
    finish();
    await running;
    expect(files().length).toBe(1);

    await world.clock.advanceAsync(hour);
    const dead = new AbortController();
    const never = world.member('n3', {
      directory: {
        ...partsOf(slow),
        prepare: async () => undefined,
        keep: () => new Promise(() => undefined),
      },
    });
    void never.look(dead.signal);
    await eventually(() => expect(world.engine.backups.underWay).toBe(1));
    dead.abort(new Error('killed'));
    await world.clock.advanceAsync(30_000);
    await two.look(stop.signal);
    expect(files().length).toBe(1);
    await world.clock.advanceAsync(40_000);
    await two.look(stop.signal);
    expect(files().length).toBe(2);
  });

  it('that fails is counted, told, tried again later, and late in the end', async () => {
    const world = new World();
    let isFull = true;
    const directory = directoryOf(3);
    const one = world.member('n1', {
      directory: {
        ...partsOf(directory),
        prepare: async (bytes) => {
          if (isFull) throw new HoldfastError('disk-full', 'no room for it');
          await directory.prepare(bytes);
        },
      },
    });
    const tries = async (count: number): Promise<number> => {
      for (let at = 0; at < count; at += 1) {
        await one.look(stop.signal);
        await world.clock.advanceAsync(10_000);
      }
      return figureOf(one, 'backup_failures_total') ?? 0;
    };
    expect(await tries(1)).toBe(1);
    expect(world.told).toEqual([
      { code: 'disk-full', reason: 'no room for it', text: expect.stringContaining('failed') },
    ]);
    expect(one.report()).toEqual({ lateMs: null, failure: 'no room for it' });
    // After a minute, after two more, after four more, and so on.
    expect(await tries(70)).toBe(4);
    await world.clock.advanceAsync(hour);
    expect(one.report().lateMs).toBeGreaterThan(hour);
    expect(figureOf(one, 'backup_late_seconds')).toBeGreaterThan(3600);
    isFull = false;
    await one.look(stop.signal);
    expect(one.report()).toEqual({ lateMs: null, failure: null });
    expect(figureOf(one, 'backup_late_seconds')).toBe(0);
    expect(files().length).toBe(1);
    expect(world.engine.backups.underWay).toBe(0);
  });
});

/** The older one, and one whose recording fails. */
async function olderAnd(fails: HoldfastError, meanwhile?: (world: World) => void) {
  const world = new World();
  const one = world.member('n1', { directory: directoryOf(1) });
  await one.look(stop.signal);
  const [older] = files();
  await world.clock.advanceAsync(hour);
  await world.write();
  let during: readonly string[] = [];
  const { engine } = world;
  const txn = engine.txn.bind(engine);
  engine.txn = (request, options) => {
    // The claim compares nothing with the lease; the record does.
    if (during.length > 0 || request.compare[0]?.target?.$case !== 'lease')
      return txn(request, options);
    during = files();
    meanwhile?.(world);
    return Promise.reject(fails);
  };
  const two = world.member('n2', { directory: directoryOf(1) });
  await two.look(stop.signal);
  return { world, two, older, during };
}

describe('a backup that the cluster has no record of', () => {
  const refusal = new HoldfastError('unavailable', 'not now');
  const doubt = new HoldfastError('unavailable', 'who knows', { outcome: 'unknown' });

  it('takes no place of an older one, and goes', async () => {
    const { older, during, two, world } = await olderAnd(refusal);
    expect(during.length).toBe(2);
    expect(files()).toEqual([older]);
    expect(figureOf(two, 'backup_failures_total')).toBe(1);
    await world.clock.advanceAsync(hour);
    await two.look(stop.signal);
    expect(files().length).toBe(1);
    expect(files()).not.toContain(older);
  });

  it('stays beside the older one where it may have been recorded all the same', async () => {
    const { older, during } = await olderAnd(doubt);
    expect(files()).toEqual(during);
    expect(files()).toContain(older);
  });

  it('goes where its state has come into doubt meanwhile, whatever was recorded', async () => {
    const { older } = await olderAnd(doubt, ({ engine }) => engine.backups.stateDoubted());
    expect(files()).toEqual([older]);
  });
});

describe('a directory for backups', () => {
  it('keeps the older one when the state of the newer comes into doubt while it is read back', async () => {
    const world = new World();
    const one = world.member('n1', { directory: directoryOf(1) });
    await one.look(stop.signal);
    const [older] = files();
    await world.clock.advanceAsync(hour);
    await world.write();
    const path = join(root, 'backups');
    const disk = new WatchedDisk(path, () => world.engine.backups.stateDoubted());
    const doubted = new BackupDirectory({ path, dataDir: root, kept: 1, disk });
    const backup = await world.engine.backups.open({ actor: 'test' }, stop.signal);
    await expect(doubted.keep(backup, stop.signal)).rejects.toThrow('doubt');
    await backup.close();
    expect(files()).toEqual([older]);
  });

  it('is not begun in where the data of the member might find no room after it', async () => {
    const directory = directoryOf(1);
    await directory.prepare(1000);
    await expect(directory.prepare(1e15)).rejects.toMatchObject({
      code: 'disk-full',
      message: expect.stringContaining('no backup is begun'),
    });
    expect(roomFor(1e9, true)).toBeGreaterThan(2 * roomFor(1e9, false));
  });

  it('keeps the older one when the newer does not read back', async () => {
    const world = new World();
    const directory = directoryOf(1);
    const one = world.member('n1', { directory });
    await one.look(stop.signal);
    const [older] = files();
    await world.clock.advanceAsync(hour);
    await world.write();
    const path = join(root, 'backups');
    const rotten = new BackupDirectory({
      path,
      dataDir: root,
      kept: 1,
      disk: new RottenDisk(path),
    });
    const backup = await world.engine.backups.open({ actor: 'test' }, stop.signal);
    await expect(rotten.keep(backup, stop.signal)).rejects.toMatchObject({ code: 'corrupt' });
    await backup.close();
    expect(files()).toEqual([older]);
  });
});

/** Tells when a file is read back. */
class WatchedDisk extends NodeDisk {
  readonly #onRead: () => void;

  constructor(path: string, onRead: () => void) {
    super(path);
    this.#onRead = onRead;
  }

  override async open(...args: Parameters<NodeDisk['open']>): Promise<DiskFile> {
    if (args[1]?.readOnly) this.#onRead();
    return await super.open(...args);
  }
}

/** Gives back something else than it was given. */
class RottenDisk extends NodeDisk {
  override async open(...args: Parameters<NodeDisk['open']>): Promise<DiskFile> {
    const file = await super.open(...args);
    if (!args[1]?.readOnly) return file;
    return {
      ...file,
      close: () => file.close(),
      read: async (offset, length) => {
        const bytes = await file.read(offset, length);
        if (bytes.length > 20) bytes[20] = (bytes[20] as number) ^ 1;
        return bytes;
      },
    };
  }
}
