// Measures the store alone, in one process: `npx tsx --conditions holdfast-source
// bench/store-bench.ts` with the number of keys as an optional argument. Prints figures and asserts
// nothing. Rates are by CPU time of the whole process, garbage collection included; holds and steps
// by the clock.
import { index, term } from '@holdfast/base/ids';
import { encodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import { Command, type RangeRequest } from '@holdfast/proto/internal';
import { type AppliedEntry, KvStore } from '../src/kv-store.ts';

const keys = Number(process.argv[2] ?? 1_000_000);
const print = (line: string): void => void process.stdout.write(`${line}\n`);
const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;
const yieldNow = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const newStore = (): KvStore => new KvStore({ yieldNow });

const value = new Uint8Array(256).fill(120);
const noMember = { name: 'bench', peerAddresses: [], clientAddresses: [] };
const keyOf = (n: number): Uint8Array => Buffer.from(`config/app-${(n * 7919) % keys}/item`);

let logIndex = 0;
let timeMs = 1;

function commandEntry(command: Command, sessionId = 0n, sequence = 0n): AppliedEntry {
  logIndex += 1;
  timeMs += 0.01;
  const payload = encodeEntryEnvelope({
    proposedAtMs: timeMs,
    sessionId,
    sequence,
    pendingSpan: 0,
    traceId: 0n,
    authRevision: 0n,
    actor: 'bench',
    body: Command.encode(command).finish(),
  });
  return { index: index(logIndex), term: term(1), kind: 'command', payload };
}

const putCommand = (n: number, lease = 0n): Command => ({
  request: {
    $case: 'put',
    value: {
      keyspace: 1,
      key: keyOf(n),
      value,
      lease,
      prevKv: false,
      ignoreValue: false,
      ignoreLease: false,
    },
  },
});
const putEntry = (n: number): AppliedEntry => commandEntry(putCommand(n));

const rangeRequest = (key: Uint8Array, rangeEnd: Uint8Array, limit: number): RangeRequest => ({
  keyspace: 1,
  key,
  rangeEnd,
  limit,
  revision: 0,
  keysOnly: false,
  countOnly: false,
});

type Puts = { readonly from: number; readonly count: number };

/** Applies puts in batches of 256; only the time inside apply counts. */
function applyPuts(store: KvStore, puts: Puts, entryOf = putEntry): number {
  const { from, count } = puts;
  let spentMs = 0;
  for (let at = from; at < from + count; at += 256) {
    const batch: AppliedEntry[] = [];
    for (let n = at; n < Math.min(at + 256, from + count); n += 1) batch.push(entryOf(n));
    const startMs = cpuMs();
    store.apply(batch);
    spentMs += cpuMs() - startMs;
  }
  return spentMs;
}

/** CPU time of this process: says more than the clock on a machine with other work. */
function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

const rate = (count: number, spentMs: number): string =>
  `${Math.round(count / spentMs)}k/s, ${((spentMs * 1000) / count).toFixed(2)} us each`;

/** Runs `work`, watching how long it holds the event loop at most. */
async function longestHold(work: () => Promise<void>): Promise<number> {
  let longestMs = 0;
  let lastMs = performance.now();
  let running = true;
  const beat = (): void => {
    const nowMs = performance.now();
    longestMs = Math.max(longestMs, nowMs - lastMs);
    lastMs = nowMs;
    if (running) setImmediate(beat);
  };
  setImmediate(beat);
  await work();
  running = false;
  return longestMs;
}

const store = newStore();
print(`new keys: ${rate(keys, applyPuts(store, { from: 0, count: keys }))}`);
globalThis.gc?.();
print(`with ${keys} keys: RSS ${megabytes(process.memoryUsage().rss)}, ${store.describe()}`);
const more = Math.min(keys, 200_000);
print(`existing keys: ${rate(more, applyPuts(store, { from: 0, count: more }))}`);

const keyRanges = 200_000;
let startMs = cpuMs();
for (let n = 0; n < keyRanges; n += 1) {
  store.range(rangeRequest(keyOf(n), new Uint8Array(0), 0));
}
print(`get one key: ${rate(keyRanges, cpuMs() - startMs)}`);

startMs = cpuMs();
for (let n = 0; n < 10_000; n += 1) {
  store.range(rangeRequest(keyOf(n), new Uint8Array(1), 50));
}
print(`50 of a range, counted: ${rate(10_000, cpuMs() - startMs)}`);

const chunks: Uint8Array[] = [];
let imageBytes = 0;
startMs = cpuMs();
const imageHoldMs = await longestHold(async () => {
  for await (const chunk of store.image().chunks()) {
    chunks.push(chunk);
    imageBytes += chunk.length;
  }
});
let spentMs = cpuMs() - startMs;
print(
  `image: ${megabytes(imageBytes)} at ${(imageBytes / spentMs / 1000).toFixed(0)} MB/s, ` +
    `longest hold ${imageHoldMs.toFixed(1)} ms`,
);

async function* chunkSource(): AsyncGenerator<Uint8Array> {
  for (const chunk of chunks) yield chunk;
}
const restored = newStore();
startMs = cpuMs();
const restoreHoldMs = await longestHold(() =>
  restored.restore({ index: store.appliedIndex }, chunkSource()),
);
spentMs = cpuMs() - startMs;
print(
  `restore: ${spentMs.toFixed(0)} ms, ${rate(keys + more, spentMs)}, ` +
    `longest hold ${restoreHoldMs.toFixed(1)} ms`,
);

applyPuts(store, { from: 0, count: keys });
store.apply([commandEntry({ request: { $case: 'compact', value: { revision: store.revision } } })]);
let longestStepMs = 0;
startMs = cpuMs();
for (let pending = true; pending; ) {
  const stepStartMs = performance.now();
  pending = store.reclaim(1024);
  longestStepMs = Math.max(longestStepMs, performance.now() - stepStartMs);
}
print(
  `reclaim after ${keys} overwrites: ${(cpuMs() - startMs).toFixed(0)} ms in all, ` +
    `longest step ${longestStepMs.toFixed(1)} ms, slabs ${megabytes(store.residentBytes)}`,
);

let told = 0;
for (let n = 0; n < 1000; n += 1) {
  const cursor = store.watch({ keyspace: 1, key: keyOf(1), rangeEnd: new Uint8Array(0) }, () => {
    told += cursor.next(10).length;
  });
}
for (let n = 0; n < 10_000; n += 1) {
  store.watch({ keyspace: 1, key: keyOf(n + 10), rangeEnd: new Uint8Array(0) }, () => undefined);
}
for (let n = 0; n < 10_000; n += 1) {
  const lo = Buffer.from(`dir-${n}/`);
  store.watch({ keyspace: 1, key: lo, rangeEnd: Buffer.from(`dir-${n}0`) }, () => undefined);
}
const beforeMs = cpuMs();
store.apply([putEntry(1)]);
print(`1,000 watchers of a key: ${told} told in ${(cpuMs() - beforeMs).toFixed(1)} ms`);
spentMs = applyPuts(store, { from: 20_000, count: 100_000 });
print(`puts beside 21,000 watchers: ${rate(100_000, spentMs)}`);

const apply = (request: Command['request']): void => void store.apply([commandEntry({ request })]);
apply({
  $case: 'bindMember',
  value: { ...noMember, memberId: 1n, storeId: 1n, version: 2 },
});
apply({ $case: 'clusterVersion', value: { version: 2, memberIds: [] } });
const leased = 100_000;
apply({ $case: 'leaseGrant', value: { id: 1n, ttlMs: 60_000 } });
const withLease = (n: number): AppliedEntry => commandEntry(putCommand(n, 1n));
print(
  `puts with a lease: ${rate(leased, applyPuts(store, { from: 0, count: leased }, withLease))}`,
);
startMs = cpuMs();
apply({ $case: 'leaseRevoke', value: { id: 1n, judgedAt: 0 } });
print(`the end of a lease of ${leased} keys: ${(cpuMs() - startMs).toFixed(0)} ms`);

const sessions = 10_000;
for (let n = 1; n <= sessions; n += 1) {
  apply({ $case: 'sessionRegister', value: { id: BigInt(n), ttlMs: 60_000 } });
}
const inSession = (n: number): AppliedEntry =>
  commandEntry(putCommand(n), BigInt((n % sessions) + 1), BigInt(Math.floor(n / sessions) + 1));
spentMs = applyPuts(store, { from: 0, count: leased }, inSession);
print(`puts in ${sessions} sessions: ${rate(leased, spentMs)}`);
startMs = cpuMs();
store.image().release();
print(`an image begins in ${(cpuMs() - startMs).toFixed(1)} ms`);
