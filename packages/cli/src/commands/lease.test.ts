// Goal: leases through the command line, and keys that hang on them. Method: the whole program over
// the real HTTP door on an engine in memory.
import { describe, expect, it } from 'vitest';

import { startTestServer, type TestServer } from '../test-cluster.ts';

const grant = async (server: TestServer, ...more: readonly string[]): Promise<string> => {
  const answer = await server.run('lease', 'grant', '30s', '--output', 'json', ...more);
  expect(answer).toMatchObject({ code: 0, err: '' });
  return JSON.parse(answer.out).id;
};

describe('holdfast lease', () => {
  it('grants, shows with keys, lists and revokes', async () => {
    await using server = await startTestServer();
    const id = await grant(server);
    expect((await server.run('kv', 'put', 'a', '1', '--lease', id)).code).toBe(0);
    const listed = await server.run('kv', 'list', 'a', '--output', 'json');
    expect(JSON.parse(listed.out)).toMatchObject({ key: 'a', lease: id });
    const ttl = await server.run('lease', 'ttl', id, '--keys');
    expect(ttl.out).toMatch(/granted for\s+30 s/);
    expect(ttl.out).toMatch(/keys\s+a\n/);
    expect((await server.run('lease', 'list')).out).toBe(`${id}\n`);
    expect((await server.run('lease', 'revoke', id)).out).toBe('Revoked; keys deleted: 1.\n');
    expect((await server.run('kv', 'get', 'a')).code).toBe(3);
  });

  it('keeps a lease alive once, or until Ctrl-C', async () => {
    await using server = await startTestServer();
    const id = await grant(server);
    const once = await server.run('lease', 'keep-alive', id, '--once');
    expect(once.out).toBe(`Lease ${id} lives for another 30 s.\n`);
    const stop = new AbortController();
    const onOut = (): void => stop.abort(new Error('Ctrl-C'));
    const held = await server.runWith({ signal: stop.signal, onOut }, 'lease', 'keep-alive', id);
    expect(held.code).not.toBe(0);
  });

  it('exits with 3 for a lease that there is not, with 4 for a taken id, with 2 for none', async () => {
    await using server = await startTestServer();
    for (const command of [['ttl'], ['revoke'], ['keep-alive', '--once']]) {
      expect((await server.run('lease', ...command, '12')).code, command.join(' ')).toBe(3);
    }
    expect((await server.run('kv', 'put', 'a', '1', '--lease', '12')).code).toBe(3);
    const { err } = await server.run('lease', 'ttl', '12');
    expect(err).toContain('requested lease not found [not-found]');
    expect(err).toContain('`holdfast lease list`');
    expect(err).not.toContain('kv list');
    await grant(server, '--id', '12');
    expect((await server.run('lease', 'grant', '30s', '--id', '12')).code).toBe(4);
    expect((await server.run('lease', 'ttl', 'twelve')).code).toBe(2);
    expect((await server.run('lease', 'grant', 'soon')).code).toBe(2);
  });

  it('says that a bare number counts milliseconds where it is too short', async () => {
    await using server = await startTestServer();
    const bare = await server.run('lease', 'grant', '30');
    expect(bare.code).toBe(2);
    expect(bare.err).toContain('A bare number counts milliseconds: write the unit, as in 30s.');
    const short = await server.run('lease', 'grant', '30ms');
    expect(short.code).toBe(2);
    expect(short.err).not.toContain('bare number');
    const badId = await server.run('lease', 'grant', '30000', '--id', 'twelve');
    expect(badId.err).not.toContain('bare number');
    expect((await server.run('lease', 'grant', '30000')).code).toBe(0);
  });
});
