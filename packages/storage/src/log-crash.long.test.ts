// Crashes the log at every disk operation of a run that appends, truncates, rolls, purges and
// resets, in both ways, and again at every operation of the recovery (C-05, safety.md 1 to 3). The
// model knows what may be left. A failing case names its crash point and seed.
import { equalBytes } from '@holdfast/base/bytes';
import { index, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { Entry } from '@holdfast/raft/entry';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diskErrorCode } from './disk-error.ts';
import { LogModel } from './log-model.fixture.ts';
import { MemoryDisk } from './memory-disk.ts';
import { SegmentedLog } from './segmented-log.ts';

type Step =
  | { readonly kind: 'append'; readonly count: number; readonly payloadBytes: number }
  | { readonly kind: 'truncate'; readonly back: number; readonly count: number }
  | { readonly kind: 'sync' }
  | { readonly kind: 'purge'; readonly keep: number }
  | { readonly kind: 'reset'; readonly ahead: number }
  | { readonly kind: 'reopen' };

const options = { segmentBytes: 4096, groupBytesMax: 1024, cacheBytesMax: 2000 };

const steps: readonly Step[] = [
  { kind: 'append', count: 3, payloadBytes: 100 },
  { kind: 'sync' },
  { kind: 'append', count: 12, payloadBytes: 150 },
  { kind: 'sync' },
  { kind: 'truncate', back: 4, count: 2 },
  { kind: 'sync' },
  { kind: 'append', count: 10, payloadBytes: 300 },
  { kind: 'truncate', back: 6, count: 9 },
  { kind: 'sync' },
  { kind: 'truncate', back: 14, count: 1 },
  { kind: 'append', count: 2, payloadBytes: 700 },
  { kind: 'sync' },
  { kind: 'append', count: 20, payloadBytes: 200 },
  { kind: 'sync' },
  { kind: 'purge', keep: 8 },
  { kind: 'append', count: 1, payloadBytes: 5000 },
  { kind: 'sync' },
  { kind: 'reset', ahead: 7 },
  { kind: 'append', count: 5, payloadBytes: 90 },
  { kind: 'sync' },
];

class Run {
  readonly disk = new MemoryDisk();
  readonly model = new LogModel();
  #log: SegmentedLog | undefined;
  #term = 1;

  get log(): SegmentedLog {
    if (!this.#log) throw new Error('not open');
    return this.#log;
  }

  async open(): Promise<void> {
    this.#log = new SegmentedLog({ disk: this.disk.attach(), ...options });
    const recovery = await this.#log.open();
    const found: Entry[] = [];
    for (let at = recovery.purged.index + 1; at <= recovery.last.index; ) {
      const entries = await this.#log.read(index(at), index(recovery.last.index + 1), 3000);
      found.push(...entries);
      at += entries.length;
    }
    const strange = found.find((entry) => !equalBytes(entry.payload, payloadOf(entry)));
    if (strange) throw new Error(`entry ${strange.index} has another payload`);
    const flaw = this.model.judge(recovery, found);
    if (flaw) throw new Error(flaw);
    this.#term = Math.max(this.#term, recovery.last.term);
  }

  async do(step: Step): Promise<void> {
    const { model, log } = this;
    const last = model.last.index;
    switch (step.kind) {
      case 'append':
        return this.#accept(last + 1, step.count, step.payloadBytes);
      case 'truncate': {
        const first = Math.max(model.purged.index + 1, last + 1 - step.back);
        this.#term += 1;
        return this.#accept(first, step.count, 80);
      }
      case 'sync':
        expect(await log.sync(index(Math.max(0, last - 2)))).toEqual(idOf(model.last));
        return model.synced();
      case 'purge': {
        const through = Math.max(0, log.marks.persisted.index - step.keep);
        model.purging(through);
        return model.purgedTo(await log.purge(index(through)));
      }
      case 'reset': {
        const inTerm = step.ahead === 0 ? model.last.term : this.#term;
        const to = { index: index(last + step.ahead), term: term(inTerm) };
        model.resetting(to);
        await log.reset(to);
        return model.reset(to);
      }
      case 'reopen':
        await log.close();
        return this.open();
    }
  }

  #accept(first: number, count: number, payloadBytes: number): void {
    const entries = Array.from({ length: count }, (_, n): Entry => {
      const id = { index: index(first + n), term: term(this.#term) };
      return { ...id, kind: 'command', payload: payloadOf({ ...id, bytes: payloadBytes }) };
    });
    this.model.accept(entries);
    this.log.accept(entries);
  }
}

const idOf = ({ index, term }: { index: number; term: number }) => ({ index, term });

/** Derived from the entry's place, so that a mixture would show. */
function payloadOf(
  entry: { index: number; term: number } & ({ bytes: number } | { payload: Uint8Array }),
): Uint8Array {
  const length = 'bytes' in entry ? entry.bytes : entry.payload.length;
  return new Uint8Array(length).fill(1 + ((entry.index * 7 + entry.term * 31) % 254));
}

type Crash = { readonly at: number; readonly power: number | undefined; readonly bytes: number };

/** Runs until the operation number `at`, then crashes there; false if the run ended before. */
async function runUntil(run: Run, crash: Crash, work: () => Promise<void>): Promise<boolean> {
  const first = run.disk.operationCount;
  run.disk.setFaults(({ number }) =>
    number - first === crash.at ? { kind: 'crash', writtenBytes: crash.bytes } : undefined,
  );
  try {
    await work();
    return false;
  } catch (error) {
    if (!isCrash(error)) throw error;
    return true;
  } finally {
    run.disk.setFaults(undefined);
    if (crash.power === undefined) run.disk.processCrash();
    else run.disk.powerLoss(new SeededRandom(crash.power));
  }
}

/** The log wraps what killed it. */
const isCrash = (error: unknown): boolean =>
  diskErrorCode(error) === 'ECRASH' || (error instanceof Error && isCrash(error.cause));

async function doAll(run: Run, list: readonly Step[]): Promise<void> {
  await run.open();
  for (const step of list) await run.do(step);
}

const crashKinds: readonly Omit<Crash, 'at'>[] = [
  { power: undefined, bytes: 0 },
  { power: undefined, bytes: 333 },
  { power: 1, bytes: 0 },
  { power: 2, bytes: 100_000 },
  { power: 3, bytes: 700 },
  { power: 4, bytes: 100_000 },
];

describe('a crash at any operation', () => {
  it.each(crashKinds)('leaves the old or the new log (%o)', async (kind) => {
    for (let at = 1; ; at += 1) {
      const run = new Run();
      const name = `operation ${at}`;
      const crashed = await runUntil(run, { ...kind, at }, () => doAll(run, steps));
      try {
        await run.open();
        // What open() told is durable: a power loss at once takes nothing of it.
        run.disk.powerLoss(new SeededRandom(at));
        await run.open();
        await run.do({ kind: 'append', count: 4, payloadBytes: 120 });
        await run.do({ kind: 'sync' });
        await run.do({ kind: 'reopen' });
        await run.log.close();
      } catch (error) {
        throw new Error(`${name}: ${String(error)}`, { cause: error });
      }
      if (!crashed) break;
    }
  });

  it('of a recovery leaves a log that the next one opens alike', async () => {
    for (let at = 1; at < 130; at += 3) {
      for (let inner = 1; ; inner += 1) {
        const run = new Run();
        const crashed = await runUntil(run, { at, power: at, bytes: 600 }, () =>
          doAll(run, steps.slice(0, 14)),
        );
        if (!crashed) return;
        const power = inner % 2 === 0 ? inner : undefined;
        const again = await runUntil(run, { at: inner, power, bytes: 600 }, () => run.open());
        await run.open().catch((error: unknown) => {
          throw new Error(`operation ${at}, then ${inner}: ${String(error)}`, { cause: error });
        });
        if (!again) break;
      }
    }
  });
});

describe('any history', () => {
  const step: fc.Arbitrary<Step> = fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        count: fc.integer({ min: 1, max: 12 }),
        payloadBytes: fc.integer({ min: 0, max: 1500 }),
      }),
    },
    { weight: 6, arbitrary: fc.constant({ kind: 'sync' as const }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('truncate' as const),
        back: fc.integer({ min: 1, max: 20 }),
        count: fc.integer({ min: 1, max: 6 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('purge' as const),
        keep: fc.integer({ min: 0, max: 10 }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('reset' as const),
        ahead: fc.integer({ min: 0, max: 9 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'reopen' as const }) },
  );
  const life = fc.record({
    steps: fc.array(step, { minLength: 1, maxLength: 30 }),
    at: fc.integer({ min: 1, max: 250 }),
    power: fc.option(fc.integer({ min: 0, max: 1000 }), { nil: undefined }),
    bytes: fc.integer({ min: 0, max: 3000 }),
  });

  it('of several lives agrees with the model', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), async (lives) => {
        const run = new Run();
        for (const { steps: list, ...crash } of lives) {
          await runUntil(run, crash, () => doAll(run, list));
        }
        await run.open();
        await run.log.close();
      }),
      { numRuns: 300 },
    );
  });
});
