// Goal: what becomes of calls and connections to a peer that is dark, gone or back: breaker,
// eviction and the prober together. Method: meshes on the
// memory network, time advanced by hand.
import { HoldfastError } from '@holdfast/base/errors';
import { describe, expect, it } from 'vitest';
import type { Purpose } from './handshake.ts';
import { beginOf, identityOf, idOf, type TestMember, World } from './peer-mesh.fixture.ts';

/** How a snapshot's call ends: 'ok', or the error's code and message. */
class Call {
  result: string | undefined;
  atMs: number | undefined;

  constructor(world: World, from: TestMember, signal = new AbortController().signal) {
    const end = (result: string): void => {
      this.result = result;
      this.atMs = world.clock.monotonicMs();
    };
    const bytes = (): AsyncIterable<Uint8Array> => (async function* () {})();
    from.mesh.sendSnapshot({ peer: idOf(2), begin: beginOf(0) }, bytes, signal).then(
      () => end('ok'),
      (error: unknown) => {
        end(error instanceof HoldfastError ? `${error.code}: ${error.message}` : String(error));
      },
    );
  }
}

const darken = (world: World): void => {
  world.network.block('h1', 'h2');
  world.network.block('h2', 'h1');
};
const lighten = (world: World): void => {
  world.network.unblock('h1', 'h2');
  world.network.unblock('h2', 'h1');
};
const isOpen = (member: TestMember, purpose: Purpose): boolean =>
  member
    .statusOf(2)
    .links.some((link) => link.purpose === purpose && link.openSinceMs !== undefined);
const evictions = (member: TestMember): string[] =>
  member.notes.flatMap((note) =>
    note.type === 'evicted' && note.peer === idOf(2) ? [`${note.purpose} ${note.reason}`] : [],
  );

describe('a peer that goes dark', () => {
  it("has its breaker opened within 8 s, and keeps no connection but the prober's", async () => {
    const world = new World();
    const [first] = await world.pair();
    first.send(2, 'x', 'log');
    darken(world);
    await world.pass(8000);
    expect(first.statusOf(2)).toMatchObject({
      breaker: { name: 'open', reason: '3 pings in a row without an answer' },
      health: { state: { name: 'dead' } },
    });
    expect([isOpen(first, 'control'), isOpen(first, 'log')]).toEqual([false, false]);
    expect(evictions(first)).toContain('control dead');
    const { detection, evictions: counts } = first.mesh.status.tally;
    expect(detection.counts.reduce((sum, count) => sum + count, 0)).toBe(1);
    expect(detection.sumMs).toBeLessThanOrEqual(8000);
    expect(counts.get('dead')).toBeGreaterThan(0);
    lighten(world);
    await world.pass(3000);
    await world.close();
  });

  it('costs a call nothing: it is refused at once, and nobody dials for it', async () => {
    const world = new World();
    const [first] = await world.pair();
    darken(world);
    await world.pass(8000);
    const call = new Call(world, first);
    const startMs = world.clock.monotonicMs();
    await world.pass(0);
    expect(call.result).toBe(
      'unavailable: member 0000000000000002 is set aside: 3 pings in a row without an answer',
    );
    expect(call.atMs).toBe(startMs);
    expect(isOpen(first, 'bulk')).toBe(false);
    lighten(world);
    await world.pass(3000);
    await world.close();
  });

  it('is tried by exactly one of 100 callers once its breaker is half-open', async () => {
    const world = new World();
    const [first] = await world.pair();
    darken(world);
    await world.pass(8000);
    await world.pass(30_000);
    expect(first.statusOf(2).breaker.name).toBe('half-open');
    const calls = Array.from({ length: 100 }, () => new Call(world, first));
    await world.pass(10);
    expect(calls.filter(({ result }) => result === undefined)).toHaveLength(1);
    expect(first.statusOf(2).links.filter(({ purpose }) => purpose === 'bulk')).toHaveLength(1);
    await world.pass(3000);
    expect(calls.every(({ result }) => result !== undefined)).toBe(true);
    expect(first.statusOf(2).breaker.name).toBe('open');
    lighten(world);
    await world.pass(3000);
    await world.close();
  });

  it('is taken back by its handshake in under 2 s, whatever is left of the 30 s', async () => {
    const world = new World();
    const [first] = await world.pair();
    darken(world);
    await world.pass(12_000);
    expect(first.statusOf(2).breaker.name).toBe('open');
    lighten(world);
    const backMs = await world.until(() => first.statusOf(2).breaker.name === 'closed');
    expect(backMs).toBeLessThan(2000);
    await world.pass(10);
    expect([isOpen(first, 'control'), isOpen(first, 'log')]).toEqual([true, true]);
    const call = new Call(world, first);
    await world.pass(50);
    expect(call.result).toBe('ok');
    await world.close();
  });

  it('is noticed within 8 s also if it goes dark while it is dialled', async () => {
    const world = new World();
    // Also where a single dial would wait for longer than that.
    const [first] = await world.pair({ settings: { connectTimeoutMs: 60_000 } });
    world.network.reset('h1', 'h2');
    darken(world);
    const deadMs = await world.until(() => first.statusOf(2).health.state.name === 'dead');
    expect(deadMs).toBeLessThanOrEqual(8000);
    expect(first.statusOf(2).breaker.name).toBe('open');
    lighten(world);
    await world.pass(3000);
    await world.close();
  });

  it('is noticed within 8 s of a start at which it was dark', async () => {
    const world = new World();
    darken(world);
    const second = await world.start(2);
    const first = await world.start(1);
    await world.pass(8000);
    expect(first.statusOf(2)).toMatchObject({
      health: { state: { name: 'dead' } },
      breaker: { name: 'open' },
    });
    expect(second.events.join()).not.toContain('connected');
    lighten(world);
    await world.pass(3000);
    expect(first.statusOf(2).breaker.name).toBe('closed');
    await world.close();
  });

  it('refuses: its breaker opens at once, and closes when it is back', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    world.network.kill('h2');
    await world.pass(10);
    expect(first.statusOf(2).breaker.name).toBe('open');
    await world.stop(second);
    await world.start(2, { identity: identityOf(2, 2) });
    await world.pass(2000);
    expect(first.statusOf(2).breaker.name).toBe('closed');
    await world.close();
  });
});

describe('a peer that answers pings and takes no call', () => {
  it('has its breaker opened by the third; control and log connections go on', async () => {
    const world = new World();
    const first = await world.start(1);
    const second = await world.start(2);
    await world.pass(600);
    // Whoever comes is hung up on; the connections of before stay.
    second.mesh.changeSettings({ strangersMax: 0 });
    for (let n = 0; n < 3; n += 1) {
      const call = new Call(world, first);
      await world.pass(10);
      expect(call.result).toMatch(/no handshake/);
    }
    expect(first.statusOf(2)).toMatchObject({ reachable: true, breaker: { name: 'open' } });
    expect(evictions(first)).toEqual(['log breaker']);
    const refused = new Call(world, first);
    await world.pass(0);
    expect(refused.result).toMatch(/is set aside: no handshake/);
    second.mesh.changeSettings({ strangersMax: 100 });
    first.send(2, 'an append', 'log');
    await world.pass(10);
    expect(second.frames).toEqual(['1:an append']);
    await world.pass(30_000);
    const probe = new Call(world, first);
    await world.pass(50);
    expect([probe.result, first.statusOf(2).breaker.name]).toEqual(['ok', 'closed']);
    expect(first.events.join()).not.toContain('refused');
    await world.close();
  });
});

describe('an error that the peer itself sends', () => {
  it('neither opens its breaker nor ends a connection, however often it comes', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    second.acceptSnapshot = () =>
      Promise.reject(new HoldfastError('unavailable', 'its term is not on disk here yet'));
    for (let n = 0; n < 10; n += 1) {
      const call = new Call(world, first);
      await world.pass(100);
      expect(call.result).toMatch(/its term is not on disk/);
    }
    expect(first.statusOf(2).breaker).toMatchObject({ name: 'closed', failures: 0 });
    expect(evictions(first)).toEqual([]);
    await world.close();
  });
});

describe('a log connection that nobody uses', () => {
  it('ends after 30 s, and is dialled for the next frame, which is kept', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    first.send(2, 'one', 'log');
    await world.pass(41_000);
    expect(evictions(first)).toEqual(['log idle']);
    expect([isOpen(first, 'control'), isOpen(first, 'log')]).toEqual([true, false]);
    await world.pass(60_000);
    expect(isOpen(first, 'log')).toBe(false);
    first.send(2, 'two', 'log');
    await world.pass(10);
    expect(second.frames).toEqual(['1:one', '1:two']);
    expect(isOpen(first, 'log')).toBe(true);
    await world.close();
  });

  it('stays while it is used, and for longer where the limit is raised in time', async () => {
    const world = new World();
    const [first] = await world.pair();
    for (let n = 0; n < 20; n += 1) {
      await world.pass(10_000);
      first.send(2, 'use', 'log');
    }
    expect(evictions(first)).toEqual([]);
    const { checker } = first.mesh.settings;
    first.mesh.changeSettings({ checker: { ...checker, idleMs: 120_000 } });
    await world.pass(100_000);
    expect(evictions(first)).toEqual([]);
    await world.pass(31_000);
    expect(evictions(first)).toEqual(['log idle']);
    await world.close();
  });
});

describe('an operator', () => {
  it('ends the connections to a peer, which are dialled anew: nothing has happened', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    first.events.length = 0;
    expect(first.mesh.evict(idOf(2))).toBe(2);
    await world.pass(10);
    expect(evictions(first)).toEqual(['control operator', 'log operator']);
    expect(first.events.join()).not.toContain('refused');
    expect(first.statusOf(2)).toMatchObject({ reachable: true, breaker: { name: 'closed' } });
    first.send(2, 'control');
    first.send(2, 'log', 'log');
    await world.pass(10);
    expect(second.frames.sort()).toEqual(['1:control', '1:log']);
    expect(first.mesh.evict()).toBe(2);
    expect(first.mesh.evict(idOf(9))).toBe(0);
    await world.pass(10);
    await world.close();
  });

  it('loses nothing that was sent before, and none of it twice or out of order', async () => {
    const world = new World({ latencyMs: () => 5 });
    const [first, second] = await world.pair();
    const sent: string[] = [];
    for (let round = 0; round < 20; round += 1) {
      for (let at = 0; at < 5; at += 1) {
        const text = `${round} ${at}`;
        first.send(2, text, 'log');
        sent.push(`1:${text}`);
      }
      first.mesh.evict();
      await world.pass(7);
    }
    await world.pass(100);
    expect(second.frames).toEqual(sent);
    await world.close();
  });

  it('closes a breaker, and calls are let through at once', async () => {
    const world = new World();
    const [first] = await world.pair();
    darken(world);
    await world.pass(8000);
    first.mesh.resetBreakers(idOf(2));
    expect(first.statusOf(2).breaker.name).toBe('closed');
    const call = new Call(world, first);
    await world.pass(10);
    expect(call.result).toBeUndefined();
    await world.pass(3000);
    expect(call.result).toMatch(/^deadline-exceeded/);
    lighten(world);
    await world.pass(3000);
    await world.close();
  });
});
