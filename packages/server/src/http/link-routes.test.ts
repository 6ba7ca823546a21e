// Goal: operators see each connection and breaker with what is known of it, end and reset them, and
// the log says who did what; settings change over the same door. Method: the
// door on an engine in memory, with connections that a script makes up, on a clock of the test's.
import { formatId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { LiveSettings } from '../live-settings.ts';
import type { Log } from '../log.ts';
import { readSettings } from '../settings.ts';
import { linkRoutes } from './link-routes.ts';
import { settingRoutes } from './setting-routes.ts';
import { type TestDoor, testDoor } from './test-door.fixture.ts';
import { linkOf, nameOf, peerOf, TestLinks } from './test-links.fixture.ts';

const reason = '3 pings in a row without an answer';
const dead = { name: 'dead', failures: 3, reason, sinceMs: 100_000 } as const;
const degraded = { name: 'degraded', failures: 1, reason: '1 ping without an answer' } as const;

let door: TestDoor;
let links: TestLinks;
let isThere: boolean;
let told: unknown[];

beforeEach(() => {
  const clock = new ManualClock({ startMs: 105_000, wallMs: Date.UTC(2026, 0, 1) });
  links = new TestLinks();
  links.peers = [
    peerOf(2, {
      links: [{ ...linkOf('control', degraded), lastUseMs: 92_660 }, linkOf('log', dead)],
      breaker: { name: 'open', sinceMs: 100_000, reason },
    }),
    peerOf(3, { links: [linkOf('control'), linkOf('log'), linkOf('bulk')] }),
  ];
  isThere = true;
  told = [];
  const log = { info: (...line: unknown[]) => told.push(line) } as unknown as Log;
  const settings = new LiveSettings({ settings: readSettings({}, {}), apply: () => undefined });
  const options = { links: () => (isThere ? links : undefined), nameOf, log };
  door = testDoor({
    clock,
    routes: [
      (app, context) => linkRoutes(app, context, options),
      (app) => settingRoutes(app, { settings, log }),
    ],
  });
});

afterEach(() => door.app.close());

const ask = (method: 'GET' | 'POST' | 'PATCH' | 'DELETE', url: string, payload?: object) =>
  door.app.inject({
    method,
    url,
    headers: { 'holdfast-actor': 'ann' },
    ...(payload && { payload }),
  });

describe('the connections of a member', () => {
  it('are shown one by one with their record, whose view it is, and the breaker', async () => {
    const { name, memberId } = door.engine.status();
    const answer = (await ask('GET', '/v1/connections')).json();
    expect(answer).toMatchObject({ member: name, memberId: formatId(memberId) });
    expect(answer.connections).toHaveLength(5);
    expect(answer.connections.slice(0, 2)).toEqual([
      {
        peer: 'n2',
        peerId: '0000000000000002',
        address: '10.0.0.2:4654',
        purpose: 'control',
        state: 'degraded',
        failures: 1,
        reason: '1 ping without an answer',
        idleSeconds: 12.3,
        lastSuccessAgeMs: 105_000,
        lastCheckAgeMs: 105_000,
        open: true,
        openSince: '2025-12-31T23:58:15.000Z',
        openForMs: 105_000,
        breaker: 'open',
      },
      {
        peer: 'n2',
        peerId: '0000000000000002',
        address: '10.0.0.2:4654',
        purpose: 'log',
        state: 'dead',
        failures: 3,
        reason,
        idleSeconds: null,
        lastSuccessAgeMs: 105_000,
        lastCheckAgeMs: 105_000,
        open: false,
        openSince: null,
        openForMs: null,
        breaker: 'open',
      },
    ]);
    expect(answer.connections[4]).toMatchObject({ peer: 'n3', purpose: 'bulk', breaker: 'closed' });
  });

  it.each([
    ['n3', 'evict 3', 3],
    ['0000000000000002', 'evict 2', 1],
  ])('to %s end when they are told to, and the log says who did it', async (peer, deed, count) => {
    const answer = await ask('DELETE', `/v1/connections/${peer}`);
    expect(answer.json()).toMatchObject({ member: 'memory', evicted: count });
    expect(links.deeds).toEqual([deed]);
    const who = { actor: 'unverified:ann', peer: deed.replace('evict ', 'n') };
    const text = 'an operator ended connections to peers';
    expect(told).toEqual([[{ ...who, evicted: count }, text]]);
  });

  it('end all together', async () => {
    expect((await ask('DELETE', '/v1/connections')).json()).toMatchObject({ evicted: 4 });
    expect(links.deeds).toEqual(['evict all']);
    expect(told).toMatchObject([[{ actor: 'unverified:ann', peer: 'all', evicted: 4 }, {}]]);
  });

  it('to nobody are not found, with those that there are, and nothing was done', async () => {
    const answer = await ask('DELETE', '/v1/connections/n9');
    expect([answer.statusCode, answer.json().code]).toEqual([404, 'not-found']);
    expect(answer.json().detail).toContain('"n9" is no peer of memory; peers: n2, n3');
    expect((await ask('POST', '/v1/breakers/n9/reset')).statusCode).toBe(404);
    expect([links.deeds, told]).toEqual([[], []]);
  });

  it('are refused with the phase while the member starts', async () => {
    door.slot.restart();
    for (const [method, url] of [
      ['GET', '/v1/connections'],
      ['DELETE', '/v1/connections'],
      ['GET', '/v1/breakers'],
      ['POST', '/v1/breakers/reset'],
    ] as const) {
      const answer = await ask(method, url);
      expect([url, answer.statusCode, answer.json().phase]).toEqual([url, 503, 'opening']);
    }
    door.slot.fill(door.engine);
    isThere = false;
    expect((await ask('GET', '/v1/connections')).statusCode).toBe(503);
    expect(links.deeds).toEqual([]);
  });
});

describe('the breakers of a member', () => {
  it('are shown with why they are open, and how long still', async () => {
    const [second, third] = (await ask('GET', '/v1/breakers')).json().breakers;
    const open = { state: 'open', failures: null, reason, openForMs: 5000, halfOpenInMs: 25_000 };
    expect(second).toEqual({ peer: 'n2', peerId: '0000000000000002', ...open });
    const closed = { state: 'closed', failures: 0, reason: null };
    expect(third).toMatchObject({ peer: 'n3', ...closed, openForMs: null, halfOpenInMs: null });
    const halfOpen = { name: 'half-open', sinceMs: 70_000, reason, probeSinceMs: 1 } as const;
    links.peers = [peerOf(2, { breaker: halfOpen })];
    const [half] = (await ask('GET', '/v1/breakers')).json().breakers;
    expect(half).toMatchObject({ state: 'half-open', openForMs: 35_000, halfOpenInMs: 0, reason });
  });

  it('close when they are told to, one or all, and the log says who did it', async () => {
    const one = await ask('POST', '/v1/breakers/n2/reset');
    expect([one.statusCode, one.json().reset]).toEqual([200, 1]);
    expect((await ask('POST', '/v1/breakers/n3/reset')).json().reset).toBe(0);
    expect((await ask('POST', '/v1/breakers/reset')).json().reset).toBe(1);
    expect(links.deeds).toEqual(['reset 2', 'reset 3', 'reset all']);
    const text = 'an operator closed breakers';
    expect(told).toEqual([
      [{ actor: 'unverified:ann', peer: 'n2', reset: 1 }, text],
      [{ actor: 'unverified:ann', peer: 'n3', reset: 0 }, text],
      [{ actor: 'unverified:ann', peer: 'all', reset: 1 }, text],
    ]);
  });
});

describe('the settings of a member', () => {
  it('change over the door, and the log says who did it', async () => {
    const body = { 'connection-idle-ms': 60_000 };
    const answer = (await ask('PATCH', '/v1/settings', body)).json();
    const changed = { 'connection-idle-ms': { from: 30_000, to: 60_000 } };
    expect(answer.changed).toEqual(changed);
    const now = (await ask('GET', '/v1/settings')).json().settings;
    expect(now).toEqual(answer.settings);
    expect(now['connection-idle-ms']).toEqual({
      value: 60_000,
      source: 'live',
      default: 30_000,
      lo: 1000,
      hi: 86_400_000,
    });
    const text = 'settings were changed, until this process ends';
    expect(told).toEqual([[{ actor: 'unverified:ann', changed }, text]]);
  });

  it('stay as they are where one of the changes is wrong', async () => {
    const both = { 'connection-idle-ms': 60_000, 'ping-wait-ms': 1 };
    const answer = await ask('PATCH', '/v1/settings', both);
    expect([answer.statusCode, answer.json().code]).toEqual([400, 'invalid-argument']);
    expect(answer.json().detail).toContain('ping-wait-ms is a whole number from 100 to 10000');
    expect((await ask('PATCH', '/v1/settings', [1])).statusCode).toBe(400);
    const { settings } = (await ask('GET', '/v1/settings')).json();
    expect(settings['connection-idle-ms'].value).toBe(30_000);
    expect(told).toEqual([]);
  });
});

describe('the description of the API', () => {
  it('has all of these routes', async () => {
    const { paths } = (await ask('GET', '/openapi.json')).json();
    const methods = (path: string): string => Object.keys(paths[path]).sort().join();
    expect(methods('/v1/connections')).toBe('delete,get');
    expect(methods('/v1/connections/{peer}')).toBe('delete');
    expect(methods('/v1/breakers')).toBe('get');
    expect(methods('/v1/breakers/reset')).toBe('post');
    expect(methods('/v1/breakers/{peer}/reset')).toBe('post');
    expect(methods('/v1/settings')).toBe('get,patch');
  });
});
