// The door's own behaviour: wrong paths, methods and bodies, health before and after the engine
// stands, the page, the description of the API, one table of errors.
import { readFileSync } from 'node:fs';

import { HoldfastError } from '@holdfast/base/errors';
import { formatId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { EngineStatus, RecoveryPhase } from '@holdfast/engine/engine';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { EngineSlot } from '../engine-slot.ts';
import { errorTable } from '../errors.ts';
import { Metrics } from '../metrics.ts';
import { buildHttpApp } from './http-server.ts';
import { problemOf } from './problem.ts';
import { type TestDoor, testDoor } from './test-door.fixture.ts';

let door: TestDoor;

beforeEach(() => {
  door = testDoor();
});

afterEach(() => door.app.close());

const ask = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE' | 'PUT', url: string) =>
  door.app.inject({ method, url });

describe('wrong requests', () => {
  it('says 404 for a path that is nowhere, and where to look', async () => {
    const answer = await ask('GET', '/v2/things?x=1');
    expect(answer.statusCode).toBe(404);
    expect(answer.headers['content-type']).toContain('application/problem+json');
    expect(answer.json()).toMatchObject({ code: 'not-found', status: 404 });
    expect(answer.json().detail).toContain('/openapi.json');
  });

  it('says 405 for a method that a path does not know, with those it knows', async () => {
    const answer = await ask('PATCH', '/v1/kv/a');
    expect(answer.statusCode).toBe(405);
    expect(answer.headers.allow).toBe('DELETE, GET, HEAD, PUT');
    expect((await ask('DELETE', '/livez')).headers.allow).toBe('GET, HEAD');
    expect((await ask('GET', '/v1/txn')).headers.allow).toBe('POST');
  });

  it('says that a query is not UTF-8, instead of taking it for another text', async () => {
    const answer = await ask('GET', '/v1/kv-watch?prefix=%ff');
    expect(answer.statusCode).toBe(400);
    expect(answer.json().detail).toContain('UTF-8');
  });

  it('does not send a mistake of kilobytes back', async () => {
    const answer = await ask('GET', `/v1/kv?${'x'.repeat(10_000)}=1`);
    expect(answer.statusCode).toBe(400);
    expect(answer.body.length).toBeLessThan(1000);
  });

  it.each([
    ['{"compare": [}', 1, 14],
    ['{\n  "compare": nil\n}', 2, 15],
    ['{"a": "b"', 1, 10],
    ['[1, 2,, 3]', 1, 7],
    ['{"a": 1} x', 1, 10],
  ])('says where %j stops being JSON', async (payload, line, column) => {
    const headers = { 'content-type': 'application/json' };
    const answer = await door.app.inject({ method: 'POST', url: '/v1/txn', payload, headers });
    expect(answer.statusCode).toBe(400);
    expect(answer.json()).toMatchObject({ code: 'invalid-argument', line, column });
  });

  it.each([
    ['', 'empty'],
    ['\u0080', 'UTF-8'],
  ])('refuses the JSON body %j', async (text, words) => {
    const headers = { 'content-type': 'application/json', 'content-length': String(text.length) };
    const payload = Buffer.from(text, 'latin1');
    const answer = await door.app.inject({ method: 'POST', url: '/v1/txn', payload, headers });
    expect(answer.statusCode).toBe(400);
    expect(answer.json().detail).toContain(words);
  });

  it('says 415 where JSON is wanted and something else comes', async () => {
    const headers = { 'content-type': 'text/yaml' };
    const answer = await door.app.inject({
      method: 'POST',
      url: '/v1/txn',
      payload: 'a: 1',
      headers,
    });
    expect([answer.statusCode, answer.json().code]).toEqual([415, 'unsupported-media-type']);
  });

  it('says 413 for an oversized JSON document', async () => {
    const payload = { success: [{ put: { key: 'a', value: 'x'.repeat(1024 * 1024) } }] };
    const answer = await door.app.inject({ method: 'POST', url: '/v1/txn', payload });
    expect(answer.statusCode).toBe(413);
    expect(answer.json().limitBytes).toBe(1024 * 1024);
  });

  it('tells a client no more of a fault than that there was one', async () => {
    door.engine.range = () => Promise.reject(new TypeError('secret at /src/x.ts:1'));
    for (const url of ['/v1/kv/a', '/v1/kv']) {
      const answer = await ask('GET', url);
      expect(answer.statusCode).toBe(500);
      expect(answer.payload).not.toMatch(/secret|\.ts|stack/);
      expect(answer.json()).toMatchObject({ code: 'internal', outcome: 'unknown' });
    }
    expect(door.faults.length).toBe(2);
  });
});

describe('a ping', () => {
  it('says which cluster this is, for clients that were given endpoints of two', async () => {
    const { clusterId } = door.engine.status();
    const { headers } = await door.app.inject('/ping');
    expect(headers['x-holdfast-cluster']).toBe(formatId(clusterId));
  });
});

describe('deadlines', () => {
  it('ends a wait with an unknown outcome after the default and after the named time', async () => {
    const clock = new ManualClock();
    await door.app.close();
    door = testDoor({ clock });
    door.engine.put = (_request, { signal }) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)));
    await door.app.ready();
    const url = '/v1/kv/a';
    const usual = door.app.inject({ method: 'PUT', url, payload: 'x' });
    const hurried = door.app.inject({
      method: 'PUT',
      url,
      payload: 'x',
      headers: { 'holdfast-timeout-ms': '50' },
    });
    while (clock.pendingCount < 2) await new Promise((resolve) => setImmediate(resolve));
    clock.advance(50);
    expect((await hurried).json()).toMatchObject({ code: 'deadline-exceeded', outcome: 'unknown' });
    clock.advance(29_949);
    let answered = false;
    void usual.then(() => {
      answered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(answered).toBe(false);
    clock.advance(251);
    expect((await usual).statusCode).toBe(504);
  });
});

const phase = (name: string, state: RecoveryPhase['state']): RecoveryPhase => ({
  name,
  state,
  durationMs: 1.5,
  progress: state === 'running' ? 0.25 : undefined,
  amount: { unit: 'entries', done: 25, total: 100 },
  etaMs: state === 'running' ? 4.5 : undefined,
  detail: '<b>3 segments</b>',
});

describe('a member that starts', () => {
  it('lives, shows its phases, and refuses the rest with the phase', async () => {
    const slot = new EngineSlot(() => [phase('log', 'done'), phase('replay', 'running')]);
    const app = buildHttpApp({ slot, clock: new ManualClock(), version: '0.1.0' });
    expect((await app.inject('/livez')).statusCode).toBe(200);
    expect((await app.inject('/ping')).payload).toBe('pong\n');
    expect((await app.inject('/metrics')).statusCode).toBe(200);
    expect((await app.inject('/v1/recovery')).json()).toMatchObject({
      stage: 'starting',
      ready: false,
      initialised: false,
      findings: null,
      phases: [
        { name: 'log', durationMs: 2, amount: { unit: 'entries', done: 25, total: 100 } },
        { name: 'replay', progress: 0.25, etaMs: 5 },
      ],
    });
    const figures = (await app.inject('/metrics')).payload;
    expect(figures).toContain('holdfast_recovery_phase_seconds{phase="log"} 0.0015\n');
    expect(figures).toContain('holdfast_recovery_phase_progress{phase="replay"} 0.25\n');
    for (const url of ['/readyz', '/v1/kv/a', '/v1/kv', '/v1/cluster']) {
      const answer = await app.inject(url);
      expect([url, answer.statusCode, answer.json().phase]).toEqual([url, 503, 'replay']);
    }
    expect((await app.inject('/health')).json()).toMatchObject({ health: 'false' });
    expect((await app.inject('/')).payload).toContain('not ready');
    slot.fill(new MemoryEngine());
    expect((await app.inject('/v1/recovery')).json()).toMatchObject({ stage: 'serving' });
    expect((await app.inject('/readyz')).statusCode).toBe(200);
    expect((await app.inject('/health')).json()).toMatchObject({ health: 'true' });
    slot.close();
    expect((await app.inject('/v1/kv/a')).json().code).toBe('shutting-down');
    await app.close();
  });

  it('says why its start failed', async () => {
    door.slot.fail('the log is of a newer format');
    expect((await ask('GET', '/readyz')).json().detail).toBe('the log is of a newer format');
    expect((await ask('GET', '/livez')).statusCode).toBe(200);
  });
});

/** A status with a member whose name tries to break the page. */
function hostileStatus(engine: MemoryEngine): EngineStatus {
  const peer = {
    memberId: engine.status().memberId,
    name: '<script>alert("1")</script>',
    peerAddresses: ['127.0.0.1:4654'],
    clientAddresses: ['127.0.0.1:4653', '"><img src=x>'],
    role: 'follower' as const,
    reachable: false,
    lastContactMs: 12.1,
    lag: 1234,
    match: undefined,
  };
  return { ...engine.status(), peers: [peer], counters: { proposals_total: 7, 'queue-bytes': 3 } };
}

describe('what a member shows', () => {
  beforeEach(() => {
    const status = hostileStatus(door.engine);
    door.engine.status = () => status;
  });

  it('shows a page of its own, with everything escaped', async () => {
    const { payload, headers } = await ask('GET', '/');
    expect(headers['content-type']).toContain('text/html');
    expect(headers['content-security-policy']).toContain("default-src 'none'");
    expect(payload).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;');
    expect(payload).not.toContain('<img');
    expect(payload).not.toContain('alert("1")');
    expect(payload).toContain('1 234');
    expect(payload).toContain('http://127.0.0.1:4653/v1/kv/greeting');
    expect(payload).not.toMatch(/(?:src|href)="https?:\/\/(?!127\.0\.0\.1)/);
  });

  it('lists members in JSON', async () => {
    expect((await ask('GET', '/v1/cluster')).json()).toMatchObject({
      clusterId: '00000000000000c1',
      leader: '0000000000000001',
      ready: true,
      missingVoters: [],
      members: [{ role: 'follower', reachable: false, lag: 1234, lastContactMs: 13 }],
    });
  });

  it('gives figures to Prometheus', async () => {
    await door.app.inject({ method: 'PUT', url: '/v1/kv/a', payload: 'x' });
    await ask('GET', '/livez');
    const { payload, headers } = await ask('GET', '/metrics');
    expect(headers['content-type']).toContain('text/plain');
    expect(payload).toContain('holdfast_proposals_total 7');
    expect(payload).toContain('holdfast_queue_bytes 3');
    expect(payload).toContain('holdfast_is_leader 1');
    expect(payload).toMatch(/_count\{route="\/v1\/kv\/\{key\}",method="PUT",status="2xx"\} 1\n/);
    expect(payload).toMatch(/_bucket\{route="\/livez",method="GET",status="2xx",le="\+Inf"\} 1\n/);
    // A name can't break out of its label.
    expect(payload).toContain('peer="<script>alert(\\"1\\")</script>"');
  });

  it('gives the figures of the process where it is asked to', async () => {
    const metrics = new Metrics({ process: true });
    const text = await metrics.render({ status: undefined, phases: [], times: [] });
    expect(text).toContain('nodejs_eventloop_lag');
    expect(text).toContain('process_resident_memory_bytes');
    metrics.close();
  });

  it('describes every route', async () => {
    const document = (await ask('GET', '/openapi.json')).json();
    expect(document.openapi).toBe('3.1.0');
    expect(Object.keys(document.paths).sort()).toEqual([
      '/health',
      '/livez',
      '/metrics',
      '/ping',
      '/readyz',
      '/v1/cluster',
      '/v1/compact',
      '/v1/kv',
      '/v1/kv-watch',
      '/v1/kv/{key}',
      '/v1/leases',
      '/v1/leases/{id}',
      '/v1/leases/{id}/keep-alive',
      '/v1/quotas',
      '/v1/quotas/configs',
      '/v1/quotas/configs/{namespace}',
      '/v1/quotas/kv',
      '/v1/recovery',
      '/v1/sessions',
      '/v1/sessions/{id}',
      '/v1/sessions/{id}/keep-alive',
      '/v1/txn',
      '/version',
    ]);
    expect(Object.keys(document.paths['/v1/kv/{key}']).sort()).toEqual([
      'delete',
      'get',
      'head',
      'put',
    ]);
  });
});

describe('the table of errors', () => {
  it('stands in docs/http-api.md as it is', () => {
    const page = readFileSync(new URL('../../../../docs/http-api.md', import.meta.url), 'utf8');
    const rows = page.split('\n').filter((line) => /^\| `[a-z-]+` \| \d{3} \|/.test(line));
    const expected = Object.entries(errorTable).map(
      ([code, { status, grpcStatus, exitCode, title }]) =>
        `| \`${code}\` | ${status} | ${grpcStatus} | ${exitCode} | ${title} |`,
    );
    expect(rows).toEqual(expected);
  });

  it('gives each code a status, and details can not replace the problem', () => {
    for (const [code, row] of Object.entries(errorTable)) {
      const details = { code: 'forged', status: 200, extra: 1n };
      const problem = problemOf(new HoldfastError(code as 'internal', 'why', { details }));
      expect(problem).toMatchObject({ code, status: row.status, detail: 'why', extra: 1n });
      expect(row.status).toBeGreaterThanOrEqual(400);
      expect(row.exitCode).toBeGreaterThan(0);
      expect(row.grpcStatus).toBeGreaterThan(0);
    }
  });
});
