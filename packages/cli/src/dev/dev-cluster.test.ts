// Goal: a development cluster comes up as a whole or says why not, leaves no process behind however
// it ends, and never runs twice on one folder. Method: the whole command with stand-ins for
// members, which are real processes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { type Clock, sleep } from '@holdfast/base/clock';
import { storeId } from '@holdfast/base/ids';
import { SystemClock } from '@holdfast/base/system-clock';
import { deriveClusterId, deriveMemberId } from '@holdfast/server/identity';
import { IdentityFile } from '@holdfast/storage/identity-file';
import { NodeDisk } from '@holdfast/storage/node-disk';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type Outcome, runCommand } from '../test-cluster.ts';
import { planMembers, startArguments } from './dev-cluster.ts';
import { DevLock } from './dev-lock.ts';
import { MemberProcess } from './member-process.ts';

const fakeMember = fileURLToPath(new URL('../../testdata/fake-member.mjs', import.meta.url));
const clock = new SystemClock();
let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'holdfast-dev-'));
});

afterEach(async () => {
  process.env['FAKE_MEMBER_DIES'] = '';
  process.env['FAKE_MEMBER_REMOVED'] = '';
  await rm(directory, { recursive: true, force: true });
});

/** A port such that the next thirty are most likely free: far from the ephemeral ones. */
async function freeBase(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return 20_000 + ((port * 40) % 10_000);
}

type Dev = {
  readonly ended: Promise<Outcome>;
  readonly stop: () => void;
  readonly up: Promise<Up>;
};
type Up = {
  readonly page: string;
  readonly members: readonly { readonly pid: number; readonly client: string }[];
};

function startDev(basePort: number, nodes = 2): Dev {
  const stop = new AbortController();
  let isUp: (up: Up) => void = () => undefined;
  const up = new Promise<Up>((resolve) => {
    isUp = resolve;
  });
  const ended = runCommand(
    [
      ...['dev', '--nodes', String(nodes), '--data-dir', directory],
      ...['--base-port', String(basePort), '--output', 'json'],
    ],
    {
      signal: stop.signal,
      onOut: (text) => isUp(JSON.parse(text) as Up),
      ports: { selfArgs: [fakeMember] },
    },
  );
  return { ended, up, stop: () => stop.abort(new Error('asked to end')) };
}

/** The directories of so many members, as their first start makes them. */
async function makeCluster(nodes: number, basePort: number): Promise<void> {
  const plans = planMembers({ nodes, dataDir: directory, basePort });
  const cluster = deriveClusterId(
    plans.map(({ name, peer }) => ({ name, address: peer })),
    undefined,
  );
  for (const { name, dataDir } of plans) {
    await mkdir(dataDir);
    const file = new IdentityFile({ disk: new NodeDisk(dataDir) });
    await file.open();
    await file.create({
      clusterId: cluster,
      memberId: deriveMemberId(cluster, name),
      storeId: storeId(1n),
      name,
    });
    await file.close();
  }
}

/** Whether the process is still there. */
function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false; // No such process.
  }
}

describe('holdfast dev', () => {
  it('starts separate processes, ends them all, and can be run again', async () => {
    const basePort = await freeBase();
    for (const _ of [1, 2]) {
      const dev = startDev(basePort);
      const { members } = await dev.up;
      expect(members.map(({ client }) => client)).toEqual([
        `127.0.0.1:${basePort}`,
        `127.0.0.1:${basePort + 10}`,
      ]);
      expect(members.every(({ pid }) => lives(pid))).toBe(true);
      dev.stop();
      await dev.ended;
      expect(members.some(({ pid }) => lives(pid))).toBe(false);
    }
  });

  it('beside a running one says so, and leaves it alone', async () => {
    const basePort = await freeBase();
    const first = startDev(basePort);
    const { members } = await first.up;
    const second = await startDev(basePort).ended;
    expect(second.err).toContain('already runs');
    expect(second.err).toContain(`http://127.0.0.1:${basePort}/`);
    expect(second.code).not.toBe(0);
    expect(members.every(({ pid }) => lives(pid))).toBe(true);
    first.stop();
    await first.ended;
  });

  it('tells that a member has ended, starts it not again, and keeps the others', async () => {
    const dev = startDev(await freeBase());
    const { members } = await dev.up;
    const [first, second] = members.map(({ pid }) => pid) as [number, number];
    process.kill(first, 'SIGKILL');
    while (lives(first)) await sleep(clock, 10);
    expect(lives(second)).toBe(true);
    dev.stop();
    expect((await dev.ended).err).toContain('Member n1 has ended by SIGKILL');
  });

  it('ends with a failure when no member is left', async () => {
    const dev = startDev(await freeBase());
    for (const { pid } of (await dev.up).members) process.kill(pid, 'SIGKILL');
    const { code, err } = await dev.ended;
    expect(err).toContain('all members have ended');
    expect(code).not.toBe(0);
  });

  it('shows the last words of a member that does not start, and ends the others', async () => {
    process.env['FAKE_MEMBER_DIES'] = 'n2';
    const { code, err } = await startDev(await freeBase()).ended;
    expect(err).toContain('member n2 ended at its start');
    expect(err).toContain('belongs to another cluster');
    expect(code).not.toBe(0);
  });

  it('goes on without a member that was removed from its cluster, and says so', async () => {
    process.env['FAKE_MEMBER_REMOVED'] = 'n1';
    const basePort = await freeBase();
    const dev = startDev(basePort);
    const up = await dev.up;
    expect(up.members.map(({ client }) => client)).toEqual([`127.0.0.1:${basePort + 10}`]);
    expect(up.page).toBe(`http://127.0.0.1:${basePort + 10}/`);
    dev.stop();
    const { err } = await dev.ended;
    expect(err).toContain('Member n1 was removed from this cluster: the others go on without it.');
  });

  it('fails where all members were removed, in their own words', async () => {
    process.env['FAKE_MEMBER_REMOVED'] = 'n1,n2';
    const { code, err } = await startDev(await freeBase()).ended;
    expect(err).toContain('member n1 ended at its start: member n1 was removed from the cluster');
    expect(err).toContain('"hint":"its log is ');
    expect(err).not.toContain('level');
    expect(code).toBe(10);
  });

  it('says what a folder holds that was made by another one, and starts nothing', async () => {
    const basePort = await freeBase();
    await makeCluster(3, basePort);
    for (const [nodes, port, words] of [
      [1, basePort, /holds a cluster of 3 \(n1, n2, n3\), not one of 1".*"say --nodes 3, /],
      [4, basePort, /holds a cluster of 3 \(n1, n2, n3\), not one of 4".*"say --nodes 3, /],
      [3, basePort + 100, /holds a cluster of 3 .*, made with another --base-port"/],
    ] as const) {
      const { code, err } = await startDev(port, nodes).ended;
      expect(err).toMatch(words);
      expect(err).toMatch(/name another --data-dir, or remove \/.*/);
      expect(code).toBe(10);
    }
    expect((await readdir(directory)).toSorted()).toEqual(['n1', 'n2', 'n3']);
    const dev = startDev(basePort, 3);
    expect((await dev.up).members).toHaveLength(3);
    dev.stop();
    await dev.ended;
  });

  it('names the port that another program uses', async () => {
    const basePort = await freeBase();
    const other = createServer().listen(basePort + 11, '127.0.0.1');
    await once(other, 'listening');
    const { code, err } = await startDev(basePort).ended;
    expect(err).toContain(`127.0.0.1:${basePort + 11} cannot be listened on`);
    expect(err).toContain('--base-port');
    expect(code).toBe(5);
    other.close();
    await once(other, 'close');
  });
});

describe('a member of a development cluster', () => {
  it('ends when its parent is killed without a chance to say so', async () => {
    const basePort = await freeBase();
    const [plan] = planMembers({ nodes: 1, dataDir: directory, basePort });
    if (plan === undefined) throw new Error('one member is planned');
    const args = JSON.stringify([fakeMember, ...startArguments(plan, [plan])]);
    // The parent of the member is a process that is killed: it stands between this one and that.
    const script = `
      const { spawn } = require('node:child_process');
      const options = { stdio: ['pipe', 'ignore', 'ignore'], detached: true };
      const child = spawn(process.execPath, ${args}, options);
      process.stdout.write(String(child.pid));
      setInterval(() => undefined, 1000);`;
    const parent = spawn(process.execPath, ['-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [pid] = (await once(parent.stdout, 'data')) as [Buffer];
    parent.kill('SIGKILL');
    while (lives(Number(pid))) await sleep(clock, 10);
  });

  it('is ended by force when it does not listen', async () => {
    const [plan] = planMembers({ nodes: 1, dataDir: directory, basePort: 20_000 });
    if (plan === undefined) throw new Error('one member is planned');
    const deaf = 'process.on("SIGTERM", () => 0); setInterval(() => 0, 1000); console.log("up")';
    const quick: Clock = {
      monotonicMs: () => clock.monotonicMs(),
      wallMs: () => clock.wallMs(),
      schedule: (_, action) => clock.schedule(50, action),
    };
    const member = new MemberProcess(plan, ['-e', deaf], quick);
    while (!(await readFile(plan.logPath, 'utf8')).includes('up')) await sleep(clock, 10);
    await member.stop();
    expect(member.exit).toEqual({ code: null, signal: 'SIGKILL' });
  });
});

describe('DevLock', () => {
  it('takes over what a process left that has ended', async () => {
    const child = spawn(process.execPath, ['-e', '']);
    await once(child, 'exit');
    const owner = { pid: child.pid, startedAt: '12345', page: 'http://x/' };
    await writeFile(join(directory, 'dev.lock'), JSON.stringify(owner));
    const lock = await DevLock.take(directory, 'http://y/');
    await expect(DevLock.take(directory, 'http://z/')).rejects.toMatchObject({
      code: 'already-exists',
    });
    await lock.release();
    await (await DevLock.take(directory, 'http://z/')).release();
  });

  it('is not fooled by another process with the same number', async () => {
    const owner = { pid: process.pid, startedAt: '1', page: 'http://x/' };
    await writeFile(join(directory, 'dev.lock'), JSON.stringify(owner));
    await (await DevLock.take(directory, 'http://y/')).release();
  });

  it('lets one of many in', async () => {
    await writeFile(join(directory, 'dev.lock'), '{}');
    const takers = Array.from({ length: 8 }, () => DevLock.take(directory, 'http://x/'));
    const results = await Promise.allSettled(takers);
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });
});
