// The main job: a real tree of configuration files goes in while a watcher follows, and the leader
// is killed in the middle. Goal: the import finishes; every file was published exactly once, and
// reads back byte for byte from each member; the watcher saw every change, in order, each once; the
// killed member comes back and catches up. Method: the command line as users run it, on files that
// this machine really has.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import { describe, expect, it } from 'vitest';
import { holdfast, ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

const repository = new URL('..', import.meta.url).pathname;
const endings = ['json', 'yaml', 'yml', 'toml', 'properties', 'xml', 'conf'];
const place = { namespace: 'e2e', group: 'import' };
const filesMin = 2000;
const startedMs = Date.now();
/** Trees of real configuration, taken in this order until there are enough files. */
const trees: readonly (readonly [prefix: string, path: string])[] = [
  ['node_modules', `${repository}node_modules`],
  ['etc', '/etc'],
  ['usr/lib/node_modules', '/usr/lib/node_modules'],
  ['usr/share', '/usr/share'],
  ['usr/lib', '/usr/lib'],
];

/** What `config import --output json` says at its end. */
type Summary = {
  readonly published: number;
  readonly asText: number;
  readonly skippedCount: number;
  readonly retries: number;
  readonly seconds: number;
};

const tell = (summary: Summary): string =>
  `${summary.asText} as text, ${summary.skippedCount} skipped, ` +
  `${summary.retries} retries, ${summary.seconds} s`;

describe('import through a leader kill', () => {
  it('takes a real tree in, and nothing is lost, torn or unseen', async () => {
    await using cluster = await ProcessCluster.start(3);
    const watcher = follow(cluster);
    const importing = runImport(cluster);
    await until(async () => watcher.seen.length > 300, {
      timeoutMs: 60_000,
      what: () => 'the import to be under way',
    });
    const leader = await cluster.leader();
    await leader.kill();
    const summary = await importing;
    leader.start();
    await cluster.ready();
    const names = await listNames(cluster);
    expect(names.length).toBeGreaterThanOrEqual(filesMin);
    process.stdout.write(`${names.length} files; ${tell(summary)}\n`);
    expect(summary.published).toBe(names.length);
    for (const member of cluster.members) await expectByteEqual(member, names);
    await until(async () => watcher.seen.length >= names.length, {
      timeoutMs: 20_000,
      what: () => `the watcher's ${names.length} changes, it has ${watcher.seen.length}`,
    });
    await watcher.stop();
    expect(watcher.seen.length).toBe(names.length);
    expectOrderedAndComplete(watcher.seen, names);
    await expectEqualState(cluster);
  });
});

async function runImport(cluster: ProcessCluster): Promise<Summary> {
  const args = [
    ...['--endpoints', cluster.endpoints.join(','), '--output', 'json'],
    ...['config', 'import', ...enoughTrees().map(([prefix, path]) => `${prefix}=${path}`)],
    ...['--namespace', place.namespace, '--group', place.group],
    ...['--include', ...endings.map((ending) => `*.${ending}`)],
  ];
  const { code, out, err } = await holdfast(args, { timeoutMs: 150_000 });
  if (code !== 0) throw new Error(`import ended with ${code}: ${err}\n${out}\n${cluster.logs()}`);
  return JSON.parse(out) as Summary;
}

type Seen = { readonly name: string; readonly revision: number; readonly hash: string | null };

/** A watcher over the client library, from the very start, resuming wherever it must. */
function follow(cluster: ProcessCluster) {
  const controller = new AbortController();
  const client = new HoldfastClient({ endpoints: cluster.endpoints });
  const seen: Seen[] = [];
  const running = (async () => {
    const { signal } = controller;
    for await (const change of client.configs.watch({ ...place, fromRevision: 1, signal })) {
      seen.push({ name: change.name, revision: change.revision, hash: change.hash });
    }
  })().catch((error: unknown) => {
    if (!controller.signal.aborted) throw error;
  });
  return {
    seen,
    stop: async () => {
      controller.abort();
      await running;
      await client.close();
    },
  };
}

async function listNames(cluster: ProcessCluster): Promise<readonly string[]> {
  await using client = new HoldfastClient({ endpoints: cluster.endpoints });
  const names: string[] = [];
  for await (const item of client.configs.listAll(place)) {
    names.push(item.name);
    // A file that had to be sent again took effect once (safety.md 21).
    expect(item.version, item.name).toBe(1);
  }
  return names;
}

/** Some other program wrote the file while the test ran (a test runner's cache, say). */
const isChanging = (name: string): boolean =>
  !existsSync(fileOf(name)) || statSync(fileOf(name)).mtimeMs > startedMs;

const fileOf = (name: string): string =>
  name.startsWith('node_modules/') ? `${repository}${name}` : `/${name}`;

/** node_modules and /etc, and more where those hold too few files. */
function enoughTrees() {
  let found = 0;
  return trees.filter(([, path], at) => {
    if (at >= 2 && found >= filesMin * 1.05) return false;
    found += countFiles(path);
    return true;
  });
}

function countFiles(path: string): number {
  if (!existsSync(path)) return 0;
  const wanted = new RegExp(`\\.(${endings.join('|')})$`);
  const entries = readdirSync(path, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile() && wanted.test(entry.name)).length;
}

async function expectByteEqual(member: ProcessMember, names: readonly string[]): Promise<void> {
  const left = [...names];
  const worker = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const path = `/v1/configs/${place.namespace}/${place.group}/${encodeURIComponent(name)}`;
      const answer = await member.get(path, 10_000);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const file = readFileSync(fileOf(name));
      if (answer.ok && (Buffer.compare(file, bytes) === 0 || isChanging(name))) continue;
      throw new Error(
        `${name} from ${member.place.name}: ${answer.status}, ${bytes.length} bytes, ` +
          `not the file's ${file.length}`,
      );
    }
  };
  await Promise.all(Array.from({ length: 16 }, worker));
}

function expectOrderedAndComplete(seen: readonly Seen[], names: readonly string[]): void {
  for (let at = 1; at < seen.length; at += 1) {
    expect((seen[at] as Seen).revision).toBeGreaterThan((seen[at - 1] as Seen).revision);
  }
  const newest = new Map(seen.map((one) => [one.name, one.hash]));
  expect([...newest.keys()].sort()).toEqual([...names].sort());
  for (const [name, hash] of newest) {
    if (isChanging(name)) continue;
    const expected = createHash('sha256')
      .update(readFileSync(fileOf(name)))
      .digest('hex');
    expect(hash, name).toBe(expected);
  }
}

type State = { readonly appliedIndex: number; readonly stateHash: string };

/** The killed member has caught up when all hold the same state at the same index. */
async function expectEqualState(cluster: ProcessCluster): Promise<void> {
  await until(
    async () => {
      const states = await Promise.all(
        cluster.members.map(async (member) => {
          const view = (await (await member.get('/v1/cluster')).json()) as State;
          return `${view.appliedIndex} ${view.stateHash}`;
        }),
      );
      return new Set(states).size === 1;
    },
    { timeoutMs: 20_000, what: () => 'equal state hashes at equal index' },
  );
}
