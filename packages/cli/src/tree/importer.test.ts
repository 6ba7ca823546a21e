// Goal: an import takes in every file that can be taken, tells why the others were not, goes on
// while the cluster changes its leader, and stops where going on is in vain. Method: a real tree on
// disk, and a store that refuses as it is told.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { HoldfastError } from '@holdfast/base/errors';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { SystemClock } from '@holdfast/base/system-clock';
import type { ConfigApi, ConfigId, PublishOptions } from '@holdfast/client/config-api';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { Importer, type ImportOptions } from './importer.ts';
import type { Progress } from './progress.ts';
import { walkTrees } from './tree-walker.ts';

const quiet: Progress = { total: () => undefined, done: () => undefined, stop: () => undefined };
let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-import-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true, force: true });
});

/** Keeps what was published; `refuse` may throw first. */
class TestStore implements Pick<ConfigApi, 'publish'> {
  readonly contents = new Map<string, { readonly content: Uint8Array; readonly format: string }>();
  refuse: (id: ConfigId, options: PublishOptions) => void = () => undefined;
  running = 0;
  runningMax = 0;

  async publish(id: ConfigId, content: Uint8Array, options: PublishOptions = {}) {
    this.running += 1;
    this.runningMax = Math.max(this.runningMax, this.running);
    await new Promise((resolve) => setImmediate(resolve));
    this.running -= 1;
    this.refuse(id, options);
    const format = options.format ?? '';
    if (format === 'json') parseOrRefuse(content);
    this.contents.set(id.name, { content, format });
    return { revision: this.contents.size, version: 1, changed: true };
  }
}

function parseOrRefuse(content: Uint8Array): void {
  try {
    JSON.parse(Buffer.from(content).toString());
  } catch {
    const details = { line: 1, column: 1 };
    throw new HoldfastError('invalid-argument', 'no JSON', { details });
  }
}

function make(store: TestStore, options: Partial<ImportOptions> = {}, signal?: AbortSignal) {
  const importer = new Importer(
    {
      namespace: 'default',
      group: 'default',
      concurrency: 4,
      bytesMax: 1_048_576,
      dryRun: false,
      comment: undefined,
      patienceMs: 5_000,
      includes: () => true,
      ...options,
    },
    {
      configs: store,
      clock: new SystemClock(),
      random: new SeededRandom(1),
      progress: quiet,
      signal: signal ?? new AbortController().signal,
    },
  );
  return { importer, run: () => importer.run(walkTrees([{ directory, prefix: '' }])) };
}

const reasons = (importer: Importer): Record<string, number> =>
  Object.fromEntries(importer.skipped.lines().map(({ reason, count }) => [reason, count]));

describe('Importer', () => {
  it('takes in what it can, and counts the rest with reasons', async () => {
    await mkdir(join(directory, 'a', 'b'), { recursive: true });
    await writeFile(join(directory, 'a', 'b', 'good.json'), '{"x": 1}');
    await writeFile(join(directory, 'a', 'comments.JSON'), '// x\n{}');
    await writeFile(join(directory, 'empty.conf'), '');
    await writeFile(join(directory, 'limit.txt'), Buffer.alloc(1_048_576));
    await writeFile(join(directory, 'large.txt'), '');
    await truncate(join(directory, 'large.txt'), 1_048_577);
    await symlink(directory, join(directory, 'a', 'loop'));
    await symlink('/etc/hostname', join(directory, 'link.conf'));
    spawnSync('mkfifo', [join(directory, 'pipe')]);
    const store = new TestStore();
    const { importer, run } = make(store);
    await run();
    expect([...store.contents.keys()].toSorted()).toEqual([
      'a/b/good.json',
      'a/comments.JSON',
      'empty.conf',
      'limit.txt',
    ]);
    expect(store.contents.get('a/comments.JSON')?.format).toBe('text');
    expect(store.contents.get('a/b/good.json')?.format).toBe('json');
    expect(importer.summary(0)).toMatchObject({ published: 4, asText: 1, skippedCount: 4 });
    expect(reasons(importer)).toEqual({
      'symbolic link': 2,
      'not a regular file': 1,
      'too large': 1,
    });
  });

  it('goes on through refusals that pass, with several at once and no more', async () => {
    for (let at = 0; at < 40; at += 1) await writeFile(join(directory, `${at}.txt`), `${at}`);
    const store = new TestStore();
    let calls = 0;
    store.refuse = () => {
      calls += 1;
      if (calls % 7 === 3) throw new HoldfastError('no-leader', 'an election');
      if (calls % 7 === 5) {
        throw new HoldfastError('leadership-lost', 'the leader changed', { outcome: 'unknown' });
      }
    };
    const { importer, run } = make(store);
    await run();
    expect(store.contents.size).toBe(40);
    expect(store.runningMax).toBeGreaterThan(1);
    expect(store.runningMax).toBeLessThanOrEqual(4);
    expect(importer.summary(0).retries).toBeGreaterThan(5);
    expect(importer.skipped.count).toBe(0);
  });

  it('gives up when its patience ends, at once where waiting is in vain, and when told to', async () => {
    for (let at = 0; at < 20; at += 1) await writeFile(join(directory, `${at}.txt`), `${at}`);
    for (const code of ['no-quorum', 'permission-denied', 'quota-exceeded'] as const) {
      const store = new TestStore();
      store.refuse = () => {
        if (store.contents.size >= 5) throw new HoldfastError(code, 'not now');
      };
      const { importer, run } = make(store, { patienceMs: 200 });
      await expect(run()).rejects.toMatchObject({ code });
      expect(importer.summary(0).published).toBe(5);
    }
    const stop = new AbortController();
    const store = new TestStore();
    store.refuse = () => stop.abort(new Error('Ctrl-C'));
    await expect(make(store, {}, stop.signal).run()).rejects.toThrow('Ctrl-C');
    expect(store.contents.size).toBeLessThanOrEqual(4);
  });

  it('publishes nothing in a dry run, and nothing that is not included', async () => {
    await writeFile(join(directory, 'a.txt'), 'a');
    await writeFile(join(directory, 'b.json'), '{}');
    const store = new TestStore();
    const includes = (name: string): boolean => name.endsWith('.json');
    const { importer, run } = make(store, { dryRun: true, includes });
    await run();
    expect(store.contents.size).toBe(0);
    expect(importer.summary(0)).toMatchObject({ published: 1, notIncluded: 1 });
  });

  it('counts a name that is refused, without trying it as text', async () => {
    await writeFile(join(directory, 'a\u0001.json'), '{}');
    const store = new TestStore();
    let calls = 0;
    store.refuse = () => {
      calls += 1;
      const details = { part: 'name' };
      throw new HoldfastError('invalid-argument', 'control characters', { details });
    };
    const { importer, run } = make(store);
    await run();
    expect(calls).toBe(1);
    expect(reasons(importer)).toEqual({ 'name refused': 1 });
  });
});

describe('an import into a cluster that has no sessions yet', () => {
  it('stops at once, instead of skipping every file', async () => {
    await writeFile(join(directory, 'a.json'), '{}');
    const store = new TestStore();
    store.refuse = () => {
      const details = { heldBackBy: ['n3'] };
      throw new HoldfastError('failed-precondition', 'not yet: n3', { details });
    };
    await expect(make(store).run()).rejects.toMatchObject({ code: 'failed-precondition' });
  });
});
