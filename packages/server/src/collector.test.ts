// Goal: the collector lets a small heap grow by more than its share, as large as it is by now, and
// runs seldom during a load, however loads end or overlap. Method: what V8 would be told; and that
// this V8 knows the flag.
import { execFileSync } from 'node:child_process';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { Collector, growing } from './collector.ts';

const megabyte = 1024 * 1024;

function newCollector(heapBytes: number) {
  const flags: string[] = [];
  const heap = { bytes: heapBytes };
  const port = { setFlag: (flag: string) => void flags.push(flag), heapBytes: () => heap.bytes };
  return { collector: new Collector(port), flags, heap };
}

describe('Collector', () => {
  it('lets the heap grow by as much whatever its size, within limits', async () => {
    for (const [heap, percent] of [
      [64 * megabyte, 200],
      [256 * megabyte, 50],
      [1 * megabyte, 1000],
    ] as const) {
      const { collector, flags } = newCollector(heap);
      expect(await collector.seldomWhile(async () => [...flags])).toEqual([growing(percent)]);
      expect(flags).toEqual([growing(percent), growing(0)]);
    }
  });

  it('leaves a large heap to V8', async () => {
    const { collector, flags } = newCollector(300 * megabyte);
    expect(await collector.seldomWhile(async () => [...flags])).toEqual([]);
  });

  it('ends with the last of several loads, also with one that fails', async () => {
    const { collector, flags } = newCollector(64 * megabyte);
    const ends: (() => void)[] = [];
    const first = collector.seldomWhile(() => new Promise<void>((resolve) => ends.push(resolve)));
    await expect(
      collector.seldomWhile(() => Promise.reject(new Error('a bad image'))),
    ).rejects.toThrow('a bad image');
    expect(flags).toEqual([growing(200)]);
    ends[0]?.();
    await first;
    expect(flags).toEqual([growing(200), growing(0)]);
  });

  it('follows the heap as it grows, and leaves it to V8 once it is large', () => {
    const clock = new ManualClock();
    const { collector, flags, heap } = newCollector(32 * megabyte);
    const stop = collector.follow(clock);
    expect(flags).toEqual([growing(400)]);
    heap.bytes = 34 * megabyte; // Hardly another share.
    clock.advance(5000);
    expect(flags).toEqual([growing(400)]);
    heap.bytes = 128 * megabyte;
    clock.advance(1000);
    heap.bytes = 400 * megabyte;
    clock.advance(5000);
    heap.bytes = 64 * megabyte;
    clock.advance(1000);
    expect(flags).toEqual([growing(400), growing(100), growing(0), growing(200)]);
    stop();
    heap.bytes = 32 * megabyte;
    clock.advance(5000);
    expect(flags.slice(4)).toEqual([growing(0)]);
  });

  it('keeps to the share that a load began with until it ends', async () => {
    const clock = new ManualClock();
    const { collector, flags, heap } = newCollector(32 * megabyte);
    const stop = collector.follow(clock);
    await collector.seldomWhile(async () => {
      heap.bytes = 400 * megabyte;
      clock.advance(5000);
      expect(flags).toEqual([growing(400)]);
    });
    expect(flags).toEqual([growing(400), growing(0)]);
    stop();
  });

  it('sets a flag that this Node has', () => {
    const all = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    expect(all).toMatch(/^ *--heap-growing-percent /m);
  });
});
