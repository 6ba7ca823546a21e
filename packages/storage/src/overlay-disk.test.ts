// Goal: what is done on an overlay never reaches the disk below, and reads as if it had. Method:
// one sequence of random operations on an overlay over a disk, and on a copy of that disk.
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import type { Disk } from './disk.ts';
import { MemoryDisk } from './memory-disk.ts';
import { OverlayDisk } from './overlay-disk.ts';

const names = ['a', 'b', 'd/c', 'd/e'] as const;

async function filled(): Promise<MemoryDisk> {
  const disk = new MemoryDisk();
  await disk.makeDirectory('d');
  for (const [at, name] of names.slice(0, 3).entries()) {
    const file = await disk.open(name, { create: true });
    await file.write(0, new Uint8Array(200).fill(at + 1));
    await file.close();
  }
  return disk;
}

async function contentOf(disk: Disk): Promise<Record<string, string>> {
  const found: Record<string, string> = {};
  for (const directory of ['.', 'd']) {
    for (const name of await disk.list(directory)) {
      if (name === 'd') continue;
      const path = directory === '.' ? name : `${directory}/${name}`;
      const file = await disk.open(path, { readOnly: true });
      found[path] = Buffer.from(await file.read(0, await file.size())).toString('hex');
      await file.close();
    }
  }
  return found;
}

/** One operation; what it threw is part of what is compared. */
async function act(disk: Disk, kind: number, draw: (hi: number) => number): Promise<string> {
  const [one, other] = [names[draw(4)] as string, names[draw(4)] as string];
  const [offset, length, value] = [draw(300), draw(120), draw(3)];
  try {
    if (kind === 0) await disk.remove(one);
    else if (kind === 1) await disk.rename(one, other);
    else {
      const file = await disk.open(one, { create: kind === 2 });
      if (kind === 3) await file.truncate(offset);
      else await file.write(offset, new Uint8Array(length).fill(value));
      await file.close();
    }
    return 'done';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

describe('an overlay', () => {
  it('reads as a disk that was written, and leaves the one below as it was', async () => {
    for (let seed = 1; seed <= 60; seed += 1) {
      const below = await filled();
      const before = await contentOf(below);
      const copy = await filled();
      const overlay = new OverlayDisk({ inner: below });
      for (let step = 0; step < 25; step += 1) {
        const kind = new SeededRandom(seed * 100 + step).integer(0, 6);
        const drawn = (disk: Disk): Promise<string> => {
          const random = new SeededRandom(seed * 1000 + step);
          return act(disk, kind, (hi) => random.integer(0, hi));
        };
        expect(await drawn(overlay), `seed ${seed}, step ${step}`).toBe(await drawn(copy));
        expect(await contentOf(overlay), `seed ${seed}, step ${step}`).toEqual(
          await contentOf(copy),
        );
      }
      expect(await contentOf(below)).toEqual(before);
      await overlay.close();
    }
  });

  it('keeps zeros as a length, however many', async () => {
    const overlay = new OverlayDisk({ inner: new MemoryDisk() });
    const file = await overlay.open('big', { create: true });
    const zeros = new Uint8Array(1024 * 1024);
    for (let at = 0; at < 256; at += 1) await file.write(at * zeros.length, zeros);
    expect(await file.size()).toBe(2 ** 28);
    expect(await file.read(2 ** 27, 3)).toEqual(new Uint8Array(3));
  });

  it('tells the bytes that were read from below', async () => {
    let bytes = 0;
    const overlay = new OverlayDisk({
      inner: await filled(),
      onRead: (count) => {
        bytes += count;
      },
    });
    const file = await overlay.open('a');
    await file.write(0, new Uint8Array(10).fill(9));
    expect((await file.read(5, 10))[0]).toBe(9);
    expect(bytes).toBe(10);
  });
});
