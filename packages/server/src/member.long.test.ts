// Members on a real disk and real sockets of loopback: a start, a stop, a return, and each way in
// which a start is refused. Directories are temporary, ports are the system's choice.
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { crc32 } from '@holdfast/base/crc32';
import { storeId } from '@holdfast/base/ids';
import { SystemClock } from '@holdfast/base/system-clock';
import { SystemRandom } from '@holdfast/base/system-random';
import { MembersFile } from '@holdfast/storage/members-file';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { type Logger, pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { isListed } from './access/route-needs.ts';
import { deriveClusterId, deriveMemberId } from './identity.ts';
import { Member } from './member.ts';
import { parseScrape } from './prometheus-scrape.fixture.ts';
import { runMember } from './run-member.ts';
import type { Flags } from './setting-sources.ts';
import { readSettings } from './settings.ts';

let folder: string;
const members: Member[] = [];
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-member-'));
});

afterEach(async () => {
  await Promise.all(members.splice(0).map((member) => member.close()));
  for (const server of servers.splice(0)) server.close();
  rmSync(folder, { recursive: true });
});

const anyPort = { listenClient: '127.0.0.1:0', listenPeer: '127.0.0.1:0' };

/** Small files: a test writes little. */
function memberOf(flags: Flags, log: Logger = pino({ level: 'silent' })): Member {
  const small = { segmentBytes: '1048576', memberCheckMs: '50' };
  const settings = readSettings({ ...small, ...flags }, {});
  const clock = new SystemClock();
  const member = new Member({ settings, clock, random: new SystemRandom(), log });
  members.push(member);
  return member;
}

const single = (flags: Flags = {}): Member =>
  memberOf({ ...anyPort, dataDir: join(folder, 'n1'), ...flags });

const ask = (member: Member, path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://${member.clientAddress}${path}`, init);

async function askJson<T>(member: Member, path: string, init?: RequestInit): Promise<T> {
  return (await (await ask(member, path, init)).json()) as T;
}

/** Asks until it is so; each question waits for its answer, so this never spins for free. */
async function ready(member: Member): Promise<void> {
  while ((await ask(member, '/readyz')).status !== 200) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A free port, taken until the test's own listener asks for it. */
async function freePorts(count: number): Promise<readonly number[]> {
  const taken = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(taken.map((server) => once(server, 'listening')));
  const ports = taken.map((server) => (server.address() as { port: number }).port);
  await Promise.all(taken.map((server) => once(server.close(), 'close')));
  return ports;
}

/** Of one cluster, none of them started. */
async function threeMembers(): Promise<readonly Member[]> {
  const ports = await freePorts(3);
  const initialCluster = ports.map((port, at) => `n${at + 1}=127.0.0.1:${port}`).join(',');
  return ports.map((port, at) =>
    memberOf({
      name: `n${at + 1}`,
      dataDir: join(folder, `n${at + 1}`),
      listenClient: '127.0.0.1:0',
      listenPeer: `127.0.0.1:${port}`,
      initialCluster,
    }),
  );
}

describe('one member', () => {
  it('has said of each of its routes whose it is', async () => {
    const member = single();
    await member.start();
    const { paths } = await askJson<{ paths: object }>(member, '/openapi.json');
    expect(Object.keys(paths).length).toBeGreaterThan(40);
    expect(Object.keys(paths).filter((path) => !isListed(path))).toEqual([]);
  });

  it('serves, stops, and finds its data again', async () => {
    const first = single();
    await first.start();
    await ready(first);
    expect(readFileSync(join(folder, 'n1', 'pid'), 'utf8').trim()).toBe(String(process.pid));
    expect((await ask(first, '/v1/kv/a', { method: 'PUT', body: 'kept' })).status).toBe(200);
    const published = await ask(first, '/v1/configs/app/web/x.json', { method: 'PUT', body: '{}' });
    expect(published.status).toBe(200);
    await first.close();
    await first.close();
    expect(existsSync(join(folder, 'n1', 'pid'))).toBe(false);
    const second = single();
    await second.start();
    await ready(second);
    expect(await (await ask(second, '/v1/kv/a')).text()).toBe('kept');
    expect(await (await ask(second, '/v1/configs/app/web/x.json')).text()).toBe('{}');
  });

  it('shows itself: cluster, recovery, page, figures', async () => {
    const member = single();
    await member.start();
    await ready(member);
    const cluster = await askJson<{ members: unknown[] }>(member, '/v1/cluster');
    expect(cluster).toMatchObject({ name: 'n1', role: 'leader', missingVoters: [] });
    expect(cluster.members.length).toBe(1);
    const recovery = await askJson<{ phases: { state: string }[] }>(member, '/v1/recovery');
    expect(recovery.phases.every((phase) => phase.state === 'done')).toBe(true);
    expect(await (await ask(member, '/')).text()).toContain(member.clientAddress);
    const metrics = await (await ask(member, '/metrics')).text();
    expect(metrics).toContain('holdfast_is_leader 1');
    expect(metrics).toContain('nodejs_eventloop_lag_seconds');
    expect(parseScrape(metrics).get('health_connections_cached_count')?.type).toBe('gauge');
    const connections = await askJson(member, '/v1/connections');
    expect(connections).toMatchObject({ member: 'n1', connections: [] });
    const settings = { 'connection-idle-ms': 60_000, 'log-level': 'error' };
    const headers = { 'content-type': 'application/json' };
    const patch = { method: 'PATCH', body: JSON.stringify(settings), headers };
    expect(await askJson(member, '/v1/settings', patch)).toMatchObject({
      changed: { 'connection-idle-ms': { from: 30_000, to: 60_000 } },
    });
    expect(await (await ask(member, '/health')).json()).toEqual({ health: 'true', reason: '' });
  });

  it('tells an open stream that it stops', async () => {
    const member = single();
    await member.start();
    await ready(member);
    const stream = await ask(member, '/v1/kv-watch?prefix=');
    const text = stream.text();
    await member.close();
    expect(await text).toMatch(/event: error\ndata: .*"code":"shutting-down"/);
  });
});

describe('three members', () => {
  it('form a cluster, and each serves what another took', { timeout: 60_000 }, async () => {
    const all = await threeMembers();
    await all[0]?.start();
    const alone = await askJson<{ detail: string }>(all[0] as Member, '/readyz');
    expect(alone.detail).toMatch(/n2.*n3|election|leader/);
    await Promise.all(all.slice(1).map((member) => member.start()));
    await Promise.all(all.map(ready));
    const write = { method: 'PUT', body: 'everywhere' };
    const taker = all[1] as Member;
    const { revision } = await askJson<{ revision: number }>(taker, '/v1/kv/a', write);
    for (const member of all) {
      const path = `/v1/kv/a?consistency=stale&min-revision=${revision}`;
      expect(await (await ask(member, path)).text()).toBe('everywhere');
      expect(await (await ask(member, '/v1/kv/a')).text()).toBe('everywhere');
    }
  });

  it('ask each other, and say who is missing and why', { timeout: 60_000 }, async () => {
    const all = await threeMembers();
    const [first, second, third] = all as [Member, Member, Member];
    await Promise.all(all.map((member) => member.start()));
    await Promise.all(all.map(ready));
    type Asked = { readonly name: string; readonly answered: boolean; readonly reason: unknown };
    type Diagnosed = { readonly well: boolean; readonly members: readonly Asked[] } & {
      readonly findings: readonly { readonly case: string; readonly says: string }[];
    };
    const diagnosed = () => askJson<Diagnosed>(first, '/v1/diagnosis');
    expect(await diagnosed()).toMatchObject({ by: 'n1', well: true, findings: [] });
    type Reported = { members: readonly { report: { name: string; role: string } | null }[] };
    const { members: reports } = await askJson<Reported>(second, '/v1/members');
    const names = reports.map(({ report }) => report?.name ?? 'nobody');
    expect(new Set(names)).toEqual(new Set(['n1', 'n2', 'n3']));
    expect(reports.filter(({ report }) => report?.role === 'leader')).toHaveLength(1);
    type Judged = { members: readonly { name: string; status: string; statusReason: string }[] };
    const judged = async (member: Member, name: string) => {
      const { members: every } = await askJson<Judged>(member, '/v1/members');
      return every.find((one) => one.name === name);
    };
    while ((await judged(first, 'n3'))?.status !== 'healthy');
    await third.close();
    // It has said goodbye: that is no failure.
    expect(await judged(first, 'n3')).toMatchObject({ status: 'shutting-down' });
    const { well, members: asked, findings } = await diagnosed();
    expect(well).toBe(false);
    const answers = asked.map(({ name, answered }) => `${name} ${answered}`);
    expect(answers.sort((a, b) => a.localeCompare(b))).toEqual(['n1 true', 'n2 true', 'n3 false']);
    const missing = findings.find((one) => one.case === 'member-missing');
    expect(missing?.says).toMatch(/^n3 does not answer: .*bears one failure less/);
  });
});

/** Two of three are enough for a leader; where nobody is refused there soon is one. */
const trio = (ports: readonly number[], at: number, log?: Logger): Member =>
  memberOf(
    {
      name: `n${at + 1}`,
      dataDir: join(folder, `n${at + 1}`),
      listenClient: '127.0.0.1:0',
      listenPeer: `127.0.0.1:${ports[at]}`,
      initialCluster: ports.map((port, of) => `n${of + 1}=127.0.0.1:${port}`).join(','),
    },
    log,
  );

describe('the known members', () => {
  it('stand beside the data as soon as they are bound', { timeout: 60_000 }, async () => {
    const ports = await freePorts(3);
    const all = ports.map((_, at) => trio(ports, at));
    await Promise.all(all.map((member) => member.start()));
    await Promise.all(all.map(ready));
    const path = join(folder, 'n1', 'members');
    // A row has 16 bytes (docs/formats.md): the payload's length is at 12.
    const saved = (): number => (existsSync(path) ? readFileSync(path).readUInt32LE(12) / 16 : 0);
    while (saved() < 3) await new Promise((resolve) => setTimeout(resolve, 50));
    await Promise.all(all.map((member) => member.close()));
    expect(saved()).toBe(3);
  });

  it('turn a wiped one away from the first moment', { timeout: 60_000 }, async () => {
    const ports = await freePorts(3);
    // A member whose log says nothing yet, and whose file says who n2 and n3 were.
    const clusterId = deriveClusterId(
      ports.map((port, at) => ({ name: `n${at + 1}`, address: `127.0.0.1:${port}` })),
      undefined,
    );
    mkdirSync(join(folder, 'n1'));
    const file = new MembersFile(new NodeDisk(join(folder, 'n1')));
    await file.open();
    const others = ['n2', 'n3'].map((name) => deriveMemberId(clusterId, name));
    await file.save(new Map(others.map((id) => [id, storeId(4711n)])));
    await file.close();
    const told: string[] = [];
    const log = pino({ level: 'warn' }, { write: (line: string) => void told.push(line) });
    const [first, second] = [trio(ports, 0, log), trio(ports, 1)];
    await Promise.all([first.start(), second.start()]);
    while (!told.some((line) => line.includes('was bound to another data directory'))) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(told.join()).toContain('member n2 was bound');
    // Between the two of them there is never a leader; without the file there soon is one.
    const { detail } = await askJson<{ detail: string }>(second, '/readyz');
    expect(detail).toMatch(/no leader|no quorum/);
    await Promise.all([first.close(), second.close()]);
    rmSync(join(folder, 'n1', 'members'));
    const again = [trio(ports, 0), trio(ports, 1)];
    await Promise.all(again.map((member) => member.start()));
    await Promise.all(again.map(ready));
  });
});

describe('a data directory that is deleted under a living member', () => {
  it('ends it with a sentence', { timeout: 30_000 }, async () => {
    const member = single();
    await member.start();
    await ready(member);
    renameSync(join(folder, 'n1'), join(folder, 'elsewhere'));
    await expect(member.failed).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringMatching(/was deleted or replaced while this member ran/),
    });
  });
});

describe('a start that is refused', () => {
  it('by a living member in the same directory, which is not harmed', async () => {
    const first = single();
    await first.start();
    await ready(first);
    await expect(single().start()).rejects.toThrow(/is in use by process \d+/);
    expect((await ask(first, '/v1/kv/a', { method: 'PUT', body: 'x' })).status).toBe(200);
  });

  it('by the data of another cluster, and of another member', async () => {
    const first = single();
    await first.start();
    await first.close();
    await expect(single({ clusterToken: 'other' }).start()).rejects.toMatchObject({
      code: 'cluster-mismatch',
      message: expect.stringMatching(/belongs to cluster.*--cluster-token/),
    });
    const token = { clusterToken: 't', dataDir: join(folder, 'n2') };
    const second = single(token);
    await second.start();
    await second.close();
    await expect(single({ ...token, name: 'n2' }).start()).rejects.toMatchObject({
      code: 'cluster-mismatch',
    });
  });

  it('by a port that is taken, for clients and for members', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    servers.push(server);
    await once(server, 'listening');
    const address = `127.0.0.1:${(server.address() as { port: number }).port}`;
    const forClients = single({ listenClient: address });
    await expect(forClients.start()).rejects.toThrow(`another process listens at ${address}`);
    const forMembers = single({ listenPeer: address });
    await expect(forMembers.start()).rejects.toMatchObject({
      code: 'failed-precondition',
      message: expect.stringContaining(address),
    });
    // Neither has left anything that is in the way.
    const third = single();
    await third.start();
  });

  it('by files of a newer version', async () => {
    const first = single();
    await first.start();
    await first.close();
    // Both copies (docs/formats.md): the format version is at 8, the checksum of all that follows
    // at 0.
    const path = join(folder, 'n1', 'identity');
    const bytes = readFileSync(path);
    for (const at of [0, 4096]) {
      bytes.writeUInt16LE(99, at + 8);
      const end = at + 24 + bytes.readUInt32LE(at + 12);
      bytes.writeUInt32LE(crc32(bytes.subarray(at + 4, end)), at);
    }
    writeFileSync(path, bytes);
    await expect(single().start()).rejects.toMatchObject({ code: 'version-mismatch' });
  });

  it('by files that can not be read', async () => {
    const first = single();
    await first.start();
    await first.close();
    writeFileSync(join(folder, 'n1', 'identity'), Buffer.alloc(8192, 1));
    await expect(single().start()).rejects.toMatchObject({ code: 'corrupt' });
  });

  it('by a data directory that is a file', async () => {
    writeFileSync(join(folder, 'n1'), '');
    await expect(single().start()).rejects.toThrow('can not be made');
  });
});

describe('the process of a member', () => {
  it('reads its file anew at SIGHUP: what may change does, the rest waits for a restart', async () => {
    const file = join(folder, 'holdfast.yaml');
    const [port] = await freePorts(1);
    const given = `listen-client: 127.0.0.1:${port}\nlisten-peer: 127.0.0.1:0\n`;
    writeFileSync(file, `${given}connection-idle-ms: 20000\n`);
    const end = new AbortController();
    const flags = { config: file, dataDir: join(folder, 'n1'), logLevel: 'error' };
    const running = runMember(flags, {}, end.signal);
    const idle = async (): Promise<string> => {
      const answer = await fetch(`http://127.0.0.1:${port}/v1/settings`).catch(() => undefined);
      if (!answer) return 'not there yet';
      const { settings } = (await answer.json()) as {
        settings: Record<string, { value: number; source: string }>;
      };
      const { value, source } = settings['connection-idle-ms'] ?? {};
      return `${value} ${source}`;
    };
    const until = async (wanted: string): Promise<void> => {
      while ((await idle()) !== wanted) await new Promise((resolve) => setTimeout(resolve, 10));
    };
    await until('20000 file');
    writeFileSync(file, `${given}connection-idle-ms: 40000\nquota-bytes: 5000000\n`);
    process.emit('SIGHUP');
    await until('40000 file');
    // A mistake ends nobody, and changes nothing.
    writeFileSync(file, `${given}connection-idle-ms: soon\n`);
    process.emit('SIGHUP');
    expect(await idle()).toBe('40000 file');
    end.abort(new Error('enough'));
    expect(await running).toBe(0);
    expect(process.listenerCount('SIGHUP')).toBe(0);
  });

  it('answers 0 when it was told to end, and a code when it can not start', async () => {
    const flags = { ...anyPort, dataDir: join(folder, 'n1'), logLevel: 'error' };
    const end = new AbortController();
    const running = runMember(flags, {}, end.signal);
    while (!existsSync(join(folder, 'n1', 'groups'))) {
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    end.abort(new Error('enough'));
    expect(await running).toBe(0);
    await expect(runMember({ name: '?' }, {}, end.signal)).rejects.toThrow('a name is');
    writeFileSync(join(folder, 'file'), '');
    const hopeless = { ...flags, dataDir: join(folder, 'file'), logLevel: 'error' };
    expect(await runMember(hopeless, {}, new AbortController().signal)).toBe(4);
  });
});
