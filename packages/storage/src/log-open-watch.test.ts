// Goal: an open that reads for long tells how far it is, and can be broken off without harm (D-01).
// Method: a log of several segments on a memory disk; the watch gives up at its second word.
import { HoldfastError } from '@holdfast/base/errors';
import { index, term } from '@holdfast/base/ids';
import type { Entry } from '@holdfast/raft/entry';
import { describe, expect, it } from 'vitest';
import { MemoryDisk } from './memory-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

const options = { segmentBytes: 8192, groupBytesMax: 2048 };

const entry = (at: number): Entry => ({
  index: index(at),
  term: term(1),
  kind: 'command',
  payload: new Uint8Array(200).fill(7),
});

async function writtenDisk(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  const log = new SegmentedLog({ disk: disk.attach(), ...options });
  await log.open();
  for (let at = 1; at <= 200; at += 10) {
    log.accept(Array.from({ length: 10 }, (_, n) => entry(at + n)));
    await log.sync(index(0));
  }
  await log.close();
  return disk;
}

describe('an open that is watched', () => {
  it('tells its progress, which only grows and stays within its total', async () => {
    const told: { done: number; total: number }[] = [];
    const log = new SegmentedLog({ disk: (await writtenDisk()).attach(), ...options });
    await log.open({ onProgress: (done, total) => told.push({ done, total }) });
    await log.close();
    expect(told.length).toBeGreaterThan(3);
    for (const [at, { done, total }] of told.entries()) {
      expect(done).toBeGreaterThanOrEqual(told[at - 1]?.done ?? 0);
      expect(done).toBeLessThanOrEqual(total);
    }
  });

  it('is broken off with the reason of the signal, and the next one finds all', async () => {
    const disk = await writtenDisk();
    const stop = new AbortController();
    const reason = new HoldfastError('shutting-down', 'this member is stopping');
    let words = 0;
    const log = new SegmentedLog({ disk: disk.attach(), ...options });
    const opening = log.open({
      signal: stop.signal,
      onProgress: () => {
        words += 1;
        if (words === 2) stop.abort(reason);
      },
    });
    await expect(opening).rejects.toBe(reason);
    expect(words).toBe(2);
    await log.close();
    const again = new SegmentedLog({ disk: disk.attach(), ...options });
    expect((await again.open()).last.index).toBe(200);
    await again.close();
  });
});
