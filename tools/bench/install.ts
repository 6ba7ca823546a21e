// `npm run bench:install`: how fast a snapshot goes from one member's disk to another's: read and
// verified, through TCP on loopback, verified, written and synced, both ends in this one process.
// Prints MB/s and how long the event loop was held meanwhile, for a heartbeat waits as long.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { parseArgs } from 'node:util';
import { crc32 } from '@holdfast/base/crc32';
import { clusterId, index, type MemberId, memberId, storeId, term } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { SystemClock } from '@holdfast/base/system-clock';
import { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { PeerHandler, StoredSnapshot } from '@holdfast/replica/ports';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { SnapshotFiles } from '@holdfast/storage/snapshot-files';
import { TcpNetwork } from '@holdfast/transport/tcp-link';
import { benchDirectory } from './bench-cluster.ts';

type InstallFigures = {
  readonly bytes: number;
  readonly seconds: number;
  readonly megabytesPerSecond: number;
  readonly cpuSeconds: number;
  readonly loopDelayMaxMs: number;
  readonly loopDelayP99Ms: number;
};

const [sender, receiver] = [memberId(1n), memberId(2n)];

async function measureInstall(bytes: number): Promise<InstallFigures> {
  const root = await benchDirectory();
  const ends: { close(): Promise<void> }[] = [];
  try {
    const [from, to] = [await openFiles(root, 'from'), await openFiles(root, 'to')];
    const snapshot = await makeSnapshot(from, bytes);
    const far = await listen(receiver, receivingInto(to), []);
    ends.push(far);
    const address = far.address ?? '';
    const near = await listen(sender, deaf, [{ memberId: receiver, address }]);
    ends.push(near);
    return await measure(bytes, () => send(near, from, snapshot));
  } finally {
    for (const end of ends) await end.close();
    await rm(root, { recursive: true });
  }
}

async function openFiles(root: string, name: string): Promise<SnapshotFiles> {
  const path = join(root, name);
  await mkdir(path);
  const files = new SnapshotFiles({ disk: new NodeDisk(path) });
  await files.open();
  return files;
}

/** Bytes that no layer can make light of. */
async function makeSnapshot(files: SnapshotFiles, bytes: number): Promise<StoredSnapshot> {
  const last = { index: index(1000), term: term(1) };
  const writer = await files.create({ last, configuration: newConfiguration({}) }, 7n);
  const chunk = new Uint8Array(256 * 1024);
  const random = new SeededRandom(1);
  for (let at = 0; at < chunk.length; at += 1) chunk[at] = random.integer(0, 256);
  let checksum = 0;
  for (let written = 0; written < bytes; written += chunk.length) {
    const piece = chunk.subarray(0, Math.min(chunk.length, bytes - written));
    checksum = crc32(piece, checksum);
    await writer.write(piece);
  }
  await writer.commit();
  return { last, configuration: newConfiguration({}), bytes, stateHash: 7n, checksum };
}

async function listen(
  id: MemberId,
  handler: PeerHandler,
  peers: readonly { readonly memberId: MemberId; readonly address: string }[],
): Promise<TcpPeerTransport> {
  const identity = {
    clusterId: clusterId(1n),
    memberId: id,
    storeId: storeId(BigInt(id)),
    bootEpoch: 1,
  };
  const transport = new TcpPeerTransport({
    network: new TcpNetwork(),
    clock: new SystemClock(),
    random: new SeededRandom(Number(id)),
    identity,
    name: `n${id}`,
    listenAddress: '127.0.0.1:0',
    peers,
  });
  await transport.start(handler);
  return transport;
}

const deaf: PeerHandler = {
  onMessage: () => undefined,
  onForward: () => undefined,
  onForwarded: () => undefined,
  onPeerEvent: () => undefined,
  onSnapshot: () => Promise.resolve(),
};

function receivingInto(files: SnapshotFiles): PeerHandler {
  return {
    ...deaf,
    onSnapshot: async ({ snapshot, chunksFrom }) => {
      const writer = await files.receive(snapshot);
      if (!writer) return;
      for await (const chunk of chunksFrom(writer.offset)) await writer.write(chunk);
      await writer.commit();
    },
  };
}

async function send(
  near: TcpPeerTransport,
  from: SnapshotFiles,
  snapshot: StoredSnapshot,
): Promise<void> {
  const { signal } = new AbortController();
  const chunksFrom = (offset: number): AsyncIterable<Uint8Array> => from.read(snapshot, offset);
  await near.sendSnapshot({ to: receiver, snapshot, chunksFrom, signal });
}

async function measure(bytes: number, work: () => Promise<void>): Promise<InstallFigures> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const [startMs, startCpu] = [performance.now(), process.cpuUsage()];
  await work();
  const seconds = (performance.now() - startMs) / 1000;
  const { user, system } = process.cpuUsage(startCpu);
  delay.disable();
  return {
    bytes,
    seconds,
    megabytesPerSecond: bytes / 1e6 / seconds,
    cpuSeconds: (user + system) / 1e6,
    loopDelayMaxMs: delay.max / 1e6,
    loopDelayP99Ms: delay.percentile(99) / 1e6,
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      mebibytes: { type: 'string', default: '512' },
      rounds: { type: 'string', default: '3' },
    },
  });
  const bytes = Number(values.mebibytes) * 1024 * 1024;
  for (let round = 1; round <= Number(values.rounds); round += 1) {
    const figures = await measureInstall(bytes);
    process.stdout.write(`${tell(figures)}\n`);
  }
}

const tell = (figures: InstallFigures): string =>
  `${(figures.bytes / 1e6).toFixed(0)} MB in ${figures.seconds.toFixed(2)} s: ` +
  `${figures.megabytesPerSecond.toFixed(0)} MB/s, both ends used ` +
  `${figures.cpuSeconds.toFixed(2)} s of CPU; the event loop was late by ` +
  `${figures.loopDelayP99Ms.toFixed(1)} ms at p99, ${figures.loopDelayMaxMs.toFixed(1)} ms at most`;

await main();
