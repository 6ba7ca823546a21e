// Goal: an endpoint that goes dark is noticed within 8 s, costs each call a bounded wait, and is
// taken back by itself; one that is slow is set aside, too; what lives is never blamed (A-05, A-09,
// Method: scripted endpoints that change their ways, on a clock that the test
// moves.
import { sleep } from '@holdfast/base/clock';
import type { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';

import { callerOn } from './caller.fixture.ts';
import type { Call } from './caller.ts';
import type { ClientSettingsChange } from './client-settings.ts';
import { resumingWatch } from './resuming-watch.ts';
import { overBoth, wire } from './scripted-frames.fixture.ts';
import {
  type Behaviour,
  broken,
  chattering,
  fine,
  idleStreams,
  refusal,
  refused,
  ScriptedHttp,
  sequence,
  settled,
  silent,
  slow,
} from './scripted-http.fixture.ts';
import { StallingClock } from './stalling-clock.fixture.ts';

const read: Call = { kind: 'read', method: 'GET', path: '/v1/kv/a' };
const once: Call = { kind: 'once', method: 'PUT', path: '/v1/kv/a' };

class World {
  readonly clock = new StallingClock();
  readonly http: ScriptedHttp;
  readonly #made: ReturnType<typeof callerOn>;

  constructor(behaviours: Readonly<Record<string, Behaviour>>, change: ClientSettingsChange = {}) {
    this.http = new ScriptedHttp(behaviours);
    const addresses = Object.keys(behaviours);
    this.#made = callerOn({ network: this.http, addresses, clock: this.clock, change });
  }

  get caller() {
    return this.#made.caller;
  }

  view(address: string) {
    return this.#made.endpoints.at(address).view;
  }

  pass(ms: number): Promise<void> {
    return this.clock.advanceAsync(ms);
  }

  /** How the call ended, and after how long. */
  async timed(call: Call) {
    const startMs = this.clock.monotonicMs();
    const endpoint = await settled(this.clock, this.caller.call(call)).then(
      (reply) => reply.endpoint,
      (error: { code: string }) => error.code,
    );
    return { endpoint, tookMs: this.clock.monotonicMs() - startMs };
  }

  /** Asked together; how each ended, and after how long. */
  together(call: Call, count: number) {
    return Promise.all(Array.from({ length: count }, () => this.timed(call)));
  }

  watch() {
    const { caller, random, settings } = this.#made;
    const options = { path: '/v1/watch', fromRevision: 5, signal: undefined };
    const running = resumingWatch(options, { caller, random, settings, clock: this.clock }).next();
    return running.then(
      () => 'ended',
      (error: Error) => error.message,
    );
  }

  /** Whatever was under way is over, and no timer is left. */
  async close(): Promise<void> {
    this.#made.close();
    await this.pass(0);
    expect(this.clock.pendingCount).toBe(0);
  }
}

/** So many reads one after the other. */
async function readsOf(world: World, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) await world.timed(read);
}

overBoth(() => {
  describe('an endpoint that goes dark', () => {
    it('ends a write that is sent once within 8 s, with an unknown outcome', async () => {
      const world = new World({ a: fine });
      await world.timed(once);
      world.http.set('a', silent);
      const failure = settled(world.clock, world.caller.call(once));
      await expect(failure).rejects.toMatchObject({ code: 'unavailable', outcome: 'unknown' });
      expect(world.clock.monotonicMs()).toBeGreaterThan(7_000);
      expect(world.clock.monotonicMs()).toBeLessThan(8_000);
      expect(world.http.count('PING a')).toBe(3);
      expect(world.view('a')).toMatchObject({
        state: 'dead',
        failures: 3,
        breaker: { name: 'open' },
      });
      await world.close();
    });

    it('ends a watch there within 8 s, which goes on elsewhere', async () => {
      const world = new World({ a: idleStreams, b: refused }, { probe: { maxMs: 500 } });
      const watching = world.watch();
      await world.pass(20_000);
      expect(world.view('a')).toMatchObject({ state: 'healthy', underWay: 1 });
      world.http.set('a', silent);
      world.http.set('b', idleStreams);
      await world.pass(8_000);
      expect(world.view('a')).toMatchObject({ state: 'dead', underWay: 0 });
      expect(world.view('b')).toMatchObject({ state: 'healthy', underWay: 1 });
      await world.close();
      expect(await watching).toBe('closed by the test');
    });

    it('costs each of a hundred reads no more than one hedge, from the first on', async () => {
      const world = new World({ a: silent, b: fine });
      for (let round = 0; round < 4; round += 1) {
        for (const { endpoint, tookMs } of await world.together(read, 100)) {
          expect(endpoint).toBe('b');
          expect(tookMs).toBeLessThanOrEqual(310);
        }
      }
      expect(world.http.count('GET a')).toBe(50);
      await world.pass(4_000);
      expect(world.view('a').state).toBe('dead');
      await world.close();
    });

    it('does not spend the retry budget', async () => {
      const world = new World({ a: silent, b: fine }, { retries: { perSecond: 0, burst: 0 } });
      for (const { tookMs } of await world.together(read, 1000)) expect(tookMs).toBeLessThan(320);
      await world.close();
    });

    it('is not asked for a sign of life while it gives one', async () => {
      const world = new World({ a: fine, b: fine });
      for (const name of ['a', 'b']) world.http.set(name, chattering(world.clock, 4_000));
      const watching = world.watch();
      await world.pass(60_000);
      expect(world.http.sent.filter((line) => line.startsWith('PING'))).toHaveLength(1);
      await world.close();
      expect(await watching).toBe('closed by the test');
    });

    it('is asked for a sign of life, but not while nobody wants anything of it', async () => {
      const world = new World({ a: fine, b: fine });
      await readsOf(world, 4);
      await world.pass(60_000);
      expect(world.http.count('PING a') + world.http.count('PING b')).toBe(0);
      expect(world.clock.pendingCount).toBe(0);
      await world.close();
    });

    it('is noticed where each call is given up sooner than that', async () => {
      const world = new World({ a: silent });
      for (let at = 0; at < 3; at += 1) await world.timed({ ...once, timeoutMs: 2_000 });
      expect(world.view('a').state).toBe('dead');
      await world.close();
    });

    it('is taken back within 2 s of its return, without a call', async () => {
      const world = new World({ a: silent, b: fine });
      await readsOf(world, 2);
      await world.pass(20_000);
      expect(world.view('a').breaker.name).toBe('open');
      const calls = world.http.count('GET a');
      world.http.set('a', fine);
      await world.pass(2_000);
      expect(world.view('a')).toMatchObject({ state: 'healthy', breaker: { name: 'closed' } });
      expect(world.http.count('GET a')).toBe(calls);
      await world.close();
    });
  });

  describe('the prober', () => {
    it('pings every 0.25 to 2 s, rests after five idle minutes, and wakes with a call', async () => {
      const world = new World({ a: refused, b: fine });
      await readsOf(world, 2);
      await world.pass(60_000);
      const pings = world.http.count('PING a');
      expect(pings).toBeGreaterThan(30);
      expect(pings).toBeLessThan(60);
      await world.pass(300_000);
      expect(world.clock.pendingCount).toBe(0);
      const resting = world.http.count('PING a');
      await world.pass(300_000);
      expect(world.http.count('PING a')).toBe(resting);
      world.http.set('a', fine);
      await readsOf(world, 1);
      await world.pass(1_000);
      expect(world.view('a').breaker.name).toBe('closed');
      await world.close();
    });

    it('waits for no answer longer than a ping may take: an open socket keeps a process', async () => {
      const world = new World({ a: refused, b: fine });
      await readsOf(world, 2);
      let waiting = 0;
      world.http.set('a', async (request) => {
        waiting += 1;
        return silent(request).finally(() => (waiting -= 1));
      });
      await world.pass(30_000);
      const seen = new Set<number>();
      for (let at = 0; at < 100; at += 1) {
        await world.pass(50);
        seen.add(waiting);
      }
      expect(seen).toEqual(new Set([0, 1]));
      await world.close();
    });

    it('does not rest while a watch is open, though nobody calls', async () => {
      const world = new World({ a: refused, b: fine });
      world.http.set('b', chattering(world.clock, 10_000));
      await readsOf(world, 2);
      const watching = world.watch();
      await world.pass(600_000);
      world.http.set('a', fine);
      await world.pass(2_000);
      expect(world.view('a').breaker.name).toBe('closed');
      await world.close();
      expect(await watching).toBe('closed by the test');
    });

    it('lets an endpoint that answers nothing but pings back more slowly each time', async () => {
      const onlyPings: Behaviour = (request) => (request.path === '/ping' ? fine : broken)(request);
      const world = new World({ a: onlyPings, b: fine });
      await readsOf(world, 400);
      expect(world.http.count('GET a')).toBeLessThan(15);
      expect(world.http.count('GET a')).toBeGreaterThan(5);
      await world.close();
    });

    it('begins anew with short waits once a call was answered', async () => {
      const world = new World({ a: refused });
      for (let death = 0; death < 4; death += 1) {
        await world.timed({ ...read, timeoutMs: 50 });
        expect(world.view('a').state).toBe('dead');
        world.http.set('a', fine);
        await world.pass(500);
        expect(world.view('a').breaker.name).toBe('closed');
        await readsOf(world, 1);
        world.http.set('a', refused);
      }
      await world.close();
    });
  });

  describe('a refused connection', () => {
    it('is death at once, and a return at once with the next ping', async () => {
      const world = new World({ a: refused, b: fine });
      await readsOf(world, 2);
      expect(world.view('a')).toMatchObject({ state: 'dead', breaker: { name: 'open' } });
      world.http.set('a', fine);
      await world.pass(2_000);
      expect(world.view('a').state).toBe('healthy');
      await world.close();
    });

    it('leaves what is under way there its time to be answered', async () => {
      const world = new World({ a: fine });
      await world.timed(once);
      world.http.set('a', slow(world.clock, 1_000));
      const write = world.caller.call(once);
      await world.pass(10);
      world.http.set('a', refused);
      await world.timed({ ...once, timeoutMs: 100 });
      expect(world.view('a').state).toBe('dead');
      expect((await settled(world.clock, write)).status).toBe(200);
      await world.close();
    });
  });

  describe('an endpoint that is half-open', () => {
    it('is tried by exactly one of 100 concurrent calls', async () => {
      const change = { breaker: { openMs: 1_000 }, probe: { initialMs: 60_000, maxMs: 60_000 } };
      const world = new World({ a: refused, b: fine }, change);
      await readsOf(world, 2);
      world.http.set('a', slow(world.clock, 100));
      await world.pass(1_000);
      expect(world.view('a').breaker.name).toBe('half-open');
      const before = world.http.count('GET a');
      await world.together(read, 100);
      expect(world.http.count('GET a')).toBe(before + 1);
      expect(world.view('a').breaker.name).toBe('closed');
      await world.close();
    });

    it('is no place for a write while another one lives, though that one refuses', async () => {
      const change = { breaker: { openMs: 1_000 }, probe: { initialMs: 60_000, maxMs: 60_000 } };
      const world = new World({ a: refused, b: fine }, change);
      await readsOf(world, 2);
      world.http.set('a', silent);
      await world.pass(1_000);
      expect(world.view('a').breaker.name).toBe('half-open');
      for (let at = 0; at < 6; at += 1) {
        world.http.set('b', sequence(refusal('no-leader'), fine));
        expect((await world.timed(once)).endpoint).toBe('b');
      }
      expect(world.http.count('PUT a')).toBe(0);
      await world.close();
    });
  });

  describe('where all are set aside', () => {
    it('all are still tried, and whoever answers is taken back by that', async () => {
      const change = { probe: { initialMs: 60_000, maxMs: 60_000 } };
      const world = new World({ a: refused, b: refused, c: refused }, change);
      expect((await world.timed(read)).endpoint).toBe('unavailable');
      for (const name of ['a', 'b', 'c']) expect(world.view(name).breaker.name).toBe('open');
      world.http.set('b', fine);
      expect(await world.timed(read)).toMatchObject({ endpoint: 'b', tookMs: 10 });
      expect(world.view('b').breaker.name).toBe('closed');
      await world.close();
    });

    it('a call that waits for the dark ends in 3 s, not in 7.5', async () => {
      const world = new World({ a: silent });
      await world.timed(once);
      const { endpoint, tookMs } = await world.timed(once);
      expect(endpoint).toBe('unavailable');
      expect(tookMs).toBeLessThan(3_100);
      await world.close();
    });
  });

  describe('what a living endpoint answers', () => {
    it('never sets it aside, whatever it says and however often', async () => {
      for (const code of ['no-leader', 'unavailable', 'internal', 'not-found'] as const) {
        const world = new World({ a: refusal(code), b: refusal(code) });
        for (let at = 0; at < 10; at += 1) await world.timed({ ...read, timeoutMs: 500 });
        for (const name of ['a', 'b']) {
          const breaker = { name: 'closed', failures: 0 };
          expect(world.view(name)).toMatchObject({
            state: 'healthy',
            breaker,
            slowBreaker: breaker,
          });
        }
        await world.close();
      }
    });

    it('that breaks off together is one failure, however much was under way', async () => {
      const world = new World({ a: broken });
      const calls = Array.from({ length: 20 }, () =>
        world.caller.call(once).catch(() => undefined),
      );
      await settled(world.clock, Promise.all(calls));
      expect(world.view('a').breaker).toMatchObject({ name: 'closed', failures: 1 });
      await world.close();
    });
  });

  /** Streams stand until then, and all break at once. */
  function breakingAt(clock: ManualClock, breakMs: number): Behaviour {
    const isTime = sleep(clock, breakMs);
    return async (request) => {
      const answer = await fine(request);
      if (!request.path.includes('watch')) return answer;
      const body = (async function* () {
        yield new Uint8Array();
        await isTime;
        await broken(request);
      })();
      return { ...answer, body };
    };
  }

  describe('an endpoint that answers pings and breaks calls', () => {
    it('is set aside by the third, whatever pings say between them', async () => {
      const onlyPings: Behaviour = (request) => (request.path === '/ping' ? fine : broken)(request);
      const change = { probe: { initialMs: 600_000, maxMs: 600_000 } };
      const world = new World({ a: onlyPings, b: fine }, change);
      for (let at = 0; at < 20; at += 1) {
        await world.timed(once);
        await world.pass(5_000);
      }
      expect(world.http.count('PUT a')).toBe(3);
      await world.close();
    });

    it('is charged once for all streams that break together', async () => {
      const world = new World({ a: fine });
      world.http.set('a', breakingAt(world.clock, 500));
      const watching = Array.from({ length: 20 }, () => world.watch());
      await world.pass(400);
      expect(world.view('a').underWay).toBe(20);
      await world.pass(101);
      expect(world.view('a')).toMatchObject({ state: 'healthy', breaker: { name: 'closed' } });
      await world.close();
      await Promise.all(watching);
    });
  });

  describe('an endpoint that is slow', () => {
    it('is set aside by the third slow answer, and taken back by a quick one', async () => {
      const world = new World({ a: fine, b: fine });
      await world.timed(once);
      world.http.set('a', slow(world.clock, 2_500));
      const writes = async (count: number) => {
        for (let at = 0; at < count; at += 1) await world.timed(once);
      };
      await writes(6);
      expect(world.view('a')).toMatchObject({
        state: 'healthy',
        breaker: { name: 'closed' },
        slowBreaker: { name: 'open', reason: 'it answered after 2.5 s' },
      });
      const before = world.http.count('PUT a');
      await writes(10);
      expect(world.http.count('PUT a')).toBe(before);
      world.http.set('a', fine);
      await world.pass(30_000);
      await writes(2);
      expect(world.view('a').slowBreaker.name).toBe('closed');
      await world.close();
    });

    it('is judged again by exactly one of 100 concurrent writes', async () => {
      const world = new World({ a: fine, b: fine }, { slowBreaker: { failuresMax: 1 } });
      world.http.set('a', slow(world.clock, 2_500));
      for (let at = 0; at < 2; at += 1) await world.timed(once);
      expect(world.view('a').slowBreaker.name).toBe('open');
      await world.pass(30_000);
      const before = world.http.count('PUT a');
      await world.together(once, 100);
      expect(world.http.count('PUT a')).toBe(before + 1);
      await world.close();
    });

    it('is found out by reads as well, though others answer them', async ({ skip }) => {
      skip(wire.isFramed, 'in frames an answer comes whole');
      const world = new World({ a: fine, b: fine });
      let readInVain = 0;
      const late = slow(world.clock, 2_500);
      world.http.set('a', async (request) => {
        const body = (async function* () {
          readInVain += 1;
          yield new Uint8Array(1);
        })();
        return { ...(await late(request)), body };
      });
      for (let at = 0; at < 20; at += 1) expect((await world.timed(read)).tookMs).toBeLessThan(320);
      await world.pass(4_000);
      expect(world.view('a')).toMatchObject({ state: 'healthy', slowBreaker: { name: 'open' } });
      // Its pings have bodies of one piece, too: three answers to calls came, and none was read.
      expect(readInVain).toBe(world.http.count('PING a'));
      await world.close();
    });

    it('is not taken for dead where it is heard meanwhile', async () => {
      const world = new World({ a: fine });
      const [stream, late] = [chattering(world.clock, 1_000), slow(world.clock, 5_000)];
      world.http.set('a', (request) => (request.path.includes('watch') ? stream : late)(request));
      const watching = world.watch();
      for (let at = 0; at < 3; at += 1) await world.timed({ ...read, timeoutMs: 3_100 });
      expect(world.view('a')).toMatchObject({
        state: 'healthy',
        breaker: { name: 'closed', failures: 0 },
        slowBreaker: { name: 'open', reason: expect.stringContaining('and lives') },
      });
      await world.close();
      expect(await watching).toBe('closed by the test');
    });

    it('is not dead for that, however impatient its client is', async () => {
      const world = new World({ a: fine }, { firstByteMs: 500 });
      world.http.set('a', slow(world.clock, 900));
      for (let at = 0; at < 10; at += 1) await world.timed({ ...read, timeoutMs: 2_000 });
      const breaker = { name: 'closed', failures: 0 };
      expect(world.view('a')).toMatchObject({ state: 'healthy', breaker, slowBreaker: breaker });
      await world.close();
    });

    it('is none where its member may hold the call, as a watch or a wait for a revision', async () => {
      const world = new World({ a: fine });
      world.http.set('a', slow(world.clock, 2_500));
      for (let at = 0; at < 4; at += 1) await world.timed({ ...read, isHeld: true });
      expect(world.view('a').slowBreaker).toMatchObject({ name: 'closed', failures: 0 });
      await world.close();
    });
  });

  describe('the own process', () => {
    it('that stood still for 5 s blames nobody', async () => {
      const world = new World({ a: fine, b: fine });
      await readsOf(world, 4);
      for (const call of [once, read, { ...read, kind: 'repeatable' } as const]) {
        for (const name of ['a', 'b']) world.http.set(name, lateReader(world.clock));
        const running = world.caller.call(call);
        await world.pass(0);
        world.clock.stall(5_000);
        expect((await settled(world.clock, running)).status).toBe(200);
      }
      for (const name of ['a', 'b']) {
        expect(world.view(name)).toMatchObject({
          state: 'healthy',
          breaker: { name: 'closed', failures: 0 },
          slowBreaker: { name: 'closed', failures: 0 },
        });
      }
      await world.close();
    });
  });

  /** Has answered at once; this process reads it in its next look at the network. */
  const lateReader =
    (clock: ManualClock): Behaviour =>
    async (request) => {
      await new Promise<void>((resolve) => void clock.schedule(1, resolve));
      return fine(request);
    };
});
