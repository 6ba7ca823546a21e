// Goal: the collector runs seldom during a load, and as ever after it, however loads end or
// overlap. Method: what V8 would be told; and that this V8 knows the flag.
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { Collector, growing } from './collector.ts';

const megabyte = 1024 * 1024;

function newCollector(heapBytes: number) {
  const flags: string[] = [];
  const port = { setFlag: (flag: string) => void flags.push(flag), heapBytes: () => heapBytes };
  return { collector: new Collector(port), flags };
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

  it('sets a flag that this Node has', () => {
    const all = execFileSync(process.execPath, ['--v8-options'], { encoding: 'utf8' });
    expect(all).toMatch(/^ *--heap-growing-percent /m);
  });
});
