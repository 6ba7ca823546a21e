// Goal: no name leads out of the directory, nothing is overwritten unasked, and every file is
// whole. Method: names made to escape, links laid in their way.
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { ConfigApi } from '@holdfast/client/config-api';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Exporter } from './exporter.ts';
import type { Progress } from './progress.ts';
import { prepareSafePath, whyUnsafe } from './safe-path.ts';

const quiet: Progress = { total: () => undefined, done: () => undefined, stop: () => undefined };
let outer = '';
let directory = '';

beforeEach(async () => {
  outer = await mkdtemp(join(tmpdir(), 'holdfast-export-'));
  directory = join(outer, 'inner');
});

afterEach(async () => {
  await rm(outer, { recursive: true, force: true });
});

const record = {
  kind: 'publish',
  version: 1,
  revision: 1,
  format: 'text',
  hash: null,
  at: '',
  actor: '',
  comment: '',
} as const;

function exporterOf(contents: Readonly<Record<string, Uint8Array>>, overwrite = false): Exporter {
  const configs: Pick<ConfigApi, 'listAll' | 'get'> = {
    async *listAll({ namespace, group }) {
      for (const [name, content] of Object.entries(contents)) {
        const bytes = content.length;
        yield { namespace, group, name, bytes, ...record };
      }
    },
    async get({ name }) {
      const content = contents[name];
      if (content === undefined) return undefined;
      return { content, format: 'text', version: 1, revision: 1, ageMs: 0 };
    },
  };
  const place = { namespace: 'n', group: 'g', prefix: '', directory };
  const { signal } = new AbortController();
  return new Exporter(
    { ...place, overwrite, concurrency: 4 },
    { configs, progress: quiet, signal },
  );
}

describe('Exporter', () => {
  it('writes names that stay inside, and counts those that do not', async () => {
    const content = Buffer.from([0, 1, 255]);
    const bad = ['../a', '/etc/a', 'x/../../a', 'a//b', './a', 'x/..', ''];
    const names = [...bad, 'good', 'deep/er/good'];
    const exporter = exporterOf(Object.fromEntries(names.map((name) => [name, content])));
    const summary = await exporter.run();
    expect(summary).toMatchObject({ written: 2, skippedCount: bad.length });
    expect(await readFile(join(directory, 'deep', 'er', 'good'))).toEqual(content);
    expect(await readdir(outer)).toEqual(['inner']);
    expect((await readdir(directory)).toSorted()).toEqual(['deep', 'good']);
  });

  it('goes through no link that leads out', async () => {
    await mkdir(directory);
    await mkdir(join(outer, 'elsewhere'));
    await symlink(join(outer, 'elsewhere'), join(directory, 'link'));
    const content = Buffer.from('x');
    const summary = await exporterOf({ 'link/a': content, 'link/b/c': content }, true).run();
    expect(summary).toMatchObject({ written: 0, skippedCount: 2 });
    expect(await readdir(join(outer, 'elsewhere'))).toEqual([]);
  });

  it('replaces files only when asked, and never follows the link that one is', async () => {
    await mkdir(directory);
    await writeFile(join(outer, 'precious'), 'old');
    await symlink(join(outer, 'precious'), join(directory, 'a'));
    await writeFile(join(directory, 'b'), 'old');
    const contents = { a: Buffer.from('new'), b: Buffer.from('new') };
    expect(await exporterOf(contents).run()).toMatchObject({ written: 0, skippedCount: 2 });
    expect(await readFile(join(directory, 'b'), 'utf8')).toBe('old');
    expect(await exporterOf(contents, true).run()).toMatchObject({ written: 2, skippedCount: 0 });
    expect(await readFile(join(directory, 'b'), 'utf8')).toBe('new');
    expect(await readFile(join(outer, 'precious'), 'utf8')).toBe('old');
  });

  it('counts a file and a folder of one name', async () => {
    const contents = { a: Buffer.from('x'), 'a/b': Buffer.from('y'), c: Buffer.from('z') };
    const exporter = exporterOf(contents);
    const summary = await exporter.run();
    expect(summary).toMatchObject({ written: 2, skippedCount: 1 });
  });
});

describe('whyUnsafe', () => {
  it('lets no name through that would step out of its directory', async () => {
    const part = fc.constantFrom('..', '.', '', 'a', '\0', '...', 'a b', '~');
    await fc.assert(
      fc.asyncProperty(fc.array(part, { minLength: 1, maxLength: 5 }), async (parts) => {
        const name = parts.join('/');
        await mkdir(directory, { recursive: true });
        if (whyUnsafe(name) !== undefined) return;
        const path = await prepareSafePath(directory, name);
        expect(path.startsWith(`${directory}/`)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });
});
