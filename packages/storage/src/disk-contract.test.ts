// One suite for the Disk port, run on the real disk and on its memory twin: whatever the twin
// allows in a simulation, the real one must do, and the other way round.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Disk } from './disk.ts';
import { diskErrorCode } from './disk-error.ts';
import { MemoryDisk } from './memory-disk.ts';
import { NodeDisk } from './node-disk.ts';
import { OverlayDisk } from './overlay-disk.ts';

const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values);
const codeOf = (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(() => 'no error', diskErrorCode);

type Subject = { readonly disk: Disk; readonly dispose: () => void };

const subjects: Record<string, () => Subject> = {
  NodeDisk: () => {
    const root = mkdtempSync(join(tmpdir(), 'holdfast-disk-'));
    const dispose = (): void => rmSync(root, { recursive: true, force: true });
    return { disk: new NodeDisk(root), dispose };
  },
  MemoryDisk: () => ({ disk: new MemoryDisk(), dispose: () => undefined }),
  'MemoryDisk, attached': () => ({ disk: new MemoryDisk().attach(), dispose: () => undefined }),
  OverlayDisk: () => ({
    disk: new OverlayDisk({ inner: new MemoryDisk() }),
    dispose: () => undefined,
  }),
};

describe.each(Object.entries(subjects))('the Disk contract on %s', (_, make) => {
  let subject: Subject;
  let disk: Disk;
  beforeEach(() => {
    subject = make();
    disk = subject.disk;
  });
  afterEach(() => subject.dispose());

  it('opens what is there, and makes only what is not', async () => {
    expect(await codeOf(disk.open('a'))).toBe('ENOENT');
    await (await disk.open('a', { create: true })).close();
    expect(await codeOf(disk.open('a', { create: true }))).toBe('EEXIST');
    await (await disk.open('a')).close();
    expect(await codeOf(disk.open('none/a', { create: true }))).toBe('ENOENT');
  });

  it('reads what was written, and less only at the end', async () => {
    const file = await disk.open('a', { create: true });
    file.writeNow(0, bytes(1, 2, 3));
    await file.write(3, bytes(4, 5));
    await file.sync();
    expect(await file.size()).toBe(5);
    expect(await file.read(1, 3)).toEqual(bytes(2, 3, 4));
    expect(await file.read(3, 10)).toEqual(bytes(4, 5));
    expect(await file.read(9, 10)).toEqual(bytes());
    await file.close();
  });

  it('reads the same into memory that it is given, be it enough or not', async () => {
    const file = await disk.open('a', { create: true });
    file.writeNow(0, bytes(1, 2, 3, 4));
    for (const size of [0, 2, 3, 8]) {
      expect(await file.read(1, 3, new Uint8Array(size))).toEqual(bytes(2, 3, 4));
      expect(await file.read(3, 3, new Uint8Array(size))).toEqual(bytes(4));
    }
    await file.close();
  });

  it('does not keep the bytes that it was given', async () => {
    const file = await disk.open('a', { create: true });
    const given = bytes(1, 2, 3);
    file.writeNow(0, given);
    given.fill(9);
    const read = await file.read(0, 3);
    expect(read).toEqual(bytes(1, 2, 3));
    read.fill(9);
    expect(await file.read(0, 3)).toEqual(bytes(1, 2, 3));
    await file.close();
  });

  it('fills a gap with zeros, also where a truncation took bytes away', async () => {
    const file = await disk.open('a', { create: true });
    file.writeNow(2, bytes(7));
    expect(await file.read(0, 3)).toEqual(bytes(0, 0, 7));
    await file.truncate(1);
    await file.truncate(3);
    expect(await file.read(0, 9)).toEqual(bytes(0, 0, 0));
    await file.close();
  });

  it('refuses to write through a file that is open for reading', async () => {
    await (await disk.open('a', { create: true })).close();
    const file = await disk.open('a', { readOnly: true });
    expect(await codeOf(file.write(0, bytes(1)))).toBe('EBADF');
    expect(() => file.writeNow(0, bytes(1))).toThrow();
    await file.close();
    expect(await codeOf(file.read(0, 1))).toBe('EBADF');
  });

  it('lists names in order, and an absent directory as empty', async () => {
    expect(await disk.list('d')).toEqual([]);
    await disk.makeDirectory('d');
    await disk.makeDirectory('d');
    for (const name of ['d/c', 'd/a', 'd/b'])
      await (await disk.open(name, { create: true })).close();
    expect(await disk.list('d')).toEqual(['a', 'b', 'c']);
    expect(await disk.list('.')).toEqual(['d']);
    await disk.syncDirectory('d');
    await disk.syncDirectory('.');
  });

  it('renames over what is there, and removes', async () => {
    const one = await disk.open('one', { create: true });
    one.writeNow(0, bytes(1));
    const two = await disk.open('two', { create: true });
    two.writeNow(0, bytes(2));
    await disk.rename('one', 'two');
    expect(await disk.list('.')).toEqual(['two']);
    const found = await disk.open('two');
    expect(await found.read(0, 9)).toEqual(bytes(1));
    // An open file outlives its name.
    expect(await two.read(0, 9)).toEqual(bytes(2));
    await disk.remove('two');
    expect(await found.read(0, 9)).toEqual(bytes(1));
    expect(await codeOf(disk.remove('two'))).toBe('ENOENT');
    expect(await codeOf(disk.rename('two', 'x'))).toBe('ENOENT');
    for (const file of [one, two, found]) await file.close();
  });

  it('knows how much room is left', async () => {
    expect(await disk.freeBytes()).toBeGreaterThan(0);
  });
});
