// The quota routes over an engine in memory, with configurations as the doors write them: what they
// count for is what quotas count.
import { utf8 } from '@holdfast/base/bytes';
import { backupKeyspace } from '@holdfast/domain/backup-key';
import { putRequest } from '@holdfast/domain/requests';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { configRoutes } from './config-routes.ts';
import { type TestDoor, testDoor } from './test-door.fixture.ts';

let door: TestDoor;

beforeEach(() => {
  door = testDoor({ routes: [configRoutes()] });
});

afterEach(async () => {
  await door.app.close();
  expect(door.faults).toEqual([]);
});

type Method = 'GET' | 'PUT' | 'POST' | 'DELETE';
const call = (method: Method, url: string) => door.app.inject({ method, url });
const put = (url: string, payload: string) => door.app.inject({ method: 'PUT', url, payload });
const limit = (scope: string, bytesMax: unknown) =>
  door.app.inject({ method: 'PUT', url: `/v1/quotas/${scope}`, payload: { bytesMax } });

async function bytesOf(scope: string): Promise<number> {
  const { quotas } = (await call('GET', '/v1/quotas')).json() as {
    quotas: { scope: string; bytes: number }[];
  };
  return quotas.find((one) => one.scope === scope)?.bytes ?? 0;
}

describe('quotas', () => {
  it('are set, shown with what is used, and lifted', async () => {
    await put('/v1/kv/a', 'x'.repeat(1000));
    expect((await limit('kv', 5000)).json()).toMatchObject({ scope: 'kv', bytesMax: 5000 });
    expect((await limit('configs/pay', 9000)).json()).toMatchObject({ scope: 'configs/pay' });
    const { quotas } = (await call('GET', '/v1/quotas')).json();
    expect(quotas).toEqual([
      { scope: 'kv', bytes: expect.any(Number), bytesMax: 5000 },
      { scope: 'configs/pay', bytes: 0, bytesMax: 9000 },
    ]);
    expect(await bytesOf('kv')).toBeGreaterThan(1000);
    const lifted = await call('DELETE', '/v1/quotas/kv');
    expect([lifted.statusCode, lifted.json().bytesMax]).toEqual([200, null]);
  });

  it('tell nothing of what the cluster keeps for itself', async () => {
    const key = { keyspace: backupKeyspace, key: utf8('k'), rangeEnd: new Uint8Array(0) };
    await door.engine.put(putRequest(key, utf8('v')), { actor: 'test' });
    const { quotas } = (await call('GET', '/v1/quotas')).json();
    expect(quotas.map(({ scope }: { scope: string }) => scope)).not.toContain('kv');
  });

  it('are of what can be a namespace alone, as it is named', async () => {
    for (const wrong of ['a/b', 'a\nb', 'é'.repeat(129), 'x'.repeat(257)]) {
      const refused = await limit(`configs/${encodeURIComponent(wrong)}`, 1);
      expect(refused.json(), wrong).toMatchObject({ code: 'invalid-argument' });
      expect(refused.json().detail).toContain('namespace');
    }
    expect((await limit('configs/', 1)).statusCode).not.toBe(200);
    expect((await limit('configs/%EF%BB%BFpay', 9)).json().scope).toBe('configs/\ufeffpay');
    const { quotas } = (await call('GET', '/v1/quotas')).json();
    expect(quotas).toEqual([{ scope: 'configs/\ufeffpay', bytes: 0, bytesMax: 9 }]);
    const mark = await door.app.inject({
      method: 'PUT',
      url: '/v1/quotas/kv',
      headers: { 'content-type': 'application/json' },
      payload: '\ufeff{"bytesMax":7}',
    });
    expect(mark.json()).toMatchObject({ bytesMax: 7 });
  });

  it('refuse puts with 507 and the scope, take deletes and what shrinks, and go on', async () => {
    await put('/v1/kv/a', 'x'.repeat(2000));
    await limit('kv', 2500);
    const refused = await put('/v1/kv/b', 'x'.repeat(1000));
    expect(refused.statusCode).toBe(507);
    expect(refused.json()).toMatchObject({ code: 'quota-exceeded', outcome: 'not-applied' });
    expect(refused.json().detail).toContain('all keys of /v1/kv');
    await limit('kv', 100);
    expect((await put('/v1/kv/a', 'x'.repeat(1500))).statusCode).toBe(200);
    expect((await put('/v1/kv/a', 'x'.repeat(1600))).statusCode).toBe(507);
    expect((await call('DELETE', '/v1/kv/a')).statusCode).toBe(200);
    expect(await bytesOf('kv')).toBe(0);
    await limit('kv', 2500);
    expect((await put('/v1/kv/b', 'x'.repeat(1000))).statusCode).toBe(200);
  });

  it('count each version of a configuration with its content, and free what a delete ends', async () => {
    const content = 'x'.repeat(3000);
    const url = '/v1/configs/pay/main/limits.txt';
    expect((await put(url, content)).statusCode).toBe(200);
    const one = await bytesOf('configs/pay');
    expect(one).toBeGreaterThan(3000);
    expect(one).toBeLessThan(3600);
    // Another namespace with the same content, which lies there once, pays for its own.
    expect((await put('/v1/configs/web/main/limits.txt', content)).statusCode).toBe(200);
    expect(await bytesOf('configs/web')).toBe(one);
    expect(await bytesOf('configs')).toBe(2 * one);
    await limit('configs/pay', one + 1000);
    const refused = await put(url, 'y'.repeat(3000));
    expect(refused.json()).toMatchObject({ code: 'quota-exceeded' });
    expect(refused.json().detail).toContain('namespace pay');
    expect((await put('/v1/configs/web/main/other.txt', content)).statusCode).toBe(200);
    const before = await bytesOf('configs/pay');
    await limit('configs/pay', 10);
    expect((await call('DELETE', url)).statusCode).toBe(200);
    expect(await bytesOf('configs/pay')).toBeLessThan(before);
  });

  it('are of what there is, and of whole bytes', async () => {
    for (const bytesMax of [0, -1, 1.5, '10MB', undefined]) {
      expect((await limit('kv', bytesMax)).statusCode).toBe(400);
    }
    expect((await limit('locks', 10)).statusCode).toBe(404);
    expect((await limit('kv/app', 10)).statusCode).toBe(404);
  });
});
