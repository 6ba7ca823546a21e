// Machines come and go while the cluster serves (field U-8). Goal: nothing that was acknowledged is
// lost, no write waits for more than two seconds, whoever is removed ends by itself and says so,
// and what would cost the majority is refused. Method: real processes, one replaced after the other
// under a writer, with a kill in between.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ChangingCluster, change, rowsAt } from './support/changing-cluster.ts';
import { holdfastBin, ProcessMember, placeArgs, until } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';
import { repetitions } from './support/repetitions.ts';

const replacements = repetitions(3);
/** Without an acknowledged write. */
const gapMsMax = 2000;

describe('machines that come and go', () => {
  it(
    'one after another, with a kill in between: nothing is lost, and no write waits for 2 s',
    async () => {
      await using cluster = await ChangingCluster.start(3);
      const writer = new Writer(cluster);
      writer.start();
      for (let round = 1; round <= replacements; round += 1) {
        await replaceOne(cluster, `m${round}`);
      }
      const longestMs = await writer.stop();
      process.stdout.write(
        `${replacements} machines replaced, ${writer.recorder.acknowledged.size} writes ` +
          `acknowledged, the longest time without one ${Math.round(longestMs)} ms\n`,
      );
      await cluster.ready();
      for (const member of cluster.running) {
        for (const [key, value] of writer.recorder.acknowledged) {
          expect(await (await member.get(`/v1/kv/${key}`)).text()).toBe(value);
        }
      }
      expect(longestMs).toBeLessThan(gapMsMax);
    },
    60_000 + replacements * 30_000,
  );
});

describe('a machine', () => {
  it('that joined needs no flag for it later, and its name and address are its own', async () => {
    await using cluster = await ChangingCluster.start(3);
    const [via] = cluster.running as [ProcessMember];
    const joined = await cluster.join('m1', via);
    await untilVoting(cluster, joined);
    await joined.stop();
    const again = new ProcessMember(joined.place, placeArgs(joined.place));
    again.start();
    await untilVoting(cluster, again);

    const place = await cluster.place('twin');
    const sameAddress = ['--advertise-peer', joined.place.peer];
    const refusals = [
      [{ ...place, name: 'n2' }, [], /there is a member named n2 .* choose another --name/],
      [place, sameAddress, /m1 is at .* each member has a peer address/],
    ] as const;
    for (const [as, flags, words] of refusals) {
      const join = ['--join', via.place.client];
      const twin = new ProcessMember(as, [...placeArgs(as), ...join, ...flags]);
      twin.start();
      expect((await twin.exited()).code).toBe(4);
      expect(twin.log).toMatch(words);
    }
    await again.stop();
  });

  it('that joins goes through a log that is longer than what is sent at once', async () => {
    await using cluster = await ChangingCluster.start(3);
    const via = cluster.running[0] as ProcessMember;
    const value = 'x'.repeat(20_000);
    for (let at = 0; at < 120; at += 1) {
      expect((await via.put(`/v1/kv/long-${at}`, value)).status).toBe(200);
    }
    const joined = await cluster.join('m1', via);
    await until(() => joined.isReady(), {
      timeoutMs: 15_000,
      what: () => `m1 to serve\n${cluster.logs()}`,
    });
    expect(await (await joined.get('/v1/kv/long-119?consistency=stale')).text()).toBe(value);
  });

  it('that has moved is found by the others, by its own word', async () => {
    await using cluster = await ChangingCluster.start(3);
    const leader = await cluster.leader();
    const [moving, other] = cluster.running.filter((one) => one !== leader) as [
      ProcessMember,
      ProcessMember,
    ];
    await moving.stop();
    const { client, peer } = await cluster.place('elsewhere');
    const place = { ...moving.place, client, peer };
    const moved = new ProcessMember(place, placeArgs(place));
    moved.start();
    await until(() => moved.isReady(), {
      timeoutMs: 20_000,
      what: () => `${moved.place.name} to serve at its new address\n${cluster.logs()}`,
    });
    expect(moved.log).toContain('this member has moved');
    // It counts: without the third one, writes need it.
    await other.stop();
    expect((await leader.put('/v1/kv/moved', 'yes')).status).toBe(200);
    const rows = await rowsAt(leader);
    expect(rows.find(({ name }) => name === place.name)?.peerAddresses).toEqual([peer]);
    await moved.kill();
  });

  it('that was removed stays out, and joins again with an empty directory', async () => {
    await using cluster = await ChangingCluster.start(3);
    const [, via] = cluster.running as [ProcessMember, ProcessMember];
    const gone = await cluster.join('m1', via);
    await untilVoting(cluster, gone);
    await gone.stop();
    expect(await change(via, { remove: ['m1'] })).toMatchObject({ status: 200 });
    expect(await change(via, { remove: ['m1'] })).toMatchObject({ status: 200 });
    gone.start();
    expect((await gone.exited()).code).toBe(10);
    expect(gone.log).toContain('may join again with an empty one');
    rmSync(gone.place.dataDir, { recursive: true });
    gone.start();
    await untilVoting(cluster, gone);
  });

  it('is not removed where that costs the majority, and names who is missing', async () => {
    await using cluster = await ChangingCluster.start(3);
    const leader = await cluster.leader();
    const [dead, other] = cluster.running.filter((one) => one !== leader) as [
      ProcessMember,
      ProcessMember,
    ];
    await dead.kill();
    await delay(2000); // An election timeout, after which the leader counts it as missing.
    const refused = await change(leader, { remove: [other.place.name] });
    expect(refused).toMatchObject({ status: 412, code: 'failed-precondition' });
    expect(refused.detail).toContain(`${dead.place.name} does not`);
    expect(await change(leader, { remove: [dead.place.name] })).toMatchObject({ status: 200 });
    const recorder = new Recorder();
    await recorder.write(other, 'after', 'all');
    expect(recorder.acknowledged.get('after')).toBe('all');
  });
});

describe('an observer', () => {
  it('gets all data, and never counts: all dead, writes go on; all alone, none do', async () => {
    await using cluster = await ChangingCluster.start(1);
    const [voter] = cluster.running as [ProcessMember];
    const observers = [
      await cluster.join('o1', voter, ['--observer']),
      await cluster.join('o2', voter, ['--observer']),
    ];
    await cluster.ready();
    const roles = (await rowsAt(voter)).map(({ name, role }) => `${name} ${role}`);
    expect(roles.sort()).toEqual(['n1 leader', 'o1 observer', 'o2 observer']);
    await Promise.all(observers.map((one) => one.kill()));
    expect((await voter.put('/v1/kv/without', 'them')).status).toBe(200);
    await until(
      async () =>
        (await rowsAt(voter)).every(({ name, reachable }) => reachable === (name === 'n1')),
      { timeoutMs: 10_000, what: () => `n1 to miss both\n${cluster.logs()}` },
    );
    for (const one of observers) one.start();
    await cluster.ready();
    await voter.kill();
    for (const one of observers) {
      const answer = await one.get('/v1/kv/without?consistency=stale');
      expect(await answer.text()).toBe('them');
      expect((await one.put('/v1/kv/by', 'themselves')).ok).toBe(false);
      const row = (await rowsAt(one)).find(({ name }) => name === one.place.name);
      expect(row?.role).toBe('observer');
    }
  });
});

it('the command line replaces a machine in one step, and hands leadership on', async () => {
  await using cluster = await ChangingCluster.start(3);
  const via = cluster.running[0] as ProcessMember;
  const next = await cluster.join('m1', via, ['--observer']);
  await cluster.ready();
  await until(async () => (await rowsAt(via)).some(({ name }) => name === 'm1'), {
    timeoutMs: 10_000,
    what: () => `m1 to be an observer\n${cluster.logs()}`,
  });
  const holdfast = (...args: readonly string[]) => run(['member', ...args], next);
  const short = await holdfast('replace', 'n3', 'n2');
  expect(short.code).not.toBe(0);
  expect(await holdfast('replace', 'n3', 'm1')).toEqual({ code: 0, says: 'Voters: m1, n1, n2.\n' });
  // Said once more, it finds done what was done.
  expect(await holdfast('replace', 'n3', 'm1')).toEqual({ code: 0, says: 'Voters: m1, n1, n2.\n' });
  const leader = (await cluster.leader()).place.name;
  const other = leader === 'n1' ? 'n2' : 'n1';
  expect(await holdfast('transfer', other)).toEqual({ code: 0, says: `${other} leads now.\n` });
  expect(await holdfast('demote', 'm1')).toMatchObject({
    says: 'Voters: n1, n2. Observers: m1.\n',
  });
  expect(await holdfast('promote', 'm1')).toMatchObject({ says: 'Voters: m1, n1, n2.\n' });
  expect(await holdfast('remove', 'nobody')).toMatchObject({ code: 3 });
  const { says } = await holdfast('add', 'm2', '10.0.0.9');
  expect(says).toContain('--listen-peer 10.0.0.9:4654');
  expect(says).toMatch(/--join 127\.0\.0\.1:\d+/);
});

async function run(args: readonly string[], member: ProcessMember) {
  const command = [holdfastBin, ...args, '--endpoints', member.place.client];
  const child = spawn(process.execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  let says = '';
  child.stdout.on('data', (bytes: Buffer) => {
    says += bytes.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  return { code, says: sortedNames(says) };
}

/** Members are listed by their ids, which are other ones each time. */
const sortedNames = (text: string): string =>
  text.replace(/: ([\w, ]+)\./g, (_, names: string) => `: ${names.split(', ').sort().join(', ')}.`);

/** A new machine comes, another one is killed and comes back, and the leader goes for good. */
async function replaceOne(cluster: ChangingCluster, name: string): Promise<void> {
  const via = cluster.running[0] as ProcessMember;
  const next = await cluster.join(name, via);
  await untilVoting(cluster, next);
  const leader = await cluster.leader();
  const killed = cluster.running.find((one) => one !== leader && one !== next) as ProcessMember;
  await killed.kill();
  killed.start();
  await cluster.ready();
  const old = (await cluster.leader()) === next ? killed : await cluster.leader();
  const answer = await change(next, { remove: [old.place.name] });
  expect(answer).toMatchObject({ status: 200 });
  await old.exited();
  expect(old.log).toContain('was removed from the cluster');
  const rows = await rowsAt(next);
  expect(rows.map((row) => row.name)).not.toContain(old.place.name);
}

async function untilVoting(cluster: ChangingCluster, member: ProcessMember): Promise<void> {
  await until(
    async () => {
      if (!(await member.isReady())) return false;
      const row = (await rowsAt(member)).find(({ name }) => name === member.place.name);
      return row !== undefined && row.role !== 'observer';
    },
    { timeoutMs: 30_000, what: () => `${member.place.name} to vote\n${cluster.logs()}` },
  );
}

/** Writes through whoever runs, one after another, and notes how long none got through. */
class Writer {
  readonly recorder = new Recorder();
  readonly #cluster: ChangingCluster;
  #isOver = false;
  #done: Promise<void> = Promise.resolve();
  #longestMs = 0;

  constructor(cluster: ChangingCluster) {
    this.#cluster = cluster;
  }

  start(): void {
    this.#done = this.#write();
  }

  async stop(): Promise<number> {
    this.#isOver = true;
    await this.#done;
    return this.#longestMs;
  }

  async #write(): Promise<void> {
    let lastMs = performance.now();
    for (let at = 0; !this.#isOver; at += 1) {
      const { running } = this.#cluster;
      const before = this.recorder.acknowledged.size;
      const member = running[at % running.length] as ProcessMember;
      await this.recorder.write(member, `key-${at}`, `value ${at}`);
      if (this.recorder.acknowledged.size > before) {
        this.#longestMs = Math.max(this.#longestMs, performance.now() - lastMs);
        lastMs = performance.now();
      }
      await delay(5);
    }
  }
}
