// Goal: a question costs its caller no more than its deadline, whatever has become of the peer, and
// only what speaks against the peer opens a breaker. Method: meshes on the
// memory network, time advanced by hand.
import { toText, utf8 } from '@holdfast/base/bytes';
import { sleep } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { type MemberId, storeId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { CircuitBreaker, defaultBreakerSettings } from './circuit-breaker.ts';
import { fanOut } from './fan-out.ts';
import { features } from './handshake.ts';
import { defaultCallSettings, PeerCalls } from './peer-calls.ts';
import { idOf, type TestMember, World } from './peer-mesh.fixture.ts';

/** How a question ended, and when. */
class Asked {
  result: string | undefined;
  tookMs: number | undefined;

  constructor(world: World, from: TestMember, timeoutMs = 5000, text = 'a question') {
    const startMs = world.clock.monotonicMs();
    const end = (result: string): void => {
      this.result = result;
      this.tookMs = world.clock.monotonicMs() - startMs;
    };
    from.mesh.ask(idOf(2), utf8(text), { timeoutMs }).then(
      (answer) => end(`answer: ${toText(answer)}`),
      (error: unknown) => end(error instanceof HoldfastError ? error.code : String(error)),
    );
  }
}

const evictions = (member: TestMember): number =>
  member.notes.filter(({ type }) => type === 'evicted').length;

describe('a question', () => {
  it('is answered, and many at once each by their own answer', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    second.answer = (body) => Promise.resolve(utf8(`${toText(body)}!`));
    const asked = Array.from({ length: 50 }, (_, n) => new Asked(world, first, 1000, `${n}`));
    await world.pass(10);
    expect(asked.map(({ result }) => result)).toEqual(
      Array.from({ length: 50 }, (_, n) => `answer: ${n}!`),
    );
    await world.close();
  });

  it('that the peer refuses is answered, too: nothing speaks against it', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    second.answer = () => Promise.reject(new HoldfastError('unavailable', 'not now'));
    for (let n = 0; n < 10; n += 1) {
      const asked = new Asked(world, first);
      await world.pass(10);
      expect(asked.result).toBe('unavailable');
    }
    expect(first.statusOf(2).breaker).toMatchObject({ name: 'closed', failures: 0 });
    await world.close();
  });

  it('ends with its deadline where the peer is silent', async () => {
    const world = new World();
    const [first] = await world.pair();
    world.network.block('h2', 'h1');
    const asked = new Asked(world, first, 800);
    await world.pass(1000);
    expect(asked).toMatchObject({ result: 'deadline-exceeded', tookMs: 800 });
    world.network.unblock('h2', 'h1');
    await world.close();
  });

  it('ends at once where the peer is set aside, without touching the network', async () => {
    const world = new World();
    const [first] = await world.pair();
    world.network.block('h1', 'h2');
    world.network.block('h2', 'h1');
    await world.pass(8000);
    const before = first.statusOf(2).sent.frames;
    const asked = Array.from({ length: 100 }, () => new Asked(world, first));
    await world.pass(0);
    expect(asked.every(({ result, tookMs }) => result === 'unavailable' && tookMs === 0)).toBe(
      true,
    );
    expect(first.statusOf(2).sent.frames).toBe(before);
    world.network.unblock('h1', 'h2');
    world.network.unblock('h2', 'h1');
    await world.pass(3000);
    await world.close();
  });

  it('costs nothing where the peer has been dark since before this member began', async () => {
    const world = new World();
    world.network.block('h1', 'h2');
    world.network.block('h2', 'h1');
    const first = await world.start(1);
    // The first dial is under way, in the background: nobody waits for it.
    for (let ms = 0; ms < 10_000; ms += 500) {
      const asked = new Asked(world, first);
      await world.pass(0);
      expect(asked).toMatchObject({ result: 'unavailable', tookMs: 0 });
      await world.pass(500);
    }
    world.network.unblock('h1', 'h2');
    world.network.unblock('h2', 'h1');
    await world.pass(3000);
    await world.close();
  });

  it('on a connection that breaks is one failure, however many were under way', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    second.answer = () => new Promise(() => undefined);
    const asked = Array.from({ length: 20 }, () => new Asked(world, first));
    await world.pass(10);
    world.network.reset('h1', 'h2');
    await world.pass(0);
    expect(asked.every(({ result }) => result === 'unavailable')).toBe(true);
    await world.pass(10);
    expect(first.statusOf(2)).toMatchObject({ reachable: true, breaker: { name: 'closed' } });
    expect(first.notes.filter(({ type }) => type === 'breaker')).toEqual([]);
    await world.close();
  });

  it('of a peer that stands still for 2 s opens nothing and ends nothing', async () => {
    const world = new World();
    const [first] = await world.pair();
    world.network.block('h2', 'h1');
    const asked: Asked[] = [];
    for (let ms = 0; ms < 2000; ms += 100) {
      asked.push(new Asked(world, first, 500));
      await world.pass(100);
    }
    world.network.unblock('h2', 'h1');
    await world.pass(1000);
    expect(asked.filter(({ result }) => result === 'deadline-exceeded').length).toBeGreaterThan(10);
    expect(first.statusOf(2).breaker).toMatchObject({ name: 'closed', failures: 0 });
    expect(evictions(first)).toBe(0);
    await world.close();
  });
});

describe('a peer that lives and answers after 4 s', () => {
  it('is set aside by the third, and taken back by a quick answer, not by a handshake', async () => {
    const world = new World();
    const [first, second] = await world.pair();
    let delayMs = 4000;
    second.answer = async (body) => {
      await sleep(world.clock, delayMs);
      return body;
    };
    for (let n = 0; n < 3; n += 1) {
      expect(first.statusOf(2).slowBreaker.name).toBe('closed');
      const asked = new Asked(world, first);
      await world.pass(4500);
      expect(asked.result).toMatch(/^answer/);
    }
    expect(first.statusOf(2)).toMatchObject({
      reachable: true,
      breaker: { name: 'closed' },
      slowBreaker: { name: 'open', reason: 'it answered after 4.0 s' },
    });
    const refused = new Asked(world, first);
    world.network.reset('h1', 'h2');
    await world.pass(100);
    expect(refused).toMatchObject({ result: 'unavailable', tookMs: 0 });
    expect(first.statusOf(2).slowBreaker.name).toBe('open');
    delayMs = 0;
    await world.pass(30_000);
    const probe = new Asked(world, first);
    await world.pass(10);
    expect([probe.result, first.statusOf(2).slowBreaker.name]).toEqual([
      'answer: a question',
      'closed',
    ]);
    expect(evictions(first)).toBeLessThanOrEqual(1); // The log connection that nobody used.
    await world.close();
  });
});

describe('a fan-out', () => {
  it('answers within its deadline with whom there is, and says who is missing and why', async () => {
    const world = new World();
    const [first] = await world.pair();
    const peers = [2, 3, 4].map(idOf);
    const ask = async (peer: MemberId): Promise<string> => {
      if (peer === idOf(3)) throw new HoldfastError('version-mismatch', 'too old');
      // Heeds no signal.
      if (peer === idOf(4)) return new Promise(() => undefined);
      return toText(await first.mesh.ask(peer, utf8('who'), { timeoutMs: 700 }));
    };
    const asking = fanOut(peers, ask, { clock: world.clock, deadlineMs: 800 });
    await world.pass(799);
    await world.pass(1);
    const { answered, missing } = await asking;
    expect(answered).toMatchObject([{ peer: idOf(2), answer: 'who' }]);
    expect(missing).toEqual([
      { peer: idOf(3), code: 'version-mismatch', reason: 'too old', tookMs: 0 },
      { peer: idOf(4), code: 'deadline-exceeded', reason: 'no answer within 800 ms', tookMs: 800 },
    ]);
    await world.close();
  });
});

describe('calls to one peer', () => {
  const newCalls = (understood: boolean) => {
    const shown = { memberId: idOf(2), storeId: storeId(2n), bootEpoch: 1, bootId: 1n, name: '' };
    const hello = { ...shown, features: understood ? features.asks : 0 };
    const clock = new ManualClock();
    const options = { clock, settings: () => defaultBreakerSettings, onChange: () => undefined };
    return new PeerCalls({
      clock,
      random: new SeededRandom(1),
      peer: idOf(2),
      settings: () => ({ ...defaultCallSettings, inFlightMax: 2 }),
      breaker: new CircuitBreaker(options),
      slowBreaker: new CircuitBreaker(options),
      control: { sendNow: () => true },
      presence: { lastHeardMs: undefined, hello },
    });
  };

  it('are not sent to a version that would take them for damage', async () => {
    const asked = newCalls(false).ask(utf8('x'), { timeoutMs: 10 });
    await expect(asked).rejects.toMatchObject({ code: 'version-mismatch' });
  });

  it('are so many at a time and no more', async () => {
    const calls = newCalls(true);
    const first = [
      calls.ask(utf8('1'), { timeoutMs: 10 }),
      calls.ask(utf8('2'), { timeoutMs: 10 }),
    ];
    const third = calls.ask(utf8('3'), { timeoutMs: 10 });
    await expect(third).rejects.toMatchObject({ code: 'resource-exhausted' });
    calls.lost('the end');
    const ends = await Promise.allSettled(first);
    expect(ends.every(({ status }) => status === 'rejected')).toBe(true);
  });

  it('end when nobody waits any more, and say nothing against the peer', async () => {
    const calls = newCalls(true);
    const controller = new AbortController();
    const asked = calls.ask(utf8('x'), { timeoutMs: 10, signal: controller.signal });
    controller.abort(new Error('gone'));
    await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
  });
});
