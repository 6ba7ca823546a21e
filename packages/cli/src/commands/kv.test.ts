// Goal: keys come and go through the command line byte for byte. Method: the whole program over the
// real HTTP door on an engine in memory.
import { describe, expect, it } from 'vitest';

import { startTestServer } from '../test-cluster.ts';

describe('holdfast kv', () => {
  it('writes, reads, lists and deletes', async () => {
    await using server = await startTestServer();
    expect(await server.run('kv', 'put', 'a/1', 'one')).toMatchObject({ code: 0, err: '' });
    const bytes = new Uint8Array([0, 255, 10, 128]);
    await server.runWith({ input: bytes }, 'kv', 'put', 'a/2', '-');
    const got = await server.run('kv', 'get', 'a/2');
    expect(Buffer.compare(got.outBytes, bytes)).toBe(0);
    const list = await server.run('kv', 'list', 'a/');
    expect(list.out).toBe('a/1  one\na/2  {"base64":"AP8KgA=="}\n');
    const keys = await server.run('kv', 'list', '--keys-only', '--output', 'json');
    expect(
      keys.out
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line).key),
    ).toEqual(['a/1', 'a/2']);
    expect((await server.run('kv', 'del', 'a/1')).code).toBe(0);
    const missing = await server.run('kv', 'get', 'a/1');
    expect(missing.code).toBe(3);
    expect(missing.err).toContain('there is no key "a/1"');
    expect((await server.run('kv', 'del', 'a/1')).code).toBe(3);
  });

  it('reads the past, and lists more than one page', async () => {
    await using server = await startTestServer();
    const first = JSON.parse((await server.run('kv', 'put', 'k', 'old', '--output', 'json')).out);
    await server.run('kv', 'put', 'k', 'new');
    const past = await server.run('kv', 'get', 'k', '--revision', String(first.revision));
    expect(past.out).toBe('old');
    const puts = Array.from({ length: 1_201 }, (_, at) => ({ put: { key: `p${at}`, value: '' } }));
    for (let at = 0; at < puts.length; at += 100) {
      const request = JSON.stringify({ success: puts.slice(at, at + 100) });
      expect((await server.runWith({ input: request }, 'kv', 'txn', '-')).code).toBe(0);
    }
    const list = await server.run('kv', 'list', 'p', '--keys-only');
    expect(list.out.trim().split('\n')).toHaveLength(1_201);
  });

  it('keeps a condition, and exits with 4 where it does not hold', async () => {
    await using server = await startTestServer();
    expect((await server.run('kv', 'put', 'k', '1', '--if-revision', '0')).code).toBe(0);
    const refused = await server.run('kv', 'put', 'k', '2', '--if-revision', '0');
    expect(refused.code).toBe(4);
    expect(refused.err).toContain('failed-precondition');
    const txn = JSON.stringify({
      compare: [{ key: 'k', target: 'value', is: 'equal', value: 'x' }],
      failure: [{ get: { key: 'k' } }],
    });
    const answer = await server.runWith({ input: txn }, 'kv', 'txn', '-');
    expect(answer.code).toBe(4);
    expect(JSON.parse(answer.out)).toMatchObject({ succeeded: false });
    expect((await server.runWith({ input: '{' }, 'kv', 'txn', '-')).code).toBe(2);
  });

  it('watches from the past on, until it is told to end', async () => {
    await using server = await startTestServer();
    for (const value of ['1', '2', '3']) await server.run('kv', 'put', 'w/a', value);
    await server.run('kv', 'del', 'w/a');
    const stop = new AbortController();
    const onOut = (text: string): void => {
      if (text.includes('delete')) stop.abort(new Error('seen enough'));
    };
    const options = { signal: stop.signal, onOut };
    const args = ['kv', 'watch', 'w/', '--prefix', '--from-revision', '1'];
    const { out } = await server.runWith(options, ...args);
    const lines = out
      .trim()
      .split('\n')
      .map((line) => line.replace(/^\d+ +/, ''));
    expect(lines).toEqual(['put  w/a  1', 'put  w/a  2', 'put  w/a  3', 'delete  w/a']);
  });
});

describe('holdfast status and member list', () => {
  it('show what each endpoint says, and which does not answer', async () => {
    await using server = await startTestServer();
    const gone = await startTestServer();
    await gone.close();
    const endpoints = `${server.endpoint},${gone.endpoint}`;
    const { code, out } = await server.run('status', '--endpoints', endpoints);
    expect(out).toMatch(new RegExp(`${server.endpoint} +\\S+ +leader`));
    expect(out).toMatch(new RegExp(`${gone.endpoint} [- ]+ does not answer`));
    expect(code).toBe(0);
    expect((await server.run('status', '--endpoints', gone.endpoint)).code).toBe(5);
    const members = await server.run('member', 'list', '--output', 'json');
    expect(JSON.parse(members.out)).toEqual([]);
  });
});
