// The main job: a real tree of configuration files goes in while a watcher follows, and the leader
// is killed in the middle. Goal: the import finishes; every file reads back byte for byte from each
// member; the watcher saw every change, in order, each once; the killed member comes back and
// catches up. Method: the command line as users run it, on files that this machine really has.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { HoldfastClient } from '@holdfast/client/holdfast-client';
import { describe, expect, it } from 'vitest';
import { holdfast, ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

const repository = new URL('..', import.meta.url).pathname;
const endings = ['json', 'yaml', 'yml', 'toml', 'properties', 'xml', 'conf'];
const place = { namespace: 'e2e', group: 'import' };
const filesMin = 2000;

type Summary = {
  readonly published: number;
  readonly skipped: number;
  readonly asText: number;
  readonly [other: string]: unknown;
};

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
    const { summary, text } = await importing;
    leader.start();
    await cluster.ready();
    process.stdout.write(`${text}\n`);
    const names = await listNames(cluster);
    expect(names.length).toBeGreaterThanOrEqual(filesMin);
    expect(summary.skipped).toBeGreaterThanOrEqual(0);
    for (const member of cluster.members) await expectByteEqual(member, names);
    await until(async () => watcher.seen.length >= names.length, {
      timeoutMs: 20_000,
      what: () => `the watcher's ${names.length} changes, it has ${watcher.seen.length}`,
    });
    await watcher.stop();
    expectOrderedAndComplete(watcher.seen, names);
    await expectEqualState(cluster);
  });
});

async function runImport(cluster: ProcessCluster): Promise<{ summary: Summary; text: string }> {
  const args = [
    ...['--endpoints', cluster.endpoints.join(','), '--output', 'json'],
    ...['config', 'import', `node_modules=${repository}node_modules`, 'etc=/etc'],
    ...['--namespace', place.namespace, '--group', place.group],
    ...['--include', ...endings.map((ending) => `*.${ending}`)],
  ];
  const { code, out, err } = await holdfast(args, { timeoutMs: 150_000 });
  if (code !== 0) throw new Error(`import ended with ${code}: ${err}\n${out}\n${cluster.logs()}`);
  return { summary: JSON.parse(out) as Summary, text: out.trim() };
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
  for await (const item of client.configs.listAll(place)) names.push(item.name);
  return names;
}

const fileOf = (name: string): string =>
  name.startsWith('etc/') ? `/${name}` : `${repository}${name}`;

async function expectByteEqual(member: ProcessMember, names: readonly string[]): Promise<void> {
  const left = [...names];
  const worker = async (): Promise<void> => {
    for (let name = left.pop(); name !== undefined; name = left.pop()) {
      const path = `/v1/configs/${place.namespace}/${place.group}/${encodeURIComponent(name)}`;
      const answer = await member.get(path, 10_000);
      const bytes = new Uint8Array(await answer.arrayBuffer());
      const file = readFileSync(fileOf(name));
      if (answer.ok && Buffer.compare(file, bytes) === 0) continue;
      throw new Error(
        `${name} from ${member.place.name}: ${answer.status}, ${bytes.length} bytes, not the file's ${file.length}`,
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
    if (!existsSync(fileOf(name))) continue;
    const expected = createHash('sha256')
      .update(readFileSync(fileOf(name)))
      .digest('hex');
    expect(hash, name).toBe(expected);
  }
}

/** The killed member has caught up when all hold the same state at the same index. */
async function expectEqualState(cluster: ProcessCluster): Promise<void> {
  await until(
    async () => {
      const states = await Promise.all(
        cluster.members.map(async (member) => {
          const view = (await (await member.get('/v1/cluster')).json()) as Record<string, unknown>;
          return `${view.appliedIndex} ${view.stateHash}`;
        }),
      );
      return new Set(states).size === 1;
    },
    { timeoutMs: 20_000, what: () => 'equal state hashes at equal index' },
  );
}
