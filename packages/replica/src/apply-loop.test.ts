// Goal: committed entries reach the state machine in order, each once, in bounded batches. Method:
// the loop over a memory log whose reads and turns the test holds.
import { index } from '@holdfast/base/ids';
import { encodeEntryGroup } from '@holdfast/proto/entry-envelope';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { ApplyLoop } from './apply-loop.ts';
import { MemoryLogStore } from './memory-log-store.ts';
import { MemoryStateMachine } from './memory-state-machine.ts';
import { entryAt, envelopeOf, idOf } from './replica.fixture.ts';
import { defaultReplicaSettings } from './settings.ts';

async function newLoop(count: number, isSlow = false, applyCountMax = 4) {
  const log = new MemoryLogStore();
  const { last } = await log.open();
  log.accept(Array.from({ length: count }, (_, at) => entryAt(at + 1, 1)));
  const [turns, batches, failures]: [(() => void)[], number[][], unknown[]] = [[], [], []];
  const stateMachine = new MemoryStateMachine();
  const reads: (() => void)[] = [];
  const slow = (...range: Parameters<MemoryLogStore['read']>): Promise<readonly Entry[]> =>
    new Promise((resolve) => reads.push(() => resolve(log.read(...range))));
  const loop = new ApplyLoop({
    log: isSlow ? { read: slow } : log,
    stateMachine,
    settings: { ...defaultReplicaSettings, applyCountMax },
    nextTurn: (action) => turns.push(action),
    start: last,
    configuration: newConfiguration({ voters: [idOf(1)] }),
    onApplied: (entries) => batches.push(entries.map((entry) => entry.index)),
    onFailure: (error) => failures.push(error),
  });
  return { log, loop, turns, batches, failures, stateMachine, reads };
}

describe('ApplyLoop', () => {
  it('applies what is committed and no more, a batch a turn', async () => {
    const { loop, turns, batches } = await newLoop(10);
    loop.commit(index(10));
    expect(batches).toEqual([[1, 2, 3, 4]]);
    turns.shift()?.();
    turns.shift()?.();
    expect(batches).toEqual([[1, 2, 3, 4], [5, 6, 7, 8], [9]]);
    expect(turns).toEqual([]);
    loop.commit(index(11));
    expect(loop.applied.index).toBe(10);
  });

  it('lets other work go on at least every 100 entries, without reading anew (D-11)', async () => {
    const { loop, turns, batches, reads } = await newLoop(1030, true, 1024);
    loop.commit(index(1031));
    reads.shift()?.();
    await Promise.resolve();
    await Promise.resolve();
    for (let turn = turns.shift(); turn; turn = turns.shift()) turn();
    expect(batches.map((batch) => batch.length)).toEqual([...Array(10).fill(100), 24]);
    expect([loop.applied.index, reads.length]).toEqual([1024, 1]);
  });

  it('counts the commands of a group, which is never parted', async () => {
    const { log, loop, turns, batches } = await newLoop(0, false, 1024);
    const groupOf = (count: number): Uint8Array =>
      encodeEntryGroup(Array.from({ length: count }, () => envelopeOf('x')));
    const counts = [60, 39, 1, 128, 1, 1];
    log.accept(counts.map((count, at) => ({ ...entryAt(at + 1, 1), payload: groupOf(count) })));
    loop.commit(index(7));
    for (let turn = turns.shift(); turn; turn = turns.shift()) turn();
    expect(batches).toEqual([[1, 2, 3], [4], [5, 6]]);
  });

  it('goes on where it was paused in the middle of a batch, with what is there then', async () => {
    const { loop, turns, batches, stateMachine } = await newLoop(300, false, 1024);
    loop.commit(index(251));
    const pausing = loop.pause();
    turns.shift()?.();
    await pausing;
    stateMachine.apply(Array.from({ length: 50 }, (_, at) => entryAt(101 + at, 1)));
    loop.resumeAt({ index: index(150), term: entryAt(150, 1).term }, loop.configuration);
    for (let turn = turns.shift(); turn; turn = turns.shift()) turn();
    expect(batches.map((batch) => [batch[0], batch.at(-1)])).toEqual([
      [1, 100],
      [151, 250],
    ]);
  });

  it('pauses after the batch at hand, and goes on behind a snapshot', async () => {
    const { loop, batches, reads } = await newLoop(8, true);
    loop.commit(index(3));
    let isPaused = false;
    const pausing = loop.pause().then(() => {
      isPaused = true;
    });
    await Promise.resolve();
    expect(isPaused).toBe(false);
    reads.shift()?.();
    await pausing;
    loop.commit(index(7));
    expect([batches, reads.length]).toEqual([[[1, 2]], 0]);
    loop.resume();
    expect(reads).toHaveLength(1);
  });

  it('tells a failure once, and applies nothing after it', async () => {
    const { loop, failures, stateMachine, turns } = await newLoop(8);
    const broken = new Error('broken');
    stateMachine.apply = () => {
      throw broken;
    };
    loop.commit(index(3));
    loop.commit(index(9));
    for (const turn of turns) turn();
    await loop.pause();
    expect(failures).toEqual([broken]);
    expect(loop.applied.index).toBe(0);
  });
});
