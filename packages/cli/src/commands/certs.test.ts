// Goal: `holdfast certs` makes what members and clients take, writes over nothing, keeps keys to
// their owner, and says what a certificate is. Method: the whole program on a temporary folder.
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { runCommand } from '../test-cluster.ts';

let dir: string;

beforeEach(() => {
  dir = join(mkdtempSync(join(tmpdir(), 'holdfast-certs-')), 'certs');
});

afterEach(() => rmSync(join(dir, '..'), { recursive: true }));

const run = (...args: readonly string[]) => runCommand(['certs', ...args]);

describe('certs init', () => {
  it('makes an authority, members and a client, and says how to start', async () => {
    const { code, out } = await run('init', '--dir', dir, '--members', 'n1=10.0.0.1,n2');
    expect(code).toBe(0);
    expect(readdirSync(dir).sort()).toEqual(
      ['ca', 'client-admin', 'n1', 'n2'].flatMap((name) => [`${name}.crt`, `${name}.key`]),
    );
    for (const name of readdirSync(dir).filter((one) => one.endsWith('.key'))) {
      expect(statSync(join(dir, name)).mode & 0o777).toBe(0o600);
    }
    expect(out).toContain(`--tls-peer-cert ${join(dir, 'n1.crt')}`);
    expect(out).toContain(`--cert ${join(dir, 'client-admin.crt')}`);
    const shown = await run('show', join(dir, 'n1.crt'), join(dir, 'client-admin.crt'));
    expect(shown.code).toBe(0);
    expect(shown.out).toMatch(/CN=n1 \(for server and client\)[\s\S]*CN=Holdfast CA/);
    expect(shown.out).toMatch(/DNS:n1, IP Address:10\.0\.0\.1, DNS:localhost/);
    expect(shown.out).toMatch(/36[45] days left[\s\S]*CN=admin \(for client\)/);
  });

  it('writes over nothing, and then writes nothing at all', async () => {
    await run('init', '--dir', dir, '--members', 'n1');
    rmSync(join(dir, 'ca.crt'));
    const before = readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8'));
    const { code, err } = await run('init', '--dir', dir, '--members', 'n1');
    expect(code).toBe(4);
    expect(err).toMatch(/nothing was written: .*ca\.key/);
    expect(readdirSync(dir).map((name) => readFileSync(join(dir, name), 'utf8'))).toEqual(before);
  });

  it.each([
    ['n1,a/b', 'admin', '"a/b" is no member: write NAME or NAME=HOST'],
    ['n1=a=b', 'admin', '"n1=a=b" is no member'],
    ['n1=*', 'admin', '"n1=*" is no member'],
    ['n1,n2,n1', 'admin', 'two certificates would be called n1'],
    ['n1,ca', 'admin', 'two certificates would be called ca'],
    ['n1,client-ann', 'ann', 'two certificates would be called client-ann'],
    ['n1', 'a/b', '"a/b" is no client'],
    ['n1', '', '"" is no client'],
    ['n1', 'a\nb', 'is no client'],
  ])('writes nothing for members %s and client %j', async (members, client, words) => {
    const args = ['--dir', dir, '--members', members, '--client', client];
    const { code, err } = await run('init', ...args);
    expect(code).toBe(2);
    expect(err).toContain(words);
    expect(existsSync(dir)).toBe(false);
  });
});

describe('certs issue and show', () => {
  it('make one more by the same authority, for a member or a client', async () => {
    await run('init', '--dir', dir, '--members', 'n1');
    expect((await run('issue', '--dir', dir, '--member', 'n4=h4', '--days', '10')).code).toBe(0);
    expect((await run('issue', '--dir', dir, '--client', 'ann')).code).toBe(0);
    const both = [join(dir, 'n4.crt'), join(dir, 'client-ann.crt')];
    const { out } = await runCommand(['certs', 'show', ...both, '--output', 'json']);
    expect(JSON.parse(out)).toMatchObject([
      { names: ['n4', 'h4', 'localhost'], daysLeft: 9, issuer: 'CN=Holdfast CA' },
      { subject: 'CN=ann', purposes: ['client'], isAuthority: false },
    ]);
    const neither = await run('issue', '--dir', dir);
    expect(neither.err).toContain('say --member NAME=HOST, or --client NAME');
    expect((await run('issue', '--dir', dir, '--client', 'ann')).code).toBe(4);
  });

  it('say what is no certificate', async () => {
    await run('init', '--dir', dir, '--members', 'n1');
    const { code, err } = await run('show', join(dir, 'n1.key'));
    expect(code).toBe(2);
    expect(err).toContain('holds no certificate (PEM)');
  });
});

describe('the files with which a command speaks TLS', () => {
  const status = (...args: readonly string[]) =>
    runCommand(['status', '--endpoints', 'https://127.0.0.1:1', ...args]);

  it('are whole pairs that can be read', async () => {
    await run('init', '--dir', dir, '--members', 'n1');
    const file = (name: string): string => join(dir, name);
    expect((await status('--cert', file('n1.crt'))).err).toMatch(/--cert is half of a pair/);
    const mixed = await status('--cert', file('n1.crt'), '--key', file('ca.key'));
    expect(mixed.err).toMatch(/ca\.key is not the key of --cert/);
    expect((await status('--ca', file('none'))).err).toMatch(/--ca .*none can not be read/);
    writeFileSync(file('x'), 'x');
    expect((await status('--ca', file('x'))).err).toMatch(/holds no certificate/);
    const clear = ['status', '--endpoints', 'http://a:1', '--ca', file('ca.crt')];
    expect((await runCommand(clear)).err).toMatch(/http:\/\/ can not be asked by TLS/);
  });
});
