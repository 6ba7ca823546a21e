// Goal: a bit that turns in the memory of one member, the leader's or a follower's, is found by
// comparison, the member is named and answers nothing from then on, and it is healthy again without
// a hand, while the cluster serves a writer and readers throughout (B-19, D-20). Method: three real
// processes with the test hook; readers ask every member for the spoiled key all the time, by the
// weakest consistency.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { expectConverged } from './support/converged.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';

const flags = ['--integrity-interval-ms', '1000'];
const spoiled = 'spoiled-key';
const value = 'a value that nobody writes again';

type View = {
  readonly quarantine: { readonly checkIndex: number } | null;
  readonly checks: number;
};

const viewOf = async (member: ProcessMember): Promise<View> =>
  (await (await member.get('/v1/integrity')).json()) as View;

async function started(): Promise<ProcessCluster> {
  process.env['UNSAFE_HOLDFAST_TEST_FLIP_MEMORY'] = '1';
  try {
    return await ProcessCluster.start(3, flags);
  } finally {
    delete process.env['UNSAFE_HOLDFAST_TEST_FLIP_MEMORY'];
  }
}

async function flip(member: ProcessMember): Promise<void> {
  const answer = await fetch(`${member.url}/v1/test/flip-memory`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ keyspace: 1, key: spoiled, bit: 21 }),
  });
  expect(await answer.json()).toEqual({ flipped: true });
}

type Reading = { readonly startedMs: number; readonly member: string; readonly text: string };

/** Readers of each member; what each was answered, and when it had asked. */
class Readers {
  readonly answered: Reading[] = [];
  refused = 0;
  readonly #controller = new AbortController();
  readonly #running: readonly Promise<void>[];

  constructor(cluster: ProcessCluster) {
    this.#running = cluster.members.map((member) => this.#read(member));
  }

  async stop(): Promise<void> {
    this.#controller.abort();
    await Promise.all(this.#running);
  }

  async #read(member: ProcessMember): Promise<void> {
    while (!this.#controller.signal.aborted) {
      const startedMs = performance.now();
      const answer = await member.get(`/v1/kv/${spoiled}?consistency=stale`);
      const text = await answer.text();
      if (answer.ok) this.answered.push({ startedMs, member: member.place.name, text });
      else this.refused += 1;
      await delay(2);
    }
  }
}

/** Writes through whoever serves; the longest time without an acknowledgement. */
class Writer {
  readonly recorder = new Recorder();
  longestMs = 0;
  readonly #controller = new AbortController();
  readonly #running: Promise<void>;

  constructor(cluster: ProcessCluster) {
    this.#running = this.#write(cluster);
  }

  async stop(): Promise<void> {
    this.#controller.abort();
    await this.#running;
  }

  async #write(cluster: ProcessCluster): Promise<void> {
    let lastMs = performance.now();
    for (let at = 0; !this.#controller.signal.aborted; at += 1) {
      const member = cluster.members[at % cluster.members.length] as ProcessMember;
      const before = this.recorder.acknowledged.size;
      await this.recorder.write(member, `w${at}`, `value ${at}`);
      if (this.recorder.acknowledged.size === before) continue;
      const nowMs = performance.now();
      this.longestMs = Math.max(this.longestMs, nowMs - lastMs);
      lastMs = nowMs;
    }
  }
}

describe('a bit that turns in memory', () => {
  it('of a follower and of the leader is named, served to nobody from then on, and mended', {
    timeout: 60_000,
  }, async () => {
    await using cluster = await started();
    const leader = await cluster.leader();
    expect((await leader.put(`/v1/kv/${spoiled}`, value)).ok).toBe(true);
    await until(async () => (await viewOf(leader)).checks > 0, {
      timeoutMs: 15_000,
      what: () => `a first comparison; logs:\n${cluster.logs()}`,
    });
    const writer = new Writer(cluster);
    const readers = new Readers(cluster);
    const figures: string[] = [];
    for (const who of ['follower', 'leader'] as const) {
      const leads = await cluster.leader();
      const victim =
        who === 'leader' ? leads : (cluster.members.find((one) => one !== leads) as ProcessMember);
      figures.push(`${who}: ${await mended(cluster, victim, readers)}`);
    }
    await writer.stop();
    await readers.stop();
    const { acknowledged } = writer.recorder;
    expect(acknowledged.size).toBeGreaterThan(10);
    expect(readers.refused, 'a member in quarantine refuses').toBeGreaterThan(0);
    process.stdout.write(
      `flipped bits: ${figures.join('; ')}; ${acknowledged.size} writes, longest time without ` +
        `one ${writer.longestMs.toFixed(0)} ms; ${readers.answered.length} reads\n`,
    );
    await expectConverged(cluster, acknowledged);
    const named = cluster.members.map(({ log }) => log.match(/not that of a majority/g)?.length);
    expect(named, 'each of both is named by all three, and nobody else').toEqual([2, 2, 2]);
  });
});

async function mended(
  cluster: ProcessCluster,
  victim: ProcessMember,
  readers: Readers,
): Promise<string> {
  const { name } = victim.place;
  await flip(victim);
  const flippedMs = performance.now();
  const isFlipped = ({ member, text }: Reading): boolean => member === name && text !== value;
  await until(async () => (await viewOf(victim)).quarantine !== null, {
    timeoutMs: 15_000,
    everyMs: 5,
    what: () => `${name} to be named; logs:\n${cluster.logs(30)}`,
  });
  const namedMs = performance.now();
  // A leader that hands over for that may first say that nobody leads.
  await until(
    async () => {
      const ready = await victim.get('/readyz');
      return ready.status === 200 || /quarantine/.test(await ready.text());
    },
    { timeoutMs: 5000, what: () => `quarantined, or mended; logs:\n${cluster.logs()}` },
  );
  const others = cluster.members.filter((one) => one !== victim);
  await until(async () => (await cluster.leader(5000, others)) !== victim, {
    timeoutMs: 5000,
    what: () => `another leader; logs:\n${cluster.logs(30)}`,
  });
  await until(async () => (await victim.isReady()) && !(await viewOf(victim)).quarantine, {
    timeoutMs: 15_000,
    everyMs: 10,
    what: () => `${name} to be healthy; logs:\n${cluster.logs(30)}`,
  });
  const healthyMs = performance.now();
  expect(await (await victim.get(`/v1/kv/${spoiled}?consistency=stale`)).text()).toBe(value);
  const seen = readers.answered.filter((one) => one.startedMs > flippedMs && isFlipped(one));
  expect(seen.length, 'before it was named the turned bit could be read').toBeGreaterThan(0);
  expect(seen.filter(({ startedMs }) => startedMs > namedMs)).toEqual([]);
  const elsewhere = readers.answered.filter(
    ({ member, text }) => member !== name && text !== value,
  );
  const sound = elsewhere.filter(({ startedMs }) => startedMs > flippedMs);
  expect(sound, 'sound members answer what was written').toEqual([]);
  const ms = (to: number): string => `${(to - flippedMs).toFixed(0)} ms`;
  return `named after ${ms(namedMs)}, healthy after ${ms(healthyMs)}`;
}
