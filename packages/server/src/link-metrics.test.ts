// Goal: a scrape tells the state of each connection and what has happened to them, under exactly
// the prescribed names, and any Prometheus can read it. Method: a script of events
// plays on connections that are made up, each step read back through a strict parser. That the
// same figures come from real connections is shown in links.test.ts.
import { memberId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { LinkCounter } from '@holdfast/transport/link-tally';
import { describe, expect, it } from 'vitest';

import { healthy, linkOf, nameOf, peerOf, TestLinks } from './http/test-links.fixture.ts';
import { linkMetrics } from './link-metrics.ts';
import { Metrics } from './metrics.ts';
import { type Family, parseScrape } from './prometheus-scrape.fixture.ts';

const reason = '3 pings in a row without an answer';
const dead = { name: 'dead', failures: 3, reason, sinceMs: 1 } as const;
const degraded = { name: 'degraded', failures: 1, reason } as const;
const closed = { name: 'closed', failures: 0, reason: undefined } as const;
const open = { name: 'open', sinceMs: 1, reason } as const;
const halfOpen = { name: 'half-open', sinceMs: 1, reason, probeSinceMs: undefined } as const;

const scrape = (links: TestLinks | undefined, name = nameOf): ReadonlyMap<string, Family> =>
  parseScrape(`${linkMetrics(links?.status, name).join('\n')}\n`);

const prescribed = [
  'health_connections_cached_count',
  'health_connections_healthy_count',
  'health_connections_degraded_count',
  'health_connections_dead_count',
  'health_connections_evicted_total',
  'health_circuit_breakers_open_count',
  'health_circuit_breakers_half_open_count',
] as const;

/** Cached, healthy, degraded, dead, evicted, open, half-open. */
const sevenOf = (families: ReadonlyMap<string, Family>): readonly (number | undefined)[] =>
  prescribed.map((name) => families.get(name)?.samples.get(name));

describe('the seven prescribed figures', () => {
  it('have their exact names, HELP and TYPE, and are zero before there are connections', () => {
    const families = scrape(undefined);
    expect([...families.keys()]).toEqual(prescribed);
    expect(sevenOf(families)).toEqual([0, 0, 0, 0, 0, 0, 0]);
    for (const { name, type, help } of families.values()) {
      expect([name, type]).toEqual([name, name.endsWith('_total') ? 'counter' : 'gauge']);
      expect(help.length).toBeGreaterThan(10);
    }
  });

  it('follow a script of events step by step', () => {
    const links = new TestLinks();
    const counter = new LinkCounter(new ManualClock());
    links.tally = counter.tally;
    const peer = memberId(2n);
    const third = peerOf(3);
    const seven = (): readonly (number | undefined)[] => sevenOf(scrape(links));
    links.peers = [peerOf(2), third];
    expect(seven()).toEqual([4, 4, 0, 0, 0, 0, 0]);
    // A ping is lost.
    links.peers = [peerOf(2, { links: [linkOf('control', degraded), linkOf('log')] }), third];
    counter.count({ type: 'health', peer, from: healthy, to: degraded, silentMs: 5500 });
    expect(seven()).toEqual([4, 3, 1, 0, 0, 0, 0]);
    // The third is: both connections end, the breaker opens.
    const links2 = [linkOf('control', dead), linkOf('log', dead)];
    links.peers = [peerOf(2, { links: links2, breaker: open }), third];
    counter.count({ type: 'health', peer, from: degraded, to: dead, silentMs: 7500 });
    counter.count({ type: 'breaker', of: 'silence', peer, from: closed, to: open });
    counter.count({ type: 'evicted', peer, purpose: 'control', reason: 'dead', why: reason });
    counter.count({ type: 'evicted', peer, purpose: 'log', reason: 'breaker', why: reason });
    expect(seven()).toEqual([2, 2, 0, 2, 2, 1, 0]);
    links.peers = [peerOf(2, { links: links2, breaker: halfOpen }), third];
    counter.count({ type: 'breaker', of: 'silence', peer, from: open, to: halfOpen });
    expect(seven()).toEqual([2, 2, 0, 2, 2, 0, 1]);
    // It is back, and gets a snapshot; another one is still dialled for.
    const bulk = [linkOf('bulk'), { ...linkOf('bulk'), openSinceMs: undefined }];
    links.peers = [peerOf(2, { links: [linkOf('control'), linkOf('log'), ...bulk] }), third];
    counter.count({ type: 'health', peer, from: dead, to: healthy, silentMs: 0 });
    counter.count({ type: 'breaker', of: 'silence', peer, from: halfOpen, to: closed });
    expect(seven()).toEqual([5, 5, 0, 0, 2, 0, 0]);
    const families = scrape(links);
    const of = (family: string, labels: string): number | undefined =>
      families.get(`holdfast_${family}`)?.samples.get(`holdfast_${family}${labels}`);
    expect(of('peer_connections_evicted_total', '{reason="dead"}')).toBe(1);
    expect(of('peer_connections_evicted_total', '{reason="breaker"}')).toBe(1);
    expect(of('peer_connections_evicted_total', '{reason="idle"}')).toBe(0);
    expect(of('peer_health_transitions_total', '{to="dead"}')).toBe(1);
    expect(of('peer_health_transitions_total', '{to="healthy"}')).toBe(1);
    expect(of('peer_breaker_transitions_total', '{to="half-open"}')).toBe(1);
    expect(of('peer_links', '{peer="n2",purpose="bulk",state="healthy"}')).toBe(1);
    expect(of('peer_connections', '{peer="n2",purpose="log"}')).toBe(1);
    expect(of('peer_breaker_state', '{peer="n2",state="closed"}')).toBe(1);
    expect(of('peer_breaker_state', '{peer="n2",state="open"}')).toBe(0);
  });
});

describe('the time to detect', () => {
  it('is a histogram whose buckets add up', () => {
    const links = new TestLinks();
    const counter = new LinkCounter(new ManualClock());
    const peer = memberId(2n);
    for (const silentMs of [90, 7500, 7600, 60_000]) {
      counter.count({ type: 'health', peer, from: healthy, to: dead, silentMs });
    }
    links.tally = counter.tally;
    const name = 'holdfast_peer_detection_seconds';
    const family = scrape(links).get(name);
    expect(family?.type).toBe('histogram');
    expect([...(family?.samples ?? [])]).toEqual([
      [`${name}_bucket{le="0.1"}`, 1],
      [`${name}_bucket{le="0.5"}`, 1],
      [`${name}_bucket{le="1"}`, 1],
      [`${name}_bucket{le="2"}`, 1],
      [`${name}_bucket{le="4"}`, 1],
      [`${name}_bucket{le="6"}`, 1],
      [`${name}_bucket{le="8"}`, 3],
      [`${name}_bucket{le="10"}`, 3],
      [`${name}_bucket{le="30"}`, 3],
      [`${name}_bucket{le="+Inf"}`, 4],
      [`${name}_sum`, 75.19],
      [`${name}_count`, 4],
    ]);
  });
});

describe('a whole scrape', () => {
  it('parses, also with a name that tries to break out of its label', async () => {
    const links = new TestLinks();
    links.peers = [peerOf(2), peerOf(3, { links: [linkOf('control', dead)] })];
    const metrics = new Metrics({ process: true });
    metrics.showFamilies(() => linkMetrics(links.status, (id) => `n"${id}\\\n{}`));
    const text = await metrics.render({ status: undefined, phases: [], times: [] });
    const families = parseScrape(text);
    expect([...families.keys()]).toEqual(expect.arrayContaining([...prescribed]));
    const labels = '{peer="n\\"3\\\\\\n{}",purpose="control",state="dead"}';
    expect(families.get('holdfast_peer_links')?.samples.get(`holdfast_peer_links${labels}`)).toBe(
      1,
    );
    metrics.close();
  });

  it.each([
    ['a_total 1\n', 'no HELP'],
    ['# HELP a b\n# TYPE a gauge\n# HELP b b\n# TYPE b gauge\na 1\nb 1\n', 'stand together'],
    ['# HELP a b\n# TYPE a gauge\n# TYPE a gauge\na 1\n', 'twice'],
    ['# HELP a b\n# TYPE a gauge\na 1\na 1\n', 'twice'],
    ['# HELP a b\n# TYPE a gauge\na{x="1",x="2"} 1\n', 'twice'],
    ['# HELP a b\n# TYPE a gauge\na{x=1} 1\n', 'labels'],
    ['# HELP a b\n# TYPE a gauge\na one\n', 'no number'],
    ['# HELP a-b c\n# TYPE a-b gauge\n', 'no name'],
    ['# HELP a b\n# TYPE a counter\na 1\n', 'should end _total'],
    ['# HELP a b\n# TYPE a gauge\na 1', 'no end'],
    ['# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_bucket{le="+Inf"} 1\n', 'not grow'],
    ['# HELP a b\n# TYPE a histogram\na_bucket{le="1"} 2\na_sum 1\na_count 2\n', 'has no end'],
  ])('would not parse as %j', (text, words) => {
    expect(() => parseScrape(text)).toThrow(words);
  });
});
