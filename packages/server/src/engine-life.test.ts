// Goal: damage that shows while a member runs makes it start its engine anew, a few times, and
// nothing else does; whenever it is told to end it ends, with every engine closed. Method: engines
// that only count, on a clock that the test moves.
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { describe, expect, it } from 'vitest';
import { EngineLife } from './engine-life.ts';

class CountedEngine {
  state: 'opened' | 'started' | 'closed' = 'opened';
  readonly fail: (error: unknown) => void;

  constructor(fail: (error: unknown) => void) {
    this.fail = fail;
  }

  async start(): Promise<void> {
    this.state = 'started';
  }

  async close(): Promise<void> {
    this.state = 'closed';
  }
}

const rot = new HoldfastError('corrupt', 'entry 7 can not be read');

class World {
  readonly clock = new ManualClock();
  readonly engines: CountedEngine[] = [];
  readonly ends: unknown[] = [];
  started = 0;
  restarts = 0;
  readonly life = new EngineLife<CountedEngine>({
    clock: this.clock,
    random: new SeededRandom(1),
    open: async (onFatal) => {
      const engine = new CountedEngine(onFatal);
      this.engines.push(engine);
      return engine;
    },
    onStarted: () => {
      this.started += 1;
    },
    onRestart: () => {
      this.restarts += 1;
    },
    onEnd: (error) => this.ends.push(error),
  });

  async damage(): Promise<void> {
    this.engines.at(-1)?.fail(rot);
    await this.clock.advanceAsync(11_000);
  }
}

describe('the life of an engine', () => {
  it('goes on after damage, in a new engine', async () => {
    const world = new World();
    await world.life.start();
    await world.damage();
    expect(world.engines.map(({ state }) => state)).toEqual(['closed', 'started']);
    expect(world).toMatchObject({ started: 2, restarts: 1, ends: [] });
    expect(world.life.engine).toBe(world.engines[1]);
    await world.life.close();
    expect(world.engines[1]?.state).toBe('closed');
    expect(world.clock.pendingCount).toBe(0);
  });

  it('ends with a sentence when damage keeps coming, and not when it comes seldom', async () => {
    const often = new World();
    await often.life.start();
    for (let times = 0; times < 6; times += 1) await often.damage();
    expect(often.restarts).toBe(5);
    expect(isHoldfastError(often.ends[0], 'corrupt')).toBe(true);
    expect(String(often.ends[0])).toContain('replace the disk');
    const seldom = new World();
    await seldom.life.start();
    for (let times = 0; times < 20; times += 1) {
      await seldom.damage();
      seldom.clock.advance(30 * 60 * 1000);
    }
    expect(seldom).toMatchObject({ restarts: 20, ends: [] });
  });

  it('ends at once with anything else', async () => {
    const world = new World();
    await world.life.start();
    const failed = new HoldfastError('unavailable', 'the disk failed');
    world.engines[0]?.fail(failed);
    expect(world.ends).toEqual([failed]);
    expect(world.restarts).toBe(0);
  });

  it('closed in the middle of a restart begins no other engine', async () => {
    const world = new World();
    await world.life.start();
    world.engines[0]?.fail(rot);
    await world.life.close();
    await world.clock.advanceAsync(20_000);
    expect(world.engines.map(({ state }) => state)).toEqual(['closed']);
    expect(world.ends).toEqual([]);
  });
});
