// `npm run bench:peers`: three members each of etcd, ZooKeeper and Holdfast on this disk, asked the
// same by one lean generator, in rounds in which they take turns; prints the ratios. It asserts no
// duration.
import { cpus, loadavg } from 'node:os';

import { messageOf } from '@holdfast/base/errors';

import { Progress } from '../progress.ts';
import { measureDisk } from '../system-figures.ts';
import { EtcdSystem } from './etcd-system.ts';
import { HoldfastSystem } from './holdfast-system.ts';
import { type Options, readOptions, usage } from './options.ts';
import { closeAll, PeerCluster } from './peer-cluster.ts';
import type { PeerSystem } from './peer-system.ts';
import { rateLine } from './rate-line.ts';
import { doors, loads, nameOf } from './rate-plan.ts';
import { RateBench, rateSeconds } from './rates.ts';
import { type Environment, toMarkdown } from './report.ts';

const allSystems: readonly PeerSystem[] = [new EtcdSystem(), new HoldfastSystem()];

async function main(): Promise<void> {
  const options = readOptions();
  const systems = installed(options);
  const environment = await describeHere(options, systems);
  const rates = await measureRates(options, systems);
  process.stdout.write(`\n${toMarkdown({ environment, rates })}`);
}

function installed({ systems }: Options): readonly PeerSystem[] {
  return allSystems.filter((system) => {
    if (!systems.includes(system.name)) return false;
    const isHere = system.version() !== undefined;
    if (!isHere) process.stderr.write(`${system.name} is not installed here: left out\n`);
    return isHere;
  });
}

async function describeHere(
  { rounds, roundMs }: Options,
  systems: readonly PeerSystem[],
): Promise<Environment> {
  return {
    ...{ rounds, roundMs },
    atUtc: new Date().toISOString(),
    cpus: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    node: process.versions.node,
    versions: systems.map((system) => `${system.name} ${system.version()}`),
    disk: await measureDisk(),
    load: loadavg()[0] as number,
  };
}

async function measureRates(options: Options, systems: readonly PeerSystem[]) {
  const { only, rounds, roundMs, warmupMs } = options;
  const plan = {
    loads: loads.filter((load) => only.test(nameOf(load))),
    doors: doors.filter((door) => systems.some(({ name }) => name === door.system)),
    ...{ roundMs, warmupMs },
  };
  if (plan.loads.length === 0) return [];
  const progress = new Progress(rateSeconds(plan, rounds));
  const clusters: PeerCluster[] = [];
  for (const system of systems) clusters.push(await PeerCluster.start(system));
  const bench = new RateBench({ ...plan, progress, isOver: () => false }, clusters);
  try {
    const rates = await bench.run(rounds);
    return rates.map(rateLine).filter((line) => line !== undefined);
  } finally {
    progress.close();
    await bench.close();
  }
}

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => void closeAll().then(() => process.exit(130)));
}
try {
  await main();
} catch (error) {
  process.stderr.write(`bench:peers: ${messageOf(error)}\n\n${usage}`);
  process.exitCode = 1;
} finally {
  await closeAll();
}
