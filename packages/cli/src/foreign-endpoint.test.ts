// Goal: a command that reaches a server which is no member of Holdfast says so and where to look,
// and tells neither a success nor a value of it; a member beside it is found. Method: a real server
// that answers everything with one page, and the door of a member.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { runCommand, startTestServer } from './test-cluster.ts';

let status = 200;
let endpoints: string;
let server: ReturnType<typeof createServer>;

beforeEach(async () => {
  status = 200;
  server = createServer((_request, response) => {
    response.writeHead(status, { 'Content-Type': 'text/html' }).end('<html>welcome</html>\n');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  endpoints = `127.0.0.1:${(server.address() as AddressInfo).port}`;
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

const unsure = 'Whether the write took effect is not known';

describe('a server that is no member', () => {
  it.each([
    [['kv', 'put', 'a', '1'], true],
    [['config', 'publish', 'a', '-'], true],
    [['kv', 'get', 'a'], false],
    [['kv', 'watch', 'a'], false],
    [['config', 'get', 'a'], false],
    [['config', 'history', 'a'], false],
    [['member', 'list'], false],
    [['backup', '-'], false],
  ])('is told of by %j', async (args, isWrite) => {
    for (status of [200, 404]) {
      const { code, out, err } = await runCommand(args, { endpoints });
      expect([code, out]).toEqual([5, '']);
      expect(err).toContain(`${endpoints}: answered, but it is no member of Holdfast: `);
      expect(err).toContain('Look at --endpoints');
      expect(err.includes(unsure)).toBe(isWrite && status === 200);
    }
  });

  it('is told of by status, in the row of its endpoint', async () => {
    const { code, out, err } = await runCommand(['status'], { endpoints });
    expect(code).toBe(5);
    expect(`${out}${err}`).toContain('answered, but it is no member of Holdfast');
  });

  it.each([200, 404])('of status %i hides no member beside it', async (answered) => {
    status = answered;
    await using member = await startTestServer();
    const both = { endpoints: `${endpoints},${member.endpoint}` };
    for (let at = 0; at < 4; at += 1) {
      const { code, out } = await runCommand(['kv', 'put', `a${at}`, 'one'], both);
      expect([code, out]).toEqual([0, `Written at revision ${at + 2}.\n`]);
      expect((await runCommand(['kv', 'get', `a${at}`], both)).out).toBe('one');
    }
  });
});
