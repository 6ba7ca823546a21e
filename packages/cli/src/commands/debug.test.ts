// Goal: a bundle of what the named members say of themselves, what is dead said, and no key, value
// or secret in it. Method: a member's door with planted secrets, and an endpoint where nobody is.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { runCommand, startTestServer } from '../test-cluster.ts';
import { doorsIn, withoutSecrets } from './debug.ts';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-debug-'));
});

afterEach(() => rmSync(folder, { recursive: true }));

describe('debug', () => {
  it('collects pages, says who is dead, and holds no key and no value', async () => {
    await using server = await startTestServer();
    await server.run('kv', 'put', 'planted-key', 'planted-value');
    await server.run('config', 'publish', 'planted.txt', '-');
    const dir = join(folder, 'case');
    const endpoints = ['--endpoints', `${server.endpoint},127.0.0.1:1`];
    const { code, out } = await server.run('debug', '--dir', dir, ...endpoints);
    expect(code).toBe(0);
    expect(out).toMatch(/^127\.0\.0\.1:1: 0 pages, 11 missing: .*ECONNREFUSED/m);
    const own = join(dir, server.endpoint.replace(':', '_'));
    expect(JSON.parse(readFileSync(join(own, 'cluster.json'), 'utf8'))).toHaveProperty('members');
    expect(readFileSync(join(own, 'metrics.txt'), 'utf8')).toContain('holdfast_revision');
    const about = JSON.parse(readFileSync(join(dir, 'about.json'), 'utf8'));
    expect(about.silences).toContainEqual(
      expect.objectContaining({ endpoint: '127.0.0.1:1', name: 'cluster.json' }),
    );
    const texts = readdirSync(own).map((name) => readFileSync(join(own, name), 'utf8'));
    expect(texts.join('\n')).not.toContain('planted');
    // What is there is never mixed with another time's.
    const again = await server.run('debug', '--dir', dir, ...endpoints);
    expect(again.code).toBe(4);
  });

  it('fails where nobody answers, and leaves what it has found', async () => {
    const dir = join(folder, 'case');
    const endpoints = '127.0.0.1:1,127.0.0.1:2';
    const { code, out, err } = await runCommand(['debug', '--dir', dir], { endpoints });
    expect(out).toMatch(/^127\.0\.0\.1:1: 0 pages, 11 missing: .*ECONNREFUSED/m);
    expect(err).toMatch(/no endpoint answers: .*ECONNREFUSED.* \[unavailable\]/);
    expect(code).toBe(5);
    expect(readdirSync(dir)).toEqual(['about.json']);
  });

  it('asks one door of each member that the named ones know', () => {
    const members = [['a:1', 'a:2'], ['b:1', 'b:2'], ['c:1'], []].map((clientAddresses) => ({
      clientAddresses,
    }));
    expect(doorsIn(JSON.stringify({ members }), ['a:2', 'd:1'])).toEqual(['b:1', 'c:1']);
    expect(doorsIn('{}', [])).toEqual([]);
  });

  it('strikes out what looks like a secret, whoever has let it through', () => {
    const text = '{"cluster-token": {"value": "s3cret"}, "password":"a\\"b", "name": "n1"}';
    expect(withoutSecrets(text)).toBe(
      '{"cluster-token": "(left out)", "password":"(left out)", "name": "n1"}',
    );
  });
});
