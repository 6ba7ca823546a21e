// Makes a stopped member's data directory as a long life would have left it: a snapshot of many
// keys, and entries behind it. Written by the production classes, without a cluster, because 350 MB
// through the API would take minutes.
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { index, type MemberId, type Term } from '@holdfast/base/ids';
import { KvStore } from '@holdfast/mvcc/kv-store';
import { encodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import { Command, type PutRequest } from '@holdfast/proto/internal';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { SegmentedLog } from '@holdfast/storage/segmented-log';
import { SnapshotFiles } from '@holdfast/storage/snapshot-files';

export type FillPlan = {
  readonly root: string;
  readonly voters: readonly MemberId[];
  readonly keys: number;
  readonly valueBytes: number;
  /** Single puts behind the snapshot, of keys that exist. */
  readonly entriesBehind: number;
  /** From 0 to 1. */
  readonly onProgress: (done: number) => void;
};

export type Filled = { readonly snapshotBytes: number; readonly logBytes: number };

const group = 'groups/0';
/** Of the keys in the snapshot; what stands behind it are puts of one. */
const putsPerTransaction = 10;
const entriesPerSync = 4096;
/** Any prime that does not divide the number of keys: they are written in no order. */
const stride = 7919;

/** Fills the group of a directory in which a member has been started and stopped. */
export async function fillDirectory(plan: FillPlan): Promise<Filled> {
  const disk = new NodeDisk(plan.root);
  const log = new SegmentedLog({ disk, directory: `${group}/log` });
  const snapshots = new SnapshotFiles({ disk, directory: `${group}/snapshots` });
  const store = new KvStore({ yieldNow });
  const opened = await log.open();
  await snapshots.open();
  for (let lo = 1; lo <= opened.last.index; ) {
    const entries = await log.read(index(lo), index(opened.last.index + 1), 1 << 20);
    store.apply(entries);
    lo += entries.length;
  }
  const writer = new EntryWriter(opened.last.index, opened.last.term, store.lastProposedAtMs);
  applyKeys(store, writer, plan);
  const snapshotBytes = await takeSnapshot(plan, { store, snapshots, term: opened.last.term });
  await log.reset({ index: store.appliedIndex, term: opened.last.term });
  const logBytes = await writeEntries(log, writer, plan);
  await log.close();
  await snapshots.close();
  return { snapshotBytes, logBytes };
}

/** Gives a member the state that another one has; its identity and its status stay its own. */
export async function copyGroup(from: string, to: string): Promise<void> {
  for (const part of ['log', 'snapshots']) {
    await rm(join(to, group, part), { recursive: true, force: true });
    await cp(join(from, group, part), join(to, group, part), { recursive: true });
  }
}

function applyKeys(store: KvStore, writer: EntryWriter, plan: FillPlan): void {
  for (let at = 0; at < plan.keys; at += putsPerTransaction) {
    const puts = Array.from({ length: Math.min(putsPerTransaction, plan.keys - at) }, (_, n) =>
      putOf(((at + n) * stride) % plan.keys, plan.valueBytes),
    );
    const success = puts.map((value) => ({ request: { $case: 'put' as const, value } }));
    const txn = { compare: [], success, failure: [] };
    store.apply([writer.next({ request: { $case: 'txn', value: txn } })]);
    if (at % 10_000 === 0) plan.onProgress((at / plan.keys) * 0.6);
  }
}

async function takeSnapshot(
  plan: FillPlan,
  parts: { readonly store: KvStore; readonly snapshots: SnapshotFiles; readonly term: Term },
): Promise<number> {
  const { store, snapshots, term } = parts;
  const last = { index: store.appliedIndex, term };
  const configuration = newConfiguration({ voters: [...plan.voters] });
  const image = store.image();
  const writer = await snapshots.create({ last, configuration }, image.stateHash);
  let bytes = 0;
  for await (const chunk of image.chunks()) {
    await writer.write(chunk);
    bytes += chunk.length;
  }
  await writer.commit();
  image.release();
  plan.onProgress(0.7);
  return bytes;
}

async function writeEntries(
  log: SegmentedLog,
  writer: EntryWriter,
  plan: FillPlan,
): Promise<number> {
  let bytes = 0;
  for (let at = 0; at < plan.entriesBehind; at += entriesPerSync) {
    const count = Math.min(entriesPerSync, plan.entriesBehind - at);
    const entries = Array.from({ length: count }, (_, n) => {
      const value = putOf(((at + n) * stride) % plan.keys, plan.valueBytes);
      return writer.next({ request: { $case: 'put', value } });
    });
    log.accept(entries);
    await log.sync(index(writer.last));
    for (const entry of entries) bytes += entry.payload.length;
    plan.onProgress(0.7 + (0.3 * at) / plan.entriesBehind);
  }
  return bytes;
}

/** The keys that the load generator writes, too. */
const putOf = (key: number, valueBytes: number): PutRequest => ({
  keyspace: 1,
  key: Buffer.from(`bench-${key.toString().padStart(8, '0')}`),
  value: new Uint8Array(valueBytes).fill(118),
  lease: 0n,
  prevKv: false,
  ignoreValue: false,
  ignoreLease: false,
});

/** Entries one behind the other, as a leader of that term would have written them. */
class EntryWriter {
  last: number;
  readonly #term: Term;
  #timeMs: number;

  constructor(last: number, term: Term, timeMs: number) {
    this.last = last;
    this.#term = term;
    this.#timeMs = timeMs;
  }

  next(command: Command): Entry {
    this.last += 1;
    this.#timeMs += 0.01;
    const payload = encodeEntryEnvelope({
      proposedAtMs: this.#timeMs,
      sessionId: 0n,
      sequence: 0n,
      pendingSpan: 0,
      traceId: 0n,
      authRevision: 0n,
      actor: 'bench',
      body: Command.encode(command).finish(),
    });
    return { index: index(this.last), term: this.#term, kind: 'command', payload };
  }
}

const yieldNow = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
