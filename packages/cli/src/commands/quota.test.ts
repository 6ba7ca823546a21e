// Goal: quotas through the command line. Method: the whole program over the real HTTP door on an
// engine in memory.
import { describe, expect, it } from 'vitest';

import { startTestServer } from '../test-cluster.ts';

describe('holdfast quota', () => {
  it('sets, shows and lifts quotas, and a write beyond is told with what to do', async () => {
    await using server = await startTestServer();
    expect((await server.run('kv', 'put', 'a', 'x'.repeat(500))).code).toBe(0);
    const set = await server.run('quota', 'set', 'kv', '1kB');
    expect(set).toMatchObject({ code: 0, out: 'kv may hold 1000 bytes.\n' });
    expect((await server.run('quota', 'set', 'configs/pay', '2MiB')).out).toContain('2097152');
    const full = await server.run('kv', 'put', 'b', 'x'.repeat(500));
    expect(full.code).toBe(7);
    expect(full.err).toContain('[quota-exceeded]');
    const { out } = await server.run('quota', 'list');
    expect(out).toMatch(/^SCOPE\s+BYTES\s+QUOTA\s+USED\nkv\s+\d+\s+1000\s+\d+ %\n/);
    expect((await server.run('quota', 'remove', 'kv')).code).toBe(0);
    expect((await server.run('kv', 'put', 'b', 'x'.repeat(500))).code).toBe(0);
    const listed = await server.run('quota', 'list', '--output', 'json');
    expect(JSON.parse(listed.out)).toMatchObject([
      { scope: 'kv', bytesMax: null },
      { scope: 'configs/pay', bytes: 0, bytesMax: 2_097_152 },
    ]);
  });

  it('exits with 2 for a scope or a size that there is not', async () => {
    await using server = await startTestServer();
    for (const [scope, bytes] of [
      ['locks', '10MB'],
      ['kv/app', '10MB'],
      ['configs/', '10MB'],
      ['kv', '10 apples'],
      ['kv', '0'],
    ] as const) {
      expect((await server.run('quota', 'set', scope, bytes)).code, `${scope} ${bytes}`).toBe(2);
    }
  });
});
