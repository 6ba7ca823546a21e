// Goal: configurations go in and come out byte for byte, with history, conditions and refusals that
// say where. Method: the whole program over the real HTTP door on an engine in memory.
import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { startTestServer, type TestServer } from '../test-cluster.ts';

let server: TestServer;
let directory = '';

beforeEach(async () => {
  server = await startTestServer();
  directory = await mkdtemp(join(tmpdir(), 'holdfast-config-'));
});

afterEach(async () => {
  await server.close();
  await rm(directory, { recursive: true, force: true });
});

const publish = (name: string, input: string, ...more: readonly string[]) =>
  server.runWith({ input }, 'config', 'publish', name, '-', ...more);

describe('holdfast config', () => {
  it('publishes, reads, lists, deletes and brings back', async () => {
    const first = await publish('app.yaml', 'retries: 3\n', '--comment', 'first');
    expect(first).toMatchObject({ code: 0, err: '' });
    expect(first.out).toMatch(/^Published app.yaml as version 1, revision \d+\.\n$/);
    expect((await publish('app.yaml', 'retries: 3\n')).out).toContain('version 1 stays');
    await publish('app.yaml', 'retries: 5\n', '--comment', 'mehr, bitte: größer');
    expect((await server.run('config', 'get', 'app.yaml')).out).toBe('retries: 5\n');
    const old = await server.run('config', 'get', 'app.yaml', '--version', '1');
    expect(old.out).toBe('retries: 3\n');
    const list = await server.run('config', 'list', '--output', 'json');
    expect(JSON.parse(list.out)).toMatchObject({ name: 'app.yaml', version: 2, format: 'yaml' });
    const back = await server.run('config', 'rollback', 'app.yaml', '--to', '1');
    expect(back.out).toContain('as version 3');
    expect((await server.run('config', 'delete', 'app.yaml')).code).toBe(0);
    const gone = await server.run('config', 'get', 'app.yaml');
    expect(gone.code).toBe(3);
    const history = await server.run('config', 'history', 'app.yaml', '--output', 'json');
    const versions = JSON.parse(history.out) as { kind: string; comment: string; actor: string }[];
    expect(versions.map(({ kind }) => kind)).toEqual(['delete', 'rollback', 'publish', 'publish']);
    expect(versions[2]?.comment).toBe('mehr, bitte: größer');
    expect(versions[2]?.actor).toBe('unverified:tester');
    expect((await server.run('config', 'history', 'app.yaml')).out).toContain('größer');
  });

  it('refuses what does not parse, with its line, and what is too large', async () => {
    const bad = await publish('app.json', '{\n  "a": 1,\n  "b": }\n');
    expect(bad.code).toBe(2);
    expect(bad.err).toMatch(/line 3/);
    expect((await publish('app.json', '{', '--format', 'text')).code).toBe(0);
    const large = await publish('large.txt', 'x'.repeat(1_048_577));
    expect(large.err).toContain('1048576');
    expect(large.code).toBe(7);
    expect((await publish('../x', 'x')).err).toContain('the name');
  });

  it('keeps conditions', async () => {
    expect((await publish('a.txt', '1', '--new')).code).toBe(0);
    expect((await publish('a.txt', '2', '--new')).code).toBe(4);
    expect((await publish('a.txt', '2', '--if-version', '1')).code).toBe(0);
    const refused = await publish('a.txt', '3', '--if-version', '1');
    expect(refused.code).toBe(4);
    expect((await server.run('config', 'get', 'a.txt')).out).toBe('2');
  });

  it('shows what changed between versions and against a file', async () => {
    await publish('app.yaml', 'a: 1\nb: 2\n');
    await publish('app.yaml', 'a: 1\nb: 3\n');
    const diff = await server.run('config', 'diff', 'app.yaml');
    expect(diff.code).toBe(1);
    expect(diff.out).toContain('-b: 2\n+b: 3\n');
    expect(diff.out).toContain('--- app.yaml (version 1)');
    const same = await server.run('config', 'diff', 'app.yaml', '--from', '2', '--to', '2');
    expect(same).toMatchObject({ code: 0, out: '' });
    const file = join(directory, 'app.yaml');
    await writeFile(file, 'a: 1\nb: 3\nc: 4\n');
    const withFile = await server.run('config', 'diff', 'app.yaml', '--file', file);
    expect(withFile.out).toContain('+c: 4');
  });

  it('says that it is the version that is missing, and where the others are', async () => {
    await publish('app.yaml', 'a: 1\n', '--group', 'web');
    const web = ['app.yaml', '--group', 'web'];
    for (const args of [
      ['diff', ...web, '--from', '3'],
      ['get', ...web, '--version', '3'],
      ['rollback', ...web, '--to', '3'],
    ]) {
      const { code, err } = await server.run('config', ...args);
      expect(code, args.join(' ')).toBe(3);
      expect(err).toContain('version 3');
      expect(err).not.toContain('there is no app.yaml');
      expect(err).toContain('`holdfast config history app.yaml -g web` shows the versions.');
    }
    expect((await server.run('config', 'get', 'app.yaml')).err).toContain('there is no app.yaml');
  });

  it('watches a group, and tells every change once', async () => {
    await publish('a.txt', '1');
    await publish('other.txt', 'x', '--group', 'elsewhere');
    await publish('a.txt', '2');
    await server.run('config', 'delete', 'a.txt');
    const stop = new AbortController();
    const onOut = (text: string): void => {
      if (text.includes('"delete"')) stop.abort(new Error('seen enough'));
    };
    const args = ['config', 'watch', '--from-revision', '1', '--content', '--output', 'json'];
    const { out } = await server.runWith({ signal: stop.signal, onOut }, ...args);
    const changes = out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(changes.map(({ kind, name, content }) => [kind, name, content])).toEqual([
      ['publish', 'a.txt', '1'],
      ['publish', 'a.txt', '2'],
      ['delete', 'a.txt', undefined],
    ]);
  });
});

describe('holdfast config import and export', () => {
  it('bring a tree in and out again, byte for byte', async () => {
    const source = join(directory, 'source');
    await mkdir(join(source, 'deep', 'ünïcode dir'), { recursive: true });
    const files: Readonly<Record<string, string | Buffer>> = {
      'a.json': '{"a": 1}',
      'broken.json': '{"a": ',
      'deep/b.yaml': 'b: [1, 2]\r\n',
      'deep/c.properties': 'c=d\n',
      'deep/ünïcode dir/d.toml': 'd = 1\n',
      'bom.xml': '\ufeff<a>\n</a>\n',
      'empty.conf': '',
      none: 'no ending',
    };
    for (const [name, content] of Object.entries(files)) {
      await writeFile(join(source, name), content);
    }
    const imported = await server.run('config', 'import', source, '--output', 'json');
    expect(imported.code).toBe(0);
    const summary = JSON.parse(imported.out);
    expect(summary).toMatchObject({ published: 8, asText: 1, skippedCount: 0 });
    const target = join(directory, 'target');
    const exported = await server.run('config', 'export', target);
    expect(exported.code).toBe(0);
    expect(spawnSync('diff', ['-r', source, target]).stdout.toString()).toBe('');
    const again = await server.run('config', 'import', source, '--output', 'json');
    expect(JSON.parse(again.out)).toMatchObject({ published: 8, unchanged: 8 });
    const dry = await server.run('config', 'import', source, '--dry-run');
    expect(dry.out).toMatch(/^would publish +8\n/);
    expect(dry.out).not.toMatch(/published|revision/);
    const kept = await server.run('config', 'export', target);
    expect(kept.out).toMatch(/exists already +8 +.*: the file is there; --overwrite replaces it/);
    expect(kept.out).not.toContain('EEXIST');
    expect(kept.code).toBe(1);
    const onFile = await server.run('config', 'export', join(source, 'a.json'));
    expect(onFile.err).toContain('a.json is no directory');
    expect(onFile.code).toBe(2);
  });

  it('say which directory is not there, and what to name', async () => {
    const nowhere = join(directory, 'nodir');
    for (const tree of [nowhere, `etc=${nowhere}`]) {
      const { code, err } = await server.run('config', 'import', tree);
      expect(err).toContain(`there is no directory ${nowhere} [invalid-argument]`);
      expect(err).toContain('Name a directory that is there, as DIR or PREFIX=DIR');
      expect(err).not.toContain('ENOENT');
      expect(code).toBe(2);
    }
    const file = join(directory, 'a-file.json');
    await writeFile(file, '{}');
    const onFile = await server.run('config', 'import', file);
    expect(onFile.err).toContain('a-file.json is no directory');
    expect(onFile.err).toContain('Name the directory around it');
  });

  it('take several trees with prefixes, globs, and lists of files', async () => {
    for (const name of ['x/conf', 'y/conf']) {
      await mkdir(join(directory, name), { recursive: true });
      await writeFile(join(directory, name, 'a.json'), '{}');
      await writeFile(join(directory, name, 'b.md'), '# b');
    }
    const [x, y] = [join(directory, 'x/conf'), join(directory, 'y/conf')];
    const clash = await server.run('config', 'import', x, y);
    expect(clash.err).toContain('PREFIX=DIR');
    expect(clash.code).toBe(2);
    const include = ['--include', '*.json', '--output', 'json'];
    const two = await server.run('config', 'import', x, `other/y=${y}`, ...include);
    expect(JSON.parse(two.out)).toMatchObject({ published: 2, notIncluded: 2 });
    const input = `${join(x, 'b.md')}\n${join(y, 'b.md')}\n${join(x, 'missing')}\n`;
    const args = ['config', 'import', x, '--files-from', '-', '--output', 'json'];
    const listed = await server.runWith({ input }, ...args);
    expect(JSON.parse(listed.out)).toMatchObject({ published: 2, skippedCount: 1 });
    const names = (await server.run('config', 'list', '--output', 'json')).out
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).name);
    expect(names).toEqual(['b.md', 'conf/a.json', 'other/y/a.json', `${y.slice(1)}/b.md`]);
    expect((await server.run('config', 'import')).code).toBe(2);
    expect((await server.run('config', 'import', join(directory, 'none'))).err).toContain(
      'there is no directory',
    );
  });
});
