// Bad input gets a clear error and loses nothing: what an operator or a client can do wrong on real
// processes, each with its sentence and exit code or status, while the cluster goes on.
import { once } from 'node:events';
import { cpSync, lstatSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  freePorts,
  holdfast,
  ProcessCluster,
  type ProcessMember,
  until,
} from './support/process-cluster.ts';
import { raiseVersion } from './support/raised-version.ts';

let cluster: ProcessCluster;

beforeAll(async () => {
  cluster = await ProcessCluster.start(3);
  for (const key of ['before']) await cluster.members[0]?.put(`/v1/kv/${key}`, key);
});

afterAll(async () => {
  await cluster[Symbol.asyncDispose]();
});

const first = (): ProcessMember => cluster.members[0] as ProcessMember;

/** The cluster still serves, and what was written is still there. */
async function expectUnharmed(): Promise<void> {
  for (const member of cluster.running) {
    expect(await (await member.get('/v1/kv/before')).text()).toBe('before');
  }
}

/** A member of its own, next to the cluster, that is expected to refuse its start. */
async function startAlone(flags: Readonly<Record<string, string>>) {
  const [client, peer] = await freePorts(2);
  const all = {
    name: 'alone',
    'data-dir': join(cluster.root, 'alone', 'data'),
    'listen-client': `127.0.0.1:${client}`,
    'listen-peer': `127.0.0.1:${peer}`,
    'initial-cluster': `alone=127.0.0.1:${peer}`,
    ...flags,
  };
  const args = Object.entries(all).flatMap(([name, value]) => [`--${name}`, value]);
  return await holdfast(['start', ...args], { timeoutMs: 20_000 });
}

describe('a change of members that is mistyped', () => {
  it.each([
    ['/v1/members/changes', { remove: ['n3'], promot: ['n4'] }],
    ['/v1/leader/transfer', { target: 'n2' }],
  ])('is refused as a whole at %s', async (path, body) => {
    const answer = await fetch(`${first().url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    expect(answer.status).toBe(400);
    expect(await answer.text()).toMatch(/promot|target/);
    await expectUnharmed();
  });
});

describe('a backup to what is no file', () => {
  it.each([['/dev/full'], ['.']])('leaves %s what it is', async (place) => {
    const { endpoints } = cluster;
    const { code, err } = await holdfast(
      ['backup', place, '--force', '--endpoints', endpoints[0] as string],
      { timeoutMs: 20_000 },
    );
    expect(code).not.toBe(0);
    expect(err).toContain(`${place} is no file`);
    expect(lstatSync(place).isFile()).toBe(false);
  });
});

describe('a start that cannot be right', () => {
  it('an unknown flag is named, with the one that was meant', async () => {
    const { code, err } = await holdfast(['start', '--nmae', 'n1']);
    expect(code).toBe(2);
    expect(err).toMatch(/--nmae/);
    expect(err).toMatch(/--name/);
  });

  it('a port in use is named', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const { code, err } = await startAlone({ 'listen-client': `127.0.0.1:${port}` });
    server.close();
    expect(code).not.toBe(0);
    expect(err).toContain(String(port));
    expect(err).toMatch(/another process listens/);
  });

  it('a directory that a living member holds is left alone', async () => {
    const { name, dataDir, peer } = first().place;
    const initial = cluster.members.map(({ place }) => `${place.name}=${place.peer}`).join(',');
    const { code, err } = await startAlone({
      name,
      'data-dir': dataDir,
      'listen-peer': peer,
      'initial-cluster': initial,
    });
    expect(code).not.toBe(0);
    expect(err).toContain(String(first().pid));
    await expectUnharmed();
  });

  it("another cluster's directory is refused", async () => {
    const dataDir = join(cluster.root, 'copied');
    cpSync(first().place.dataDir, dataDir, {
      recursive: true,
      filter: (from) => !from.endsWith('/lock'),
    });
    const { code, err } = await startAlone({ 'data-dir': dataDir });
    expect(code).not.toBe(0);
    expect(err).toMatch(/belongs to cluster/);
  });

  it('a newer format is refused, and left as it is', async () => {
    const dataDir = join(cluster.root, 'newer');
    const other = { name: 'newer', 'data-dir': dataDir };
    const [peer] = await freePorts(1);
    const initial = {
      'listen-peer': `127.0.0.1:${peer}`,
      'initial-cluster': `newer=127.0.0.1:${peer}`,
    };
    const identityFiles = await makeDirectory(dataDir, { ...other, ...initial });
    for (const file of identityFiles) raiseVersion(file);
    const before = identityFiles.map((file) => readFileSync(file));
    const { code, err } = await startAlone({ ...other, ...initial });
    expect(code).not.toBe(0);
    expect(err).toMatch(/format 99.*start the version that wrote it/);
    expect(identityFiles.map((file) => readFileSync(file))).toEqual(before);
  });

  it('a duplicate member name is refused', async () => {
    const { code, err } = await startAlone({
      'initial-cluster': 'alone=127.0.0.1:1,alone=127.0.0.1:2',
    });
    expect(code).not.toBe(0);
    expect(err).toMatch(/alone/);
    expect(err).toMatch(/twice|duplicate|more than once/i);
  });

  it('a listener that others can reach needs --insecure said aloud', async () => {
    const { code, err } = await startAlone({
      'listen-client': '0.0.0.0:0',
      'advertise-client': '127.0.0.1:1',
    });
    expect(code).not.toBe(0);
    expect(err).toMatch(/--insecure/);
  });

  it('without a quorum it listens, is not ready, and says whom it waits for', async () => {
    await using lonely = await ProcessCluster.layOut(3);
    const member = lonely.members[0] as ProcessMember;
    member.start();
    await until(async () => namesBoth(await readiness(member)), {
      timeoutMs: 15_000,
      what: () => `the missing members at /readyz\n${member.log}`,
    });
    expect((await member.get('/livez')).status).toBe(200);
    await until(async () => namesBoth(member.log), {
      timeoutMs: 15_000,
      what: () => member.log,
    });
  });
});

describe('a wiped member', () => {
  it('can not come back under its old id with an empty directory (safety.md 15)', async () => {
    const member = cluster.members[2] as ProcessMember;
    const { dataDir } = member.place;
    await member.kill();
    const kept = `${dataDir}.kept`;
    cpSync(dataDir, kept, { recursive: true, filter: (from) => !from.endsWith('/lock') });
    rmSync(dataDir, { recursive: true });
    mkdirSync(dataDir);
    member.start();
    await until(async () => /another data directory|storeId|store id|wiped/i.test(member.log), {
      timeoutMs: 20_000,
      what: () => `the refusal in the log:\n${member.log}`,
    });
    expect(await member.isReady()).toBe(false);
    await expectWritesGoOn();
    await member.kill();
    rmSync(dataDir, { recursive: true });
    cpSync(kept, dataDir, { recursive: true });
    member.start();
    await cluster.ready();
    await expectUnharmed();
  });
});

describe('requests that cannot be right', () => {
  const configs = '/v1/configs/bad/input';

  it.each([
    ['a name with ..', `${configs}/${encodeURIComponent('../../etc/passwd')}`, 400],
    ['a name of control characters', `${configs}/a%00b`, 400],
    ['a name with a line break', `${configs}/a%0Ab`, 400],
  ])('%s is refused', async (_what, path, status) => {
    const answer = await first().put(path, 'x');
    expect(answer.status).toBe(status);
    expect(answer.headers.get('content-type')).toMatch(/application\/problem\+json/);
  });

  it('a document that does not parse is refused with line and column', async () => {
    const answer = await first().put(`${configs}/a.json`, '{\n  "a": 1,\n  "b": oops\n}');
    expect(answer.status).toBe(400);
    expect(await answer.json()).toMatchObject({ code: 'invalid-argument', line: 3, column: 8 });
  });

  it('a malformed JSON body is refused', async () => {
    const answer = await fetch(`${first().url}/v1/txn`, {
      method: 'POST',
      body: '{"compare": [',
      headers: { 'content-type': 'application/json' },
    });
    expect(answer.status).toBe(400);
  });

  it('a wrong content type is refused where JSON is expected', async () => {
    const answer = await fetch(`${first().url}/v1/txn`, {
      method: 'POST',
      body: '<txn/>',
      headers: { 'content-type': 'application/xml' },
    });
    expect(answer.status).toBe(415);
  });

  it('an oversized body is refused, naming the limit', async () => {
    const answer = await first().put(`${configs}/big.txt`, Buffer.alloc(1024 * 1024 + 1, 'x'));
    expect(answer.status).toBe(413);
    expect(await answer.text()).toMatch(/1048576|1 MiB/);
    await expectUnharmed();
  });

  it('a half-sent request writes nothing', async () => {
    const socket = await open(first());
    socket.write('PUT /v1/kv/half HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nonly a part');
    socket.destroy();
    expect((await first().get('/v1/kv/half')).status).toBe(404);
  });

  it('a thousand idle connections keep nobody out', async () => {
    const sockets = await Promise.all(Array.from({ length: 1000 }, () => open(first())));
    await expectUnharmed();
    await expectWritesGoOn();
    for (const socket of sockets) socket.destroy();
  });

  it('garbage on the peer port harms nobody', async () => {
    const { peer } = first().place;
    const [host = '', port = ''] = peer.split(':');
    const socket = connect(Number(port), host);
    await once(socket, 'connect');
    socket.on('error', () => undefined);
    const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
    // Where the other side's goodbye overtakes its reset, only who reads hears of the end.
    socket.resume();
    socket.write(Buffer.alloc(100_000, 0xa5));
    await closed;
    await expectUnharmed();
    await expectWritesGoOn();
  });
});

const namesBoth = (text: string): boolean => /missing.*n2/.test(text) && /missing.*n3/.test(text);

/** What /readyz says of a member that is not ready; empty as long as it does not listen. */
async function readiness(member: ProcessMember): Promise<string> {
  try {
    const answer = await member.get('/readyz', 1000);
    return answer.status === 503 ? await answer.text() : '';
  } catch {
    return '';
  }
}

async function expectWritesGoOn(): Promise<void> {
  const answer = await first().put('/v1/kv/goes-on', 'x');
  expect(answer.status).toBe(200);
}

async function open(member: ProcessMember): Promise<Socket> {
  const [host = '', port = ''] = member.place.client.split(':');
  const socket = connect(Number(port), host);
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

/** Lets a member make its directory, ends it, and answers its identity files. */
async function makeDirectory(
  dataDir: string,
  flags: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  mkdirSync(dataDir, { recursive: true });
  const cut = startAlone({ ...flags }).catch(() => undefined);
  const pidFile = join(dataDir, 'pid');
  await until(async () => identityFiles(dataDir).length > 0 && readable(pidFile) !== '', {
    timeoutMs: 15_000,
    what: () => `a new directory in ${dataDir}`,
  });
  process.kill(Number(readable(pidFile)), 'SIGTERM');
  await cut;
  return identityFiles(dataDir);
}

const identityFiles = (dataDir: string): readonly string[] =>
  readdirSync(dataDir)
    .filter((name) => name.startsWith('identity'))
    .map((name) => join(dataDir, name));

function readable(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
