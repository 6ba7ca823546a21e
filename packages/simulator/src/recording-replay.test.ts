// Goal: a recorded member replays to the same state hash, and a recording that was changed, or a
// core that goes another way, is named with the input where it differs. Method: worlds under faults
// whose members are recorded as in production; each segment is replayed; then bytes of one are
// changed, and then its core.
import { toText, utf8 } from '@holdfast/base/bytes';
import { recordingDirectory } from '@holdfast/engine/recorder';
import { encodeFileHead, encodeFrame } from '@holdfast/engine/recording-frames';
import { listSegments, type RecordedBody, readFrames } from '@holdfast/engine/recording-reader';
import type { Disk } from '@holdfast/storage/disk';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import { describe, expect, it } from 'vitest';
import { runSimulation } from './main.ts';
import { type ReplayReport, replaySegment } from './recording-replay.ts';
import { WorldRecordings } from './world-recordings.ts';

const yieldNow = (): Promise<void> => Promise.resolve();

async function record(seed: number) {
  // Small segments, so that a world meets checkpoints in the middle of everything.
  const recordings = new WorldRecordings({ segmentBytes: 48 * 1024, segmentsKept: 1000 });
  const report = await runSimulation({ seed, faultsMs: 12_000, recordings });
  expect(report.failure).toBeUndefined();
  const disks = [...(await recordings.close()).values()];
  expect(recordings.problems).toEqual([]);
  return { report, disks };
}

async function replayAll(disks: readonly Disk[]): Promise<readonly ReplayReport[]> {
  const reports: ReplayReport[] = [];
  for (const disk of disks) {
    for (const one of await listSegments(disk, recordingDirectory)) {
      try {
        reports.push(await replaySegment({ disk, path: one, yieldNow }));
      } catch (error) {
        // A boot that died at once has no whole checkpoint.
        expect(String(error)).toContain('ends before its checkpoint does');
      }
    }
  }
  return reports;
}

const path = '00000001.rec';
let longest: readonly RecordedBody[] | undefined;

/** A disk with one segment alone: that of seed 8 with the most frames, and so all kinds of them. */
async function oneSegment(): Promise<{ disk: Disk; frames: RecordedBody[] }> {
  longest ??= await findLongest((await record(8)).disks);
  const disk = new MemoryDisk();
  await (await disk.open(path, { create: true })).close();
  await rewrite(disk, longest);
  return { disk, frames: await framesOf(disk, path) };
}

async function findLongest(disks: readonly Disk[]): Promise<readonly RecordedBody[]> {
  let best: readonly RecordedBody[] = [];
  for (const disk of disks) {
    for (const one of await listSegments(disk, recordingDirectory)) {
      const frames = await framesOf(disk, one);
      if (frames.length > best.length) best = frames;
    }
  }
  return best;
}

async function framesOf(disk: Disk, from: string): Promise<RecordedBody[]> {
  const frames: RecordedBody[] = [];
  for await (const body of readFrames(disk, from)) frames.push(body);
  return frames;
}

async function rewrite(disk: Disk, frames: readonly RecordedBody[]): Promise<void> {
  const file = await disk.open(path);
  await file.truncate(0);
  let at = 0;
  for (const bytes of [encodeFileHead(), ...frames.map(encodeFrame)]) {
    await file.write(at, bytes);
    at += bytes.length;
  }
  await file.close();
}

describe('a recorded world', () => {
  it('is the same run as one without a recording', async () => {
    const { report } = await record(3);
    const plain = await runSimulation({ seed: 3, faultsMs: 12_000 });
    expect(plain.traceHash).toBe(report.traceHash);
    expect(plain.lines).toEqual(report.lines);
  });

  it.each([1, 2, 4])('replays to the same state hash, seed %i', async (seed) => {
    const { disks } = await record(seed);
    const reports = await replayAll(disks);
    expect(reports.map(({ difference }) => difference?.what).filter(Boolean)).toEqual([]);
    const sum = (pick: (one: ReplayReport) => number) =>
      reports.reduce((n, one) => n + pick(one), 0);
    expect(sum(({ proofs }) => proofs)).toBeGreaterThan(100);
    expect(sum(({ entriesApplied }) => entriesApplied)).toBeGreaterThan(200);
    expect(reports.length).toBeGreaterThan(disks.length);
  });
});

describe('a replay says where', () => {
  it('the recording is damaged: one byte in its middle', async () => {
    const { disk } = await oneSegment();
    const file = await disk.open(path);
    const at = Math.floor((await file.size()) * 0.8);
    const [byte] = await file.read(at, 1);
    await file.write(at, Uint8Array.of((byte as number) ^ 4));
    await file.close();
    const { difference } = await replaySegment({ disk, path, yieldNow });
    expect(difference?.what).toMatch(/is damaged at byte \d+/);
    expect(difference?.input).toBeGreaterThan(0);
  });

  it('a tail is torn: nowhere, that is the end', async () => {
    const { disk } = await oneSegment();
    const file = await disk.open(path);
    await file.truncate((await file.size()) - 3);
    await file.close();
    expect((await replaySegment({ disk, path, yieldNow })).difference).toBeUndefined();
  });

  it('the core goes another way: a leader and a follower would keep other times', async () => {
    const { disk, frames } = await oneSegment();
    const [head] = frames;
    if (head?.$case !== 'head') throw new Error('a segment begins with its head');
    const text = toText(head.value.capture).replace(
      /"(heartbeatMs|electionMaxMs)":\d+/g,
      (_, name) => `"${name}":9999`,
    );
    head.value.capture = utf8(text);
    await rewrite(disk, frames);
    const { difference } = await replaySegment({ disk, path, yieldNow });
    expect(difference?.what).toContain('the core differs');
  });

  it('an input is lost', async () => {
    const { disk, frames } = await oneSegment();
    const bringsEntries = (body: RecordedBody): boolean =>
      body.$case === 'turn' &&
      body.value.inputs.some(({ body: input }) => {
        if (input?.$case === 'propose') return true;
        const message = input?.$case === 'message' ? input.value.body : undefined;
        return message?.$case === 'appendEntries' && message.value.entries.length > 0;
      });
    const lost = frames.findIndex((body, at) => at > frames.length / 2 && bringsEntries(body));
    expect(lost).toBeGreaterThan(0);
    await rewrite(disk, frames.toSpliced(lost, 1));
    expect((await replaySegment({ disk, path, yieldNow })).difference).toBeDefined();
  });

  it('the state is another one', async () => {
    const { disk, frames } = await oneSegment();
    const proof = frames.findLast((body) => body.$case === 'proof');
    if (proof?.$case !== 'proof') throw new Error('a segment holds proofs');
    proof.value.stateHash += 1n;
    await rewrite(disk, frames);
    const { difference } = await replaySegment({ disk, path, yieldNow });
    expect(difference?.what).toContain(`the state differs at index ${proof.value.appliedIndex}`);
  });
});
