// Goal: watches that are pulled give all events, in turns with everybody else, and end with the
// member. Method: an engine in memory, and one whose turns the test opens by hand.
import { toText, utf8 } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { revision } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { putRequest } from '@holdfast/domain/requests';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { describe, expect, it } from 'vitest';
import { AccessGuard } from './access-guard.ts';
import type { PulledWatch, PulledWatches } from './engine.ts';
import { EngineWatches } from './engine-watches.ts';
import { MemoryEngine } from './memory-engine.ts';

const actor = { actor: 'test' };
const keysOf = (key: string, rangeEnd = '') => ({
  keyspace: 1,
  key: utf8(key),
  rangeEnd: utf8(rangeEnd),
});
const put = (engine: MemoryEngine, key: string, value: string) =>
  engine.put(putRequest(keysOf(key), utf8(value)), actor);

/** A reader that reads whatever it is woken for, one portion a turn. */
class Reader {
  readonly lines: string[] = [];
  readonly reasons: HoldfastError[] = [];
  readonly watches: PulledWatches;

  constructor(engine: MemoryEngine) {
    this.watches = engine.pull((reason) => this.reasons.push(reason), undefined);
  }

  open(name: string, range: ReturnType<typeof keysOf>, startRevision?: number): PulledWatch {
    const start = startRevision === undefined ? {} : { startRevision: revision(startRevision) };
    const ask = (): void => this.watches.askTurn(() => this.#read(name, watch));
    const watch = this.watches.open({ ...range, ...start }, ask);
    if (watch.behind) ask();
    return watch;
  }

  #read(name: string, watch: PulledWatch): number {
    for (const { revision: at, events } of this.watches.next(watch, 1)) {
      for (const { kv } of events) this.lines.push(`${name} ${at} ${toText(kv.key)}`);
    }
    if (watch.behind) this.watches.askTurn(() => this.#read(name, watch));
    return 1;
  }
}

describe('pulled watches', () => {
  it('give what was and what comes, each its own, and then nothing', async () => {
    const engine = new MemoryEngine();
    await put(engine, 'a', '1');
    await put(engine, 'b', '2');
    const reader = new Reader(engine);
    const past = reader.open('past', keysOf('a', 'c'), 2);
    const now = reader.open('now', keysOf('a'));
    await put(engine, 'a', '3');
    await put(engine, 'b', '4');
    expect(reader.lines.filter((line) => line.startsWith('past'))).toEqual([
      'past 2 a',
      'past 3 b',
      'past 4 a',
      'past 5 b',
    ]);
    expect(reader.lines.filter((line) => line.startsWith('now'))).toEqual(['now 4 a']);
    expect([past.behind, now.behind, reader.watches.revision]).toEqual([false, false, 5]);
    past.close();
    now.close();
    await put(engine, 'a', '5');
    expect(reader.lines.length).toBe(5);
    expect(engine.watcherCount).toBe(0);
  });

  it('wait for their beginning, and refuse what is gone or empty', async () => {
    const engine = new MemoryEngine();
    for (const value of ['1', '2', '3']) await put(engine, 'a', value);
    const reader = new Reader(engine);
    expect(reader.open('future', keysOf('a'), 7).behind).toBe(false);
    await engine.compact({ revision: 3 }, actor);
    expect(() => reader.open('gone', keysOf('a'), 2)).toThrow(
      expect.objectContaining({ code: 'compacted', details: expect.anything() }),
    );
    expect(() => reader.open('empty', keysOf('b', 'a'))).toThrow('holds no key');
    const slow = reader.watches.open({ ...keysOf('a'), startRevision: revision(3) }, () => {});
    await put(engine, 'a', '4');
    await engine.compact({ revision: 4 }, actor);
    expect(() => reader.watches.next(slow, 10)).toThrow(
      expect.objectContaining({ code: 'compacted' }),
    );
    for (const value of ['5', '6', '7']) await put(engine, 'a', value);
    expect(reader.lines).toEqual(['future 7 a', 'future 8 a']);
  });

  it('end once, by whoever ends them first', async () => {
    const engine = new MemoryEngine();
    const [one, two] = [new Reader(engine), new Reader(engine)];
    two.watches.close();
    one.open('a', keysOf('a'));
    const reason = new HoldfastError('unavailable', 'in doubt');
    engine.failWatches(reason);
    engine.failWatches(reason);
    expect([one.reasons, two.reasons]).toEqual([[reason], []]);
    await put(engine, 'a', '1');
    expect(one.lines).toEqual([]);
  });
});

describe('the watches of a member', () => {
  function world(isSound = () => true) {
    const opened: (() => void)[] = [];
    const store = new KvStore({ yieldNow: () => Promise.resolve() });
    const watches = new EngineWatches({
      store,
      access: new AccessGuard(store, () => Promise.resolve()),
      clock: new ManualClock(),
      nextTurn: (action) => void opened.push(action),
      requireSound: () => {
        if (!isSound()) throw new HoldfastError('unavailable', 'in doubt');
      },
    });
    const turn = (): void => {
      for (const action of opened.splice(0)) action();
    };
    return { watches, turn };
  }

  it('are refused in doubt, and after the end with its reason', () => {
    let isSound = false;
    const { watches } = world(() => isSound);
    expect(() => watches.pull(() => undefined, undefined)).toThrow('in doubt');
    expect(() => watches.stream(keysOf('a'), {})).toThrow('in doubt');
    isSound = true;
    const told: string[] = [];
    watches.pull((reason) => told.push(reason.message), undefined);
    watches.close(new HoldfastError('shutting-down', 'the end'));
    expect(() => watches.pull(() => undefined, undefined)).toThrow('the end');
    expect(() => watches.stream(keysOf('a'), {})).toThrow('the end');
    expect(told).toEqual(['the end']);
  });

  it('take turns by what they read: many small ones in a turn, few large ones', () => {
    const { watches, turn } = world();
    const pulled = watches.pull(() => undefined, undefined);
    const served: number[] = [];
    const ask = (reader: number, bytes: number): void =>
      pulled.askTurn(() => {
        served.push(reader);
        return bytes;
      });
    for (let reader = 0; reader < 300; reader += 1) ask(reader, 10);
    expect(served).toEqual([]);
    turn();
    expect(served.length).toBe(256);
    for (let reader = 300; reader < 340; reader += 1) ask(reader, 64 * 1024);
    turn();
    expect(served.length).toBe(300 + 14);
    turn();
    expect(served.length).toBe(300 + 30);
    turn();
    expect(served).toEqual(Array.from({ length: 340 }, (_, reader) => reader));
    pulled.close();
    ask(999, 1);
    turn();
    expect(served).not.toContain(999);
  });

  it('let nobody come twice before all who wait have come', () => {
    const { watches, turn } = world();
    const pulled = watches.pull(() => undefined, undefined);
    const served: string[] = [];
    const greedy = (): number => {
      served.push('greedy');
      if (served.length < 5000) pulled.askTurn(greedy);
      return 1024 * 1024;
    };
    pulled.askTurn(greedy);
    for (let reader = 0; reader < 2000; reader += 1) {
      pulled.askTurn(() => served.push('other'));
    }
    while (served.length < 2010) turn();
    expect(served.indexOf('greedy', 1)).toBe(2001);
    expect(served.filter((name) => name === 'other').length).toBe(2000);
  });
});
