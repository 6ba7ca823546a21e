// What every LogStore must do, as a test suite: run on the files and on the memory twin.
import { utf8 } from '@holdfast/base/bytes';
import { index, term } from '@holdfast/base/ids';
import { encodeConfiguration, newConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import type { LogStore } from '@holdfast/replica/ports';
import { expect, it } from 'vitest';

export type LogWorld = {
  readonly log: LogStore;
  /** Runs in the middle of the next sync, once: after the write, before it is durable. */
  readonly duringNextSync: (action: () => void) => void;
  /** The process dies; another store on the same medium. */
  readonly crash: () => LogStore;
};

const entryAt = (at: number, inTerm = 1): Entry => ({
  index: index(at),
  term: term(inTerm),
  kind: 'command',
  payload: utf8(`entry ${at}@${inTerm}`),
});
const entriesOf = (lo: number, hi: number, inTerm = 1): Entry[] =>
  Array.from({ length: hi - lo }, (_, at) => entryAt(lo + at, inTerm));
const id = (at: number, inTerm = 1) => ({ index: index(at), term: term(inTerm) });
const all = Number.MAX_SAFE_INTEGER;

export function logStoreContract(newWorld: () => LogWorld): void {
  const opened = async (): Promise<LogWorld> => {
    const world = newWorld();
    await world.log.open();
    return world;
  };

  it('begins empty', async () => {
    const { log } = newWorld();
    const found = await log.open();
    expect(found).toMatchObject({ last: id(0, 0), purged: id(0, 0), sizes: [], rot: undefined });
  });

  it('shows at once what it accepts, and persists it with a sync', async () => {
    const { log, crash } = await opened();
    log.accept(entriesOf(1, 4));
    expect(log.marks).toMatchObject({ accepted: id(3), persisted: id(0, 0) });
    expect(await log.read(index(2), index(4), all)).toEqual(entriesOf(2, 4));
    expect(await log.sync(index(2))).toEqual(id(3));
    log.accept(entriesOf(4, 6));
    const found = await crash().open();
    expect(found).toMatchObject({ last: id(3), termRuns: [{ from: 1, term: 1 }], commitHint: 2 });
    expect(found.sizes).toHaveLength(3);
  });

  it('reads at least one entry, and no more than were asked for in bytes', async () => {
    const { log } = await opened();
    log.accept(entriesOf(1, 10));
    expect(await log.read(index(3), index(9), 1)).toEqual([entryAt(3)]);
    expect((await log.read(index(3), index(9), 120)).length).toBe(2);
  });

  it('takes entries again that it has, and replaces those that differ', async () => {
    const { log, crash } = await opened();
    log.accept(entriesOf(1, 6));
    await log.sync(index(0));
    log.accept(entriesOf(2, 4));
    expect(log.marks.accepted).toEqual(id(5));
    log.accept([entryAt(4, 2)]);
    expect(log.marks).toMatchObject({ accepted: id(4, 2), persisted: id(3) });
    expect(await log.sync(index(0))).toEqual(id(4, 2));
    expect((await crash().open()).termRuns).toEqual([
      { from: 1, term: 1 },
      { from: 4, term: 2 },
    ]);
  });

  it('never reports an end that was truncated while it was being synced', async () => {
    const { log, duringNextSync, crash } = await opened();
    log.accept(entriesOf(1, 6));
    duringNextSync(() => log.accept(entriesOf(3, 8, 2)));
    expect(await log.sync(index(0))).toEqual(id(2));
    expect(log.marks).toMatchObject({ accepted: id(7, 2), persisted: id(2) });
    expect(await log.sync(index(0))).toEqual(id(7, 2));
    expect((await crash().open()).last).toEqual(id(7, 2));
  });

  it('tells the configurations that it holds', async () => {
    const { log, crash } = await opened();
    const configuration = newConfiguration({ voters: [] });
    const payload = encodeConfiguration(configuration);
    log.accept([entryAt(1), { ...entryAt(2), kind: 'membership', payload }]);
    await log.sync(index(0));
    expect((await crash().open()).configurations).toEqual([{ index: 2, configuration }]);
  });

  it('purges no more than it is told, and what is synced', async () => {
    const { log, crash } = await opened();
    log.accept(entriesOf(1, 200));
    await log.sync(index(199));
    log.accept(entriesOf(200, 210));
    const purged = await log.purge(index(150));
    expect(purged.index).toBeLessThanOrEqual(150);
    expect(log.marks.purged).toEqual(purged);
    expect(await log.read(index(151), index(210), all)).toEqual(entriesOf(151, 210));
    const found = await crash().open();
    expect(found).toMatchObject({ purged, last: id(199) });
  });

  it('begins anew behind a snapshot, durably', async () => {
    const { log, crash } = await opened();
    log.accept(entriesOf(1, 10));
    await log.reset(id(50, 3));
    expect(log.marks).toEqual({ purged: id(50, 3), accepted: id(50, 3), persisted: id(50, 3) });
    log.accept(entriesOf(51, 53, 3));
    await log.sync(index(50));
    expect(await crash().open()).toMatchObject({ purged: id(50, 3), last: id(52, 3) });
  });

  it('closes twice, and syncs no more', async () => {
    const { log } = await opened();
    await log.close();
    await log.close();
    await expect(log.sync(index(0))).rejects.toMatchObject({ code: 'shutting-down' });
  });
}
