// Goal: verify and dump-log on a real directory: what they print, how they exit, and that a living
// member keeps them out. Method: the whole program on a temporary directory of a member that lived.
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { index, term } from '@holdfast/base/ids';
import { lockDirectory, NodeDisk } from '@holdfast/storage/node-disk';
import { SegmentedLog } from '@holdfast/storage/segmented-log';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { type Files, livedFiles } from '../offline/member-directory.fixture.ts';
import { runCommand } from '../test-cluster.ts';

let files: Files;
let root: string;

beforeAll(async () => {
  files = await livedFiles();
});

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'holdfast-offline-'));
  for (const [path, bytes] of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
  }
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const segment = 'groups/0/log/0000000000000001.seg';

/** Changes one byte in the middle of the log's records. */
function rot(path: string, offset: number): void {
  const file = openSync(join(root, path), 'r+');
  const byte = readFileSync(join(root, path))[offset] as number;
  writeSync(file, Uint8Array.of(byte ^ 1), 0, 1, offset);
  closeSync(file);
}

describe('holdfast verify', () => {
  it('says that all is sound, and exits with 0', async () => {
    const { code, out } = await runCommand(['verify', root, '--deep']);
    expect(out).toContain('Sound.');
    expect(out).toMatch(/member +n1, /);
    expect(out).toMatch(/state hash +[0-9a-f]{16}/);
    expect(code).toBe(0);
  });

  it('names the place of damage and what it means, and exits with 1', async () => {
    rot(segment, 9000);
    const { code, out } = await runCommand(['verify', root]);
    expect(out).toMatch(/damage +groups\/0\/log\/0000000000000001\.seg at \d+/);
    expect(out).toContain('fetches the entries from');
    expect(code).toBe(1);
    const json = await runCommand(['verify', root, '--output', 'json']);
    expect(JSON.parse(json.out)).toMatchObject({
      verdict: 'damaged',
      start: { repairing: true, refused: null },
    });
  });

  it('exits with 11 where a start is refused, with the sentence of the refusal', async () => {
    writeFileSync(join(root, 'identity'), new Uint8Array(8192).fill(1));
    const { code, out } = await runCommand(['verify', root]);
    expect(out).toContain('the identity file cannot be read');
    expect(out).toContain('Unusable: a start is refused.');
    expect(code).toBe(11);
  });

  it('is refused while a member lives there, and where nothing is', async () => {
    const lock = await lockDirectory(root, process.pid);
    const held = await runCommand(['verify', root]);
    expect(held.err).toContain(`is in use by process ${process.pid}`);
    expect(held.err).toContain('Stop that member first');
    expect(held.code).toBe(4);
    await lock.close();
    expect((await runCommand(['verify', join(root, 'none')])).code).toBe(3);
  });

  it('calls no directory sound in which no member has lived, and names those that may be meant', async () => {
    const parent = mkdtempSync(join(tmpdir(), 'holdfast-parent-'));
    try {
      const empty = await runCommand(['verify', parent]);
      expect(empty).toMatchObject({ code: 3, out: '' });
      expect(empty.err).toContain(`${parent} is no member's data directory`);
      expect(empty.err).toContain('Name the --data-dir of a member');
      for (const name of ['n1', 'n2', 'docs']) mkdirSync(join(parent, name));
      for (const name of ['n1', 'n2']) writeFileSync(join(parent, name, 'identity'), '');
      for (const command of ['verify', 'dump-log']) {
        const { code, err } = await runCommand([command, parent]);
        expect(code).toBe(3);
        expect(err).toContain(`lived in ${join(parent, 'n1')}, ${join(parent, 'n2')}: name one`);
      }
    } finally {
      rmSync(parent, { recursive: true });
    }
  });

  it('judges a directory that has lost its identity', async () => {
    rmSync(join(root, 'identity'));
    const { code, out } = await runCommand(['verify', root]);
    expect(out).toContain('the identity file is gone');
    expect(code).toBe(11);
  });
});

describe('holdfast dump-log', () => {
  it('prints a range of entries, one a line, with keys and lengths', async () => {
    const { code, out } = await runCommand(['dump-log', root, '--from', '10', '--to', '12']);
    const lines = out.trim().split('\n');
    expect(lines.length).toBe(4);
    expect(lines[1]).toMatch(
      /^ +10 +\d+ +command +\d{4}-.*Z +tester +- +put 1:"key-\d+" \(200 bytes\)$/,
    );
    expect(code).toBe(0);
  });

  it('says where the log begins and ends for a range in which it has nothing', async () => {
    const behind = await runCommand(['dump-log', root, '--from', '9999']);
    expect(behind).toMatchObject({ code: 2, out: '' });
    expect(behind.err).toMatch(/nothing for --from 9999: the log begins at entry \d+ and ends at/);
    const last = /ends at entry (\d+)/.exec(behind.err)?.[1] as string;
    expect((await runCommand(['dump-log', root, '--from', last])).code).toBe(0);
    const crossed = await runCommand(['dump-log', root, '--from', '12', '--to', '10']);
    expect(crossed).toMatchObject({ code: 2, out: '' });
    expect(crossed.err).toContain('--from 12 is above --to 10');
    const log = new SegmentedLog({ disk: new NodeDisk(root), directory: 'groups/0/log' });
    await log.open({ signal: new AbortController().signal });
    await log.reset({ index: index(90), term: term(1) });
    await log.close();
    const before = await runCommand(['dump-log', root, '--to', '90']);
    expect(before).toMatchObject({ code: 2, out: '' });
    expect(before.err).toContain(
      'nothing for --to 90: the log is empty, and goes on behind entry 90',
    );
  });

  it('calls an empty entry what it is, of a new leader and of an idle one', async () => {
    const { out } = await runCommand(['dump-log', root]);
    const empty = out.split('\n').filter((line) => / empty +- /.test(line));
    expect(empty.length).toBeGreaterThan(0);
    for (const line of empty) expect(line).toContain('a new or an idle leader proves itself');
  });

  it('prints values, places and objects where it is asked to', async () => {
    const args = ['dump-log', root, '--from', '10', '--to', '10', '--values', '--files'];
    const { out } = await runCommand(args);
    expect(out).toMatch(/= "v{200}" {2}groups\/0\/log\/[0-9a-f]{16}\.seg\+\d+\n$/);
    const json = await runCommand([...args, '--output', 'json']);
    expect(JSON.parse(json.out)).toMatchObject({ index: 10, actor: 'tester', session: null });
  });

  it('stops at damage with a sentence, and goes on behind it with --all', async () => {
    rot(segment, 9000);
    const short = await runCommand(['dump-log', root]);
    expect(short.err).toMatch(/damaged from entry \d+ on: .*at offset \d+/);
    expect(short.code).toBe(1);
    const all = await runCommand(['dump-log', root, '--all']);
    expect(all.out.split('\n').length).toBeGreaterThan(short.out.split('\n').length + 5);
    expect(all.out).toContain('"key-59"');
  });
});
