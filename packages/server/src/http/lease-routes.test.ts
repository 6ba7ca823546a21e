// The lease and session routes, and what they mean to writes, against an engine in memory whose
// clock the test moves.
import { ManualClock } from '@holdfast/base/manual-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { configRoutes } from './config-routes.ts';
import { type TestDoor, testDoor } from './test-door.fixture.ts';

let clock: ManualClock;
let door: TestDoor;

beforeEach(() => {
  clock = new ManualClock();
  door = testDoor({ clock, routes: [configRoutes()] });
});

afterEach(async () => {
  await door.app.close();
  expect(door.faults).toEqual([]);
});

type Headers = Record<string, string>;

const call = (method: 'GET' | 'PUT' | 'POST' | 'DELETE', url: string, headers: Headers = {}) =>
  door.app.inject({ method, url, headers });
const put = (url: string, payload: string, headers: Headers = {}) =>
  door.app.inject({ method: 'PUT', url, payload, headers });
const post = (url: string, payload: object, headers: Headers = {}) =>
  door.app.inject({ method: 'POST', url, payload, headers });

async function grant(ttlMs: number): Promise<string> {
  const answer = await post('/v1/leases', { ttlMs });
  expect(answer.statusCode).toBe(200);
  return answer.json().id;
}

describe('leases', () => {
  it('are granted, shown with their keys, kept alive, listed and revoked', async () => {
    const id = await grant(5000);
    expect(id).toMatch(/^\d{1,19}$/);
    await put(`/v1/kv/a?lease=${id}`, '1');
    await post('/v1/txn', { success: [{ put: { key: 'b', value: '2', lease: id } }] });
    const read = await call('GET', '/v1/kv/a?format=json');
    expect(read.json()).toMatchObject({ text: '1', lease: id });
    expect(read.headers['x-holdfast-lease']).toBe(id);
    clock.advance(2000);
    const time = (await call('GET', `/v1/leases/${id}?keys=true`)).json();
    expect(time).toMatchObject({ id, ttlMs: 5000, remainingMs: 3000 });
    expect(time.keys.map(({ key }: { key: string }) => key).sort()).toEqual(['a', 'b']);
    const kept = await call('POST', `/v1/leases/${id}/keep-alive`);
    expect(kept.json()).toMatchObject({ id, ttlMs: 5000, remainingMs: 5000 });
    expect((await call('GET', '/v1/leases')).json()).toMatchObject({ ids: [id], count: 1 });
    const revoked = await call('DELETE', `/v1/leases/${id}`);
    expect(revoked.json()).toMatchObject({ deleted: 2 });
    expect((await call('GET', '/v1/kv/a')).statusCode).toBe(404);
    expect((await call('DELETE', `/v1/leases/${id}`)).statusCode).toBe(404);
  });

  it('run out, and their keys with them', async () => {
    const id = await grant(5000);
    await put(`/v1/kv/a?lease=${id}`, '1');
    clock.advance(4999);
    expect((await call('GET', '/v1/kv/a')).statusCode).toBe(200);
    clock.advance(1);
    expect((await call('GET', '/v1/kv/a')).statusCode).toBe(404);
    expect((await call('POST', `/v1/leases/${id}/keep-alive`)).statusCode).toBe(404);
    expect((await put(`/v1/kv/a?lease=${id}`, '1')).statusCode).toBe(404);
  });

  it('may have ids of their callers; a taken one is a conflict', async () => {
    const id = '9223372036854775807';
    expect((await post('/v1/leases', { ttlMs: 5000, id })).json()).toMatchObject({ id });
    expect((await post('/v1/leases', { ttlMs: 5000, id })).statusCode).toBe(409);
  });

  it('can be compared in a transaction', async () => {
    const id = await grant(5000);
    await put(`/v1/kv/a?lease=${id}`, '1');
    const compare = [{ key: 'a', target: 'lease', is: 'equal', lease: id }];
    expect((await post('/v1/txn', { compare })).json()).toMatchObject({ succeeded: true });
  });

  it('refuse what is no lease and no time', async () => {
    for (const id of ['0', '-1', 'x', '99999999999999999999', '9223372036854775808']) {
      expect((await call('GET', `/v1/leases/${id}`)).statusCode, id).toBe(400);
    }
    for (const ttlMs of [0, 999, 1.5, '5000']) {
      expect((await post('/v1/leases', { ttlMs })).statusCode, String(ttlMs)).toBe(400);
    }
    expect((await call('GET', '/v1/leases?limit=10001')).statusCode).toBe(400);
    expect((await put('/v1/kv/a?lease=x', '1')).statusCode).toBe(400);
  });
});

describe('a session', () => {
  async function register(): Promise<(sequence: number, more?: Headers) => Headers> {
    const answer = await post('/v1/sessions', { ttlMs: 60_000 });
    expect(answer.statusCode).toBe(200);
    const { id } = answer.json();
    return (sequence, more = {}) => ({
      'holdfast-session': id,
      'holdfast-sequence': String(sequence),
      ...more,
    });
  }

  it('makes a repeated write take effect once, whatever kind of write it is', async () => {
    const at = await register();
    const writes = [
      () => put('/v1/kv/a', '1', at(1)),
      () => put('/v1/kv/a?prev=true', '2', at(2)),
      () => put('/v1/kv/b', '3', at(3, { 'if-none-match': '*' })),
      () => post('/v1/txn', { success: [{ put: { key: 'c', value: '4' } }] }, at(4)),
      () => call('DELETE', '/v1/kv/a', at(5)),
      () => put('/v1/configs/n/g/x.json', '{}', at(6, { 'content-type': 'application/json' })),
      () => put('/v1/configs/n/g/x.json', '{"a":1}', at(7, { 'if-match': '"1"' })),
      () => post('/v1/configs/n/g/x.json/rollback', { version: 1 }, at(8)),
      () => call('DELETE', '/v1/configs/n/g/x.json', at(9)),
      () => post('/v1/leases', { ttlMs: 5000, id: '5' }, at(10)),
    ];
    for (const [index, write] of writes.entries()) {
      const first = await write();
      expect(first.statusCode, `write ${index + 1}: ${first.payload}`).toBe(200);
      const { revision } = door.engine.status();
      const again = await write();
      expect(again.json(), `write ${index + 1}`).toEqual(first.json());
      expect(again.headers['etag']).toBe(first.headers['etag']);
      expect(door.engine.status().revision).toBe(revision);
    }
  });

  it('does nothing under a sequence that was used for a write of another kind', async () => {
    const at = await register();
    const writes = [
      () => put('/v1/kv/a', '1', at(1)),
      () => put('/v1/kv/a', '2', at(1, { 'if-none-match': '*' })),
      () => call('DELETE', '/v1/kv/a', at(1)),
      () => post('/v1/leases', { ttlMs: 5000 }, at(1)),
      () => put('/v1/configs/n/g/x.json', '{}', at(1, { 'content-type': 'application/json' })),
    ];
    expect((await (writes[0] as (typeof writes)[0])()).statusCode).toBe(200);
    const { revision } = door.engine.status();
    for (const [index, write] of writes.slice(1).entries()) {
      const answer = await write();
      expect(answer.statusCode, `write ${index + 1}: ${answer.payload}`).toBe(409);
      expect(answer.json()).toMatchObject({ code: 'conflict', outcome: 'not-applied' });
    }
    expect(door.engine.status().revision).toBe(revision);
  });

  it('answers a refused write as it was refused', async () => {
    const at = await register();
    await put('/v1/kv/a', '1');
    const write = () => put('/v1/kv/a', '2', at(1, { 'if-none-match': '*' }));
    expect((await write()).statusCode).toBe(412);
    await call('DELETE', '/v1/kv/a');
    expect((await write()).statusCode).toBe(412);
    expect((await call('GET', '/v1/kv/a')).statusCode).toBe(404);
  });

  it('says when an answer was too long to be kept', async () => {
    const at = await register();
    await put('/v1/kv/a', 'x'.repeat(5000));
    const write = () => put('/v1/kv/a?prev=true', 'y', at(1));
    const first = await write();
    const { revision } = first.json();
    expect(first.json().prev.text).toHaveLength(5000);
    expect((await write()).json()).toEqual({ revision, appliedBefore: true, succeeded: true });
    const get = { get: { key: 'a' } };
    await put('/v1/kv/a', 'x'.repeat(5000));
    const txn = () => post('/v1/txn', { success: [get] }, at(2));
    expect((await txn()).json().responses).toHaveLength(1);
    expect((await txn()).json()).toMatchObject({ appliedBefore: true, succeeded: true });
  });

  it('takes writes in any order, as far as it has them in flight', async () => {
    const at = await register();
    expect((await put('/v1/kv/a', '64', at(64))).statusCode).toBe(200);
    expect((await put('/v1/kv/a', '1', at(1))).statusCode).toBe(200);
    expect((await put('/v1/kv/a', '65', at(65))).statusCode).toBe(200);
    // Its answer was given up: it is not applied again.
    expect((await put('/v1/kv/a', '1', at(1))).statusCode).toBe(400);
    expect((await put('/v1/kv/a', '2', at(2))).statusCode).toBe(200);
    const span = at(200, { 'holdfast-lowest-pending': '100' });
    expect((await put('/v1/kv/a', 'x', span)).statusCode).toBe(429);
  });

  it('that is unknown, closed or expired is refused with 409, and nothing is applied', async () => {
    const at = await register();
    const { revision } = door.engine.status();
    const unknown = { ...at(1), 'holdfast-session': '12345' };
    const answer = await put('/v1/kv/a', '1', unknown);
    expect(answer.statusCode).toBe(409);
    expect(answer.json()).toMatchObject({ code: 'session-expired', outcome: 'not-applied' });
    const id = at(1)['holdfast-session'];
    expect((await call('POST', `/v1/sessions/${id}/keep-alive`)).statusCode).toBe(200);
    expect((await call('DELETE', `/v1/sessions/${id}`)).statusCode).toBe(200);
    expect((await put('/v1/kv/a', '1', at(1))).statusCode).toBe(409);
    expect((await call('POST', `/v1/sessions/${id}/keep-alive`)).statusCode).toBe(409);
    expect(door.engine.status().revision).toBe(revision);
  });

  it('may be registered twice under an id of its own', async () => {
    const body = { ttlMs: 60_000, id: '18446744073709551615' };
    expect((await post('/v1/sessions', body)).json()).toMatchObject({ id: body.id });
    expect((await post('/v1/sessions', body)).statusCode).toBe(200);
  });

  it('refuses half a place, a wrong one, and a compaction', async () => {
    const at = await register();
    const { 'holdfast-session': id } = at(1) as { 'holdfast-session': string };
    const wrong: Headers[] = [
      { 'holdfast-session': id },
      { 'holdfast-sequence': '1' },
      at(0),
      { ...at(1), 'holdfast-sequence': 'x' },
      at(1, { 'holdfast-lowest-pending': '2' }),
    ];
    for (const headers of wrong) {
      expect((await put('/v1/kv/a', '1', headers)).statusCode, JSON.stringify(headers)).toBe(400);
    }
    expect((await post('/v1/compact', { revision: 1 }, at(1))).statusCode).toBe(400);
  });
});
