// `npm run bench:endurance -- --writes N`: one member takes writes for as long as it is told, on
// this disk and with the defaults of production, and prints what it holds meanwhile: memory, log
// and snapshots must stay flat however much was written (C-17). It asserts nothing.
import { readdir, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { utf8 } from '@holdfast/base/bytes';
import { clusterId, memberId } from '@holdfast/base/ids';
import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';
import { openDataDirectory } from '@holdfast/engine/data-directory';
import { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import { TcpPeerTransport } from '@holdfast/engine/peer-transport';
import { newConfiguration } from '@holdfast/raft/configuration';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { TcpNetwork } from '@holdfast/transport/tcp-link';
import { benchDirectory } from './bench-cluster.ts';

type Plan = {
  readonly writes: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly inFlight: number;
  /** Revisions that are kept: what lies behind them is compacted. */
  readonly revisions: number;
};

const id = memberId(1n);

async function startMember(root: string, plan: Plan): Promise<EmbeddedEngine> {
  const [clock, random] = [new SystemClock(), new SystemRandom()];
  const name = 'n1';
  const { identity, log, status, snapshots, quarantine } = await openDataDirectory({
    disk: new NodeDisk(root),
    random,
    clusterId: clusterId(1n),
    memberId: id,
    name,
  });
  const engine = new EmbeddedEngine({
    identity,
    name,
    version: 'endurance',
    peerAddresses: [],
    clientAddresses: [],
    initialMembers: [{ memberId: id, name, peerAddress: '127.0.0.1:0' }],
    bootstrap: newConfiguration({ voters: [id] }),
    clock,
    random,
    nextTurn: (action) => void setImmediate(action),
    log,
    status,
    snapshots,
    quarantine,
    transport: new TcpPeerTransport({
      network: new TcpNetwork(),
      clock,
      random,
      identity,
      name,
      listenAddress: '127.0.0.1:0',
      peers: [],
    }),
    compactionSettings: { historyRevisionsMax: plan.revisions },
    onFatal: (error) => {
      throw error;
    },
  });
  await engine.start();
  await engine.replica.readBarrier();
  return engine;
}

/** `inFlight` writers, each with one write under way, until all are written. */
async function writeAll(
  engine: EmbeddedEngine,
  plan: Plan,
  onWritten: (count: number) => void,
): Promise<void> {
  const value = new Uint8Array(plan.valueBytes).fill(120);
  let next = 0;
  let written = 0;
  const writer = async (): Promise<void> => {
    while (next < plan.writes) {
      const key = utf8(`key-${next % plan.keys}`);
      next += 1;
      await engine.put(
        {
          keyspace: 1,
          key,
          value,
          lease: 0n,
          prevKv: false,
          ignoreValue: false,
          ignoreLease: false,
        },
        { actor: 'endurance' },
      );
      written += 1;
      if (written % (plan.writes / 10) === 0) onWritten(written);
    }
  };
  await Promise.all(Array.from({ length: plan.inFlight }, writer));
}

async function mebibytesIn(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory)) bytes += (await stat(join(directory, name))).size;
  return Math.round(bytes / 2 ** 20);
}

async function tell(root: string, engine: EmbeddedEngine, written: number): Promise<string> {
  const { lastIndex, purgedIndex, snapshotIndex } = engine.status();
  const resident = Math.round(process.memoryUsage().rss / 2 ** 20);
  const group = join(root, 'groups', '0');
  const [log, snapshots] = [
    await mebibytesIn(join(group, 'log')),
    await mebibytesIn(join(group, 'snapshots')),
  ];
  return (
    `${String(written).padStart(9)} writes: ${resident} MiB resident, log ${log} MiB ` +
    `(${lastIndex - purgedIndex} entries), snapshots ${snapshots} MiB (newest at ${snapshotIndex})`
  );
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      writes: { type: 'string', default: '1000000' },
      keys: { type: 'string', default: '10000' },
      'value-bytes': { type: 'string', default: '256' },
      'in-flight': { type: 'string', default: '512' },
      revisions: { type: 'string', default: '100000' },
    },
  });
  const plan: Plan = {
    writes: Number(values.writes),
    keys: Number(values.keys),
    valueBytes: Number(values['value-bytes']),
    inFlight: Number(values['in-flight']),
    revisions: Number(values.revisions),
  };
  const root = await benchDirectory();
  try {
    const engine = await startMember(root, plan);
    const told: Promise<void>[] = [];
    await writeAll(engine, plan, (written) => {
      told.push(tell(root, engine, written).then((line) => void process.stdout.write(`${line}\n`)));
    });
    await Promise.all(told);
    await engine.close();
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}

await main();
