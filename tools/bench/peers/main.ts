// `npm run bench:peers`: three members each of etcd, ZooKeeper and Holdfast on this disk, asked the
// same by one lean generator, in rounds in which they take turns; prints the ratios. It asserts no
// duration.
import { rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { cpus, loadavg } from 'node:os';

import { messageOf } from '@holdfast/base/errors';

import { benchDirectory } from '../bench-cluster.ts';
import { withMarkedPart } from '../marked-part.ts';
import { Progress } from '../progress.ts';
import { measureSync } from '../system-figures.ts';
import { measureAll, secondsOf } from './bench-peers.ts';
import { EtcdSystem } from './etcd-system.ts';
import { type FigureName, figures } from './figure.ts';
import { HoldfastSystem } from './holdfast-system.ts';
import { installed } from './installed.ts';
import { type Options, readOptions, usage } from './options.ts';
import { killAll } from './peer-cluster.ts';
import type { PeerSystem } from './peer-system.ts';
import { toPicture } from './picture.ts';
import { type Environment, type PeersReport, toMarkdown } from './report.ts';
import { ZookeeperSystem } from './zookeeper-system.ts';

const allSystems: readonly PeerSystem[] = [
  new EtcdSystem(),
  new HoldfastSystem(),
  new ZookeeperSystem(),
];

/** Where `--write` writes to. */
const paths = {
  document: 'docs/benchmarks.md',
  readme: 'README.md',
  picture: 'docs/images/bench-peers.svg',
};
const mark = 'bench:peers';

async function main(options: Options, directory: string): Promise<void> {
  const systems = installed(allSystems.filter(({ name }) => options.systems.includes(name)));
  const environment = await describeHere(options, systems, directory);
  const isAsked = (figure: FigureName): boolean => options.only.test(figures[figure].title);
  const progress = new Progress(secondsOf(options, systems, isAsked));
  const endMs = performance.now() + options.minutes * 60_000;
  const isOver = (): boolean => performance.now() > endMs;
  const measured = await measureAll({ options, systems, directory, progress, isOver, isAsked });
  progress.close();
  if (isOver()) progress.say(`after ${options.minutes} minutes nothing more was begun`);
  const report = { environment, ...measured };
  process.stdout.write(`\n${toMarkdown(report)}`);
  if (options.write) await write(report);
}

async function describeHere(
  { rounds, roundMs }: Options,
  systems: readonly PeerSystem[],
  directory: string,
): Promise<Environment> {
  return {
    ...{ rounds, roundMs },
    atUtc: new Date().toISOString(),
    cpus: `${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'})`,
    node: process.versions.node,
    versions: systems.map((system) => `${system.name} ${system.version()}`),
    disk: await measureSync(directory),
    load: loadavg()[0] as number,
  };
}

async function write(report: PeersReport): Promise<void> {
  const { atUtc, cpus: machine, versions } = report.environment;
  const caption = `${atUtc.slice(0, 10)}, ${machine}; ${versions.join(', ')}; 256-byte values`;
  await writeFile(paths.picture, toPicture(report.rates, caption));
  const { document, readme, picture } = paths;
  const shown = (from: string): string => `![Requests a second, in times of etcd's](${from})\n`;
  await rewrite(document, `${shown('images/bench-peers.svg')}\n${toMarkdown(report)}`);
  await rewrite(readme, shown(picture));
}

async function rewrite(path: string, part: string): Promise<void> {
  await writeFile(path, withMarkedPart(await readFile(path, 'utf8'), mark, part));
}

const directory = await benchDirectory();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.once(signal, () => process.exit(130));
}
// Whichever way it ends: nothing is left running, and nothing on the disk.
process.once('exit', () => {
  killAll();
  rmSync(directory, { recursive: true, force: true, maxRetries: 5 });
});
try {
  await main(readOptions(), directory);
} catch (error) {
  process.stderr.write(`bench:peers: ${messageOf(error)}\n\n${usage}`);
  process.exitCode = 1;
}
