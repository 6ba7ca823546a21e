// Goal: door, settings, log and figures tell of real connections what happens to them, and steer
// them. Method: two transports on the memory network, time by hand.
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { TransportPair } from './transport-pair.fixture.ts';

let pair: TransportPair;

const begin = async (flags: Readonly<Record<string, string>> = {}): Promise<void> => {
  pair = new TransportPair(flags);
  await pair.start();
};

const linesWith = (text: string) => pair.lines.filter((line) => line.text.includes(text));
const seven = (): readonly (number | undefined)[] =>
  [
    'connections_cached_count',
    'connections_healthy_count',
    'connections_degraded_count',
    'connections_dead_count',
    'connections_evicted_total',
    'circuit_breakers_open_count',
    'circuit_breakers_half_open_count',
  ].map((name) => pair.figure(`health_${name}`));

beforeEach(() => begin());
afterEach(() => pair.close());

describe('a peer that goes dark', () => {
  it('moves the figures and the lines of the log, and comes back in both', async () => {
    expect(seven()).toEqual([2, 2, 0, 0, 0, 0, 0]);
    pair.darken();
    await pair.pass(8000);
    const [cached, healthy, degraded, dead, evicted, open, halfOpen] = seven();
    expect([cached, healthy, degraded, dead, open, halfOpen]).toEqual([0, 0, 0, 2, 1, 0]);
    expect(evicted).toBeGreaterThanOrEqual(1);
    const why = '3 pings in a row without an answer';
    expect(linesWith('a peer is dead')).toMatchObject([{ facts: { peer: 'n2', reason: why } }]);
    expect(linesWith('a breaker has opened')).toMatchObject([{ facts: { reason: why } }]);
    expect(linesWith('a connection to a peer was ended')).toMatchObject([
      { level: 'warn', facts: { peer: 'n2', purpose: 'log', reason: 'breaker', why } },
      { level: 'warn', facts: { peer: 'n2', purpose: 'control', reason: 'dead', why } },
    ]);
    const detection = pair.scrape().get('holdfast_peer_detection_seconds')?.samples;
    expect(detection?.get('holdfast_peer_detection_seconds_count')).toBe(1);
    await pair.pass(30_000);
    expect(seven().slice(5)).toEqual([0, 1]);
    pair.lighten();
    await pair.pass(3000);
    expect([...seven().slice(0, 4), ...seven().slice(5)]).toEqual([2, 2, 0, 0, 0, 0]);
    expect(linesWith('a peer is healthy again')).toHaveLength(1);
    expect(linesWith('a breaker has closed')).toHaveLength(1);
  });

  it('leaves a breaker that shows its reason, and can be reset by hand', async () => {
    pair.darken();
    await pair.pass(8000);
    const shown = (await pair.ask('GET', '/v1/breakers')).json().breakers[0];
    expect(shown).toMatchObject({
      peer: 'n2',
      state: 'open',
      reason: '3 pings in a row without an answer',
    });
    expect(shown.openForMs + shown.halfOpenInMs).toBe(30_000);
    expect((await pair.ask('POST', '/v1/breakers/n2/reset')).json().reset).toBe(1);
    expect((await pair.ask('GET', '/v1/breakers')).json().breakers[0].state).toBe('closed');
    expect(linesWith('an operator closed breakers')).toMatchObject([
      { level: 'info', facts: { actor: 'unverified:127.0.0.1', peer: 'n2', reset: 1 } },
    ]);
    expect(linesWith('a breaker has closed')).toHaveLength(1);
    pair.lighten();
    await pair.pass(3000);
  });

  it('does not make any of these routes wait', async () => {
    pair.darken();
    const routes = [
      ['GET', '/v1/connections'],
      ['GET', '/v1/breakers'],
      ['DELETE', '/v1/connections/n2'],
      ['DELETE', '/v1/connections'],
      ['POST', '/v1/breakers/n2/reset'],
      ['POST', '/v1/breakers/reset'],
      ['GET', '/v1/settings'],
    ] as const;
    // Time stands still: whoever waited would wait for ever.
    for (const [method, url] of routes) {
      expect([url, (await pair.ask(method, url)).statusCode]).toEqual([url, 200]);
    }
    await pair.pass(8000);
    for (const [method, url] of routes) {
      expect([url, (await pair.ask(method, url)).statusCode]).toEqual([url, 200]);
    }
    pair.lighten();
    await pair.pass(3000);
  });
});

describe('an operator', () => {
  it('ends the connections to a peer, which are dialled anew', async () => {
    await pair.pass(5000);
    const open = async (): Promise<unknown> =>
      (await pair.ask('GET', '/v1/connections'))
        .json()
        .connections.map((one: { purpose: string; openForMs: number | null }) => [
          one.purpose,
          one.openForMs,
        ]);
    expect(await open()).toEqual([
      ['control', expect.any(Number)],
      ['log', expect.any(Number)],
    ]);
    expect((await pair.ask('DELETE', '/v1/connections/n2')).json().evicted).toBe(2);
    await pair.pass(10);
    expect(pair.near.isConnected(pair.near.status.peers[0]?.peer as never)).toBe(true);
    expect(pair.figure('health_connections_evicted_total')).toBe(2);
    pair.append();
    await pair.pass(10);
    expect(pair.figure('health_connections_cached_count')).toBe(2);
    expect(linesWith('a connection to a peer was ended')).toMatchObject([
      { level: 'info', facts: { purpose: 'control', reason: 'operator' } },
      { level: 'info', facts: { purpose: 'log', reason: 'operator' } },
    ]);
    expect(linesWith('no way to a peer')).toEqual([]);
  });
});

describe('too frequent evictions', () => {
  it('stop when the idle limit is raised, without a restart', async () => {
    await pair.close();
    await begin({ connectionIdleMs: '10000', connectionCheckMs: '1000' });
    const use = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n += 1) {
        pair.append();
        await pair.pass(15_000);
      }
    };
    const idleEnds = (): number | undefined =>
      pair
        .scrape()
        .get('holdfast_peer_connections_evicted_total')
        ?.samples.get('holdfast_peer_connections_evicted_total{reason="idle"}');
    await use(10);
    expect(idleEnds()).toBe(10);
    // The log says why, where somebody asks for so much.
    const [line] = linesWith('a connection to a peer was ended');
    expect(line).toMatchObject({ level: 'debug', facts: { purpose: 'log', reason: 'idle' } });
    const body = { 'connection-idle-ms': 60_000 };
    expect((await pair.ask('PATCH', '/v1/settings', body)).statusCode).toBe(200);
    await use(10);
    expect(idleEnds()).toBe(10);
    expect(pair.figure('health_connections_cached_count')).toBe(2);
  });
});
