// Goal: a recording is a ring; it never makes a member wait, and ends alone when its disk fails.
// Method: a recorder over a core of one voter and a small state, on a disk in memory that fails
// when the test says so. What is in a recording is judged by its replay (simulator).
import { utf8 } from '@holdfast/base/bytes';
import { index, memberId, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { version } from '@holdfast/base/product-version';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Input } from '@holdfast/raft/input';
import { Raft } from '@holdfast/raft/raft';
import { defaultRaftSettings } from '@holdfast/raft/settings';
import { MemoryStateMachine } from '@holdfast/replica/memory-state-machine';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import { describe, expect, it } from 'vitest';
import { Recorder, type RecorderOptions, recordingDirectory } from './recorder.ts';
import { listSegments, readFrames } from './recording-reader.ts';

function newRaft(): Raft {
  return new Raft({
    id: memberId(1n),
    settings: defaultRaftSettings,
    seed: 1,
    nowMs: 0,
    state: { term: term(0), vote: undefined, repairing: undefined },
    statusLost: false,
    log: { purged: { index: index(0), term: term(0) }, termRuns: [], sizes: [] },
    configurations: [{ index: 0, configuration: newConfiguration({ voters: [memberId(1n)] }) }],
    commit: index(0),
    applied: index(0),
  });
}

class Bench {
  readonly clock = new ManualClock();
  readonly disk: MemoryDisk;
  readonly problems: string[] = [];
  readonly recorder: Recorder;
  readonly #raft = newRaft();

  constructor(options: Partial<RecorderOptions> = {}) {
    this.disk = new MemoryDisk();
    this.recorder = new Recorder({
      disk: this.disk,
      clock: this.clock,
      version,
      segmentBytes: 1000,
      segmentsKept: 3,
      onProblem: (what) => this.problems.push(what),
      ...options,
    });
    this.recorder.begin({ raft: this.#raft, stateMachine: new MemoryStateMachine() });
  }

  turn(input: Input): void {
    const nowMs = this.clock.monotonicMs();
    this.recorder.input(nowMs, input);
    this.#raft.step(nowMs, input);
    this.recorder.turnEnded(this.#raft.ready());
  }

  /** Turns that come to nothing, of about `bytes` each. */
  async turns(count: number, bytes = 10): Promise<void> {
    const cause = 'x'.repeat(bytes);
    const input = { type: 'peer-unreachable', peer: memberId(2n), refused: false, cause } as const;
    for (let turn = 0; turn < count; turn += 1) {
      this.turn(input);
      await this.clock.advanceAsync(20);
    }
  }

  async segments(): Promise<readonly string[]> {
    return await listSegments(this.disk, recordingDirectory);
  }

  async kinds(path: string): Promise<ReadonlyMap<string, number>> {
    const kinds = new Map<string, number>();
    for await (const { $case } of readFrames(this.disk, path)) {
      kinds.set($case, (kinds.get($case) ?? 0) + 1);
    }
    return kinds;
  }
}

describe('a recording', () => {
  it('is a ring of segments, each with what it begins with and its proofs', async () => {
    const bench = new Bench({ segmentBytes: 4000 });
    await bench.turns(150, 200);
    await bench.recorder.close();
    const paths = await bench.segments();
    expect(paths).toHaveLength(3);
    expect(Number(paths[0]?.slice(-12, -4))).toBeGreaterThan(3);
    const kinds = await bench.kinds(paths[1] as string);
    expect([kinds.get('head'), kinds.get('imageEnd')]).toEqual([1, 1]);
    expect(kinds.get('turn')).toBeGreaterThan(3);
    expect(kinds.get('proof')).toBeGreaterThan(0);
  });

  it('goes on behind the segments of an earlier boot', async () => {
    const first = new Bench();
    await first.recorder.close();
    const second = new Bench({ disk: first.disk });
    await second.recorder.close();
    const names = (await first.segments()).map((path) => path.slice(-12));
    expect(names).toEqual(['00000001.rec', '00000002.rec']);
  });

  it('is on the disk soon, without a close', async () => {
    const bench = new Bench();
    await bench.turns(3);
    await bench.clock.advanceAsync(60);
    const [path = ''] = await bench.segments();
    expect((await bench.kinds(path)).get('turn')).toBe(3);
  });

  it('has a gap where too much waits for its disk, and goes on in another segment', async () => {
    const bench = new Bench({ queueBytesMax: 2000, segmentBytes: 1_000_000 });
    await bench.turns(5);
    await bench.turns(1, 5000);
    expect(bench.problems).toEqual([expect.stringContaining('too slow')]);
    await bench.turns(20);
    await bench.recorder.close();
    const [broken = '', whole = ''] = await bench.segments();
    expect((await bench.kinds(broken)).get('gap')).toBe(1);
    expect((await bench.kinds(whole)).get('turn')).toBeGreaterThan(10);
  });

  it('ends alone, and once, when its disk fails', async () => {
    const bench = new Bench();
    await bench.turns(5);
    bench.disk.setFaults(() => ({ kind: 'error', code: 'EIO' }));
    await bench.turns(200);
    expect(bench.problems).toEqual(['the recording has ended']);
    await bench.recorder.close();
    await bench.recorder.close();
  });

  it('keeps the inputs of a turn that broke the core', async () => {
    const bench = new Bench();
    await bench.turns(2);
    bench.recorder.input(bench.clock.monotonicMs(), { type: 'applied', index: index(99) });
    await bench.recorder.close();
    const [path = ''] = await bench.segments();
    expect((await bench.kinds(path)).get('turn')).toBe(3);
  });

  it('is told apart from a file that is none, and from one of another format', async () => {
    const { disk } = new Bench();
    const file = await disk.open('other', { create: true });
    const read = async (): Promise<void> => {
      for await (const _ of readFrames(disk, 'other'));
    };
    await file.write(0, utf8('something'));
    await expect(read()).rejects.toThrow('other is no recording');
    await file.write(0, Uint8Array.of(0x48, 0x46, 0x52, 0x43, 9, 0, 0, 0));
    await expect(read()).rejects.toThrow('format 9');
  });
});

describe('a recording of another version', () => {
  it('is refused with a sentence that says which one replays it', async () => {
    const bench = new Bench({ version: '9.9.9' });
    await bench.turns(3);
    await bench.recorder.close();
    const [path] = await bench.segments();
    const reading = readFrames(bench.disk, path as string).next();
    await expect(reading).rejects.toMatchObject({
      code: 'version-mismatch',
      message: expect.stringMatching(/was recorded by version 9\.9\.9, .* with version 9\.9\.9$/),
    });
  });
});
