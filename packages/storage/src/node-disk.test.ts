// The lock on a real directory: one living process, however it ended before. The Disk itself is
// tested by disk-contract.test.ts.
import { spawn } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { index, term } from '@holdfast/base/ids';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { lockDirectory, lockForReading, makeRoot, NodeDisk } from './node-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), `holdfast-lock-${'long-name-'.repeat(9)}`));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('the lock of a data directory', () => {
  it('is held by one, told with directory and process, and free again after close', async () => {
    const lock = await lockDirectory(root, 4711);
    expect(readFileSync(join(root, 'pid'), 'utf8')).toBe('4711\n');
    await expect(lockDirectory(root, 4712)).rejects.toMatchObject({
      code: 'failed-precondition',
      details: { directory: root, pid: 4711 },
    });
    await lock.close();
    await lock.close();
    expect(existsSync(join(root, 'pid'))).toBe(false);
    await (await lockDirectory(root, 4712)).close();
  });

  it('of two that come at once is given to one', async () => {
    const tries = await Promise.allSettled([lockDirectory(root, 1), lockDirectory(root, 2)]);
    const held = tries.filter((one) => one.status === 'fulfilled');
    expect(held.length).toBe(1);
    for (const one of held) await one.value.close();
  });

  it('does not survive a killed process, whose socket file stays', async () => {
    const child = spawn(process.execPath, ['-e', holder, root], { stdio: ['ignore', 'pipe', 2] });
    await new Promise((resolve) => child.stdout?.once('data', resolve));
    const ended = new Promise((resolve) => child.once('exit', resolve));
    // Frozen, it still holds the lock; dead, it does not.
    child.kill('SIGSTOP');
    await expect(lockDirectory(root, 1)).rejects.toMatchObject({ code: 'failed-precondition' });
    child.kill('SIGKILL');
    await ended;
    expect(existsSync(join(root, 'lock'))).toBe(true);
    await (await lockDirectory(root, 2)).close();
  });

  it('sees a holder on the path alone, as from another network namespace', async () => {
    const server = createServer();
    // Through the open directory, because its path is longer than a socket's may be.
    const directory = openSync(root, 'r');
    const path = `/proc/self/fd/${directory}/lock`;
    await new Promise<void>((resolve) => server.listen(path, resolve));
    writeFileSync(join(root, 'pid'), '99\n');
    await expect(lockDirectory(root, 1)).rejects.toMatchObject({ details: { pid: 99 } });
    await new Promise((resolve) => server.close(resolve));
    closeSync(directory);
  });
});

describe('the lock for reading', () => {
  it('leaves the remains of a dead member as they are, and keeps a new one out', async () => {
    writeFileSync(join(root, 'pid'), '99\n');
    const before = readdirSync(root);
    const reading = await lockForReading(root);
    if (process.platform === 'linux') {
      await expect(lockDirectory(root, 1)).rejects.toMatchObject({ code: 'failed-precondition' });
    }
    await reading.close();
    expect(readdirSync(root)).toEqual(before);
    expect(readFileSync(join(root, 'pid'), 'utf8')).toBe('99\n');
  });

  it('is refused while a member lives there', async () => {
    const lock = await lockDirectory(root, 7);
    await expect(lockForReading(root)).rejects.toThrow(/in use by process 7/);
    await lock.close();
  });
});

describe('a data directory that is to be made', () => {
  it('is made with those above it, for its owner alone, and may be there already', () => {
    const deep = join(root, 'a', 'b', 'c');
    makeRoot(deep);
    makeRoot(deep);
    expect(statSync(deep).mode & 0o777).toBe(0o700);
  });

  it('is refused where a file is in the way', () => {
    writeFileSync(join(root, 'a'), '');
    expect(() => makeRoot(join(root, 'a'))).toThrow(/can not be made/);
    expect(() => makeRoot(join(root, 'a', 'b'))).toThrow(/can not be made/);
  });

  it.runIf(process.platform === 'linux')('is refused where no folder can be made', () => {
    expect(() => makeRoot('/proc/holdfast/n1')).toThrow(
      expect.objectContaining({ code: 'failed-precondition' }),
    );
  });
});

/** Listens as the lock does on the path, and says so; only the file socket, which may go stale. */
const holder = `
  process.chdir(process.argv[1]);
  require('node:net').createServer().listen('lock', () => console.log('held'));
`;

describe('the log on a real disk', () => {
  it('opens again what it wrote', async () => {
    const options = { disk: new NodeDisk(root), segmentBytes: 64 * 1024 };
    const log = new SegmentedLog(options);
    await log.open();
    const payload = new Uint8Array(300).fill(7);
    for (let at = 1; at <= 500; at += 1) {
      log.accept([{ index: index(at), term: term(1), kind: 'command', payload }]);
      if (at % 50 === 0) await log.sync(index(at));
    }
    await log.close();
    const again = new SegmentedLog(options);
    const recovery = await again.open();
    expect(recovery.last.index).toBe(500);
    expect(recovery.rot).toBeUndefined();
    await again.close();
  });
});
