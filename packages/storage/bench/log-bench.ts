// What a group costs the log beside the bare write and fdatasync of the same bytes:
//   npx tsx --conditions holdfast-source packages/storage/bench/log-bench.ts [DIR]
// Prints microseconds; the two are measured in turns, so that the disk's mood meets both.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { index, term } from '@holdfast/base/ids';
import type { Entry } from '@holdfast/raft/entry';
import { GroupEncoder } from '../src/group-encoder.ts';
import { NodeDisk } from '../src/node-disk.ts';
import { SegmentedLog } from '../src/segmented-log.ts';

const payload = new Uint8Array(300).map((_, at) => at % 251);
const entry = (at: number): Entry => ({
  index: index(at),
  term: term(1),
  kind: 'command',
  payload,
});
const print = (text: string): boolean => process.stdout.write(`${text}\n`);
const median = (samples: number[]): number =>
  samples.sort((a, b) => a - b)[Math.floor(samples.length / 2)] ?? 0;

const root = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'holdfast-log-bench-'));
try {
  measureEncode();
  await measureSync(1);
  await measureSync(100);
  await measureOpen();
} finally {
  rmSync(root, { recursive: true, force: true });
}

function measureEncode(): void {
  const encoder = new GroupEncoder();
  const entries = Array.from({ length: 100 }, (_, at) => entry(at + 1));
  const samples: number[] = [];
  for (let round = 0; round < 3000; round += 1) {
    const startMs = performance.now();
    encoder.begin(0, 1, 0);
    for (const one of entries) encoder.add(one);
    encoder.finish({ segment: 1, offset: 0 }, 0);
    samples.push((performance.now() - startMs) * 1000);
  }
  print(`encode: ${(median(samples) / 100).toFixed(2)} us an entry of 300 bytes`);
}

async function measureSync(count: number): Promise<void> {
  const disk = new NodeDisk(root);
  const log = new SegmentedLog({ disk, directory: `log-${count}` });
  await log.open();
  const bare = await disk.open(`bare-${count}`, { create: true });
  const bytes = new Uint8Array(64 + count * 340).fill(1);
  for (let at = 0; at < 64; at += 1) await bare.write(at * 2 ** 20, new Uint8Array(2 ** 20));
  await bare.sync();
  const [own, plain]: [number[], number[]] = [[], []];
  let at = log.marks.accepted.index;
  for (let round = 0; round < 1000; round += 1) {
    const entries = Array.from({ length: count }, (_, n) => entry(at + 1 + n));
    at += count;
    let startMs = performance.now();
    log.accept(entries);
    await log.sync(index(at));
    own.push((performance.now() - startMs) * 1000);
    startMs = performance.now();
    bare.writeNow(round * bytes.length, bytes);
    await bare.sync();
    plain.push((performance.now() - startMs) * 1000);
  }
  await bare.close();
  await log.close();
  const [a, b] = [median(own), median(plain)];
  print(`sync of ${count}: ${a.toFixed(0)} us, bare write + fdatasync ${b.toFixed(0)} us`);
}

async function measureOpen(): Promise<void> {
  const log = new SegmentedLog({ disk: new NodeDisk(root), directory: 'log-100' });
  const startMs = performance.now();
  const { sizes } = await log.open();
  print(`open: ${(performance.now() - startMs).toFixed(0)} ms for ${sizes.length} entries`);
  await log.close();
}
