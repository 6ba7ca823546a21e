// Goal: a backup that is taken under a writer holds every write that was acknowledged up to its
// revision and none after, whatever happens to members meanwhile; and a cluster that is restored
// from it serves exactly that, and has nothing to do with the old one. Method: real processes, a
// kill in the middle of a backup, files that are damaged.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ChangingCluster } from './support/changing-cluster.ts';
import {
  holdfast,
  type MemberPlace,
  ProcessCluster,
  ProcessMember,
  placeArgs,
  until,
} from './support/process-cluster.ts';

type Written = { readonly value: string; readonly revision: number };

/** Writes keys of its own, each once, and keeps what was acknowledged at which revision. */
class NumberedWriter {
  readonly acknowledged = new Map<string, Written>();
  readonly #member: ProcessMember;
  readonly #end = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(member: ProcessMember) {
    this.#member = member;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: 8 }, (_, lane) => this.#run(lane)));
  }

  async stop(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #run(lane: number): Promise<void> {
    for (let at = 0; !this.#end.signal.aborted; at += 1) {
      const key = `w${lane}-${at}`;
      const value = `${key}-`.padEnd(10_000, 'v');
      const answer = await this.#member.put(`/v1/kv/${key}`, value);
      if (!answer.ok) throw new Error(await answer.text());
      const { revision } = (await answer.json()) as { readonly revision: number };
      this.acknowledged.set(key, { value, revision });
    }
  }
}

type Verified = {
  readonly verdict: string;
  readonly backup: { readonly revision: number; readonly stateHash: string };
};

async function verified(file: string): Promise<Verified> {
  const { out } = await holdfast(['verify', file, '--deep', '--output', 'json']);
  return JSON.parse(out) as Verified;
}

async function restoreInto(file: string, place: MemberPlace, flags: readonly string[] = []) {
  const { peer, dataDir, name } = place;
  const where = ['--data-dir', dataDir, '--name', name, '--listen-peer', peer];
  return await holdfast(['restore', file, ...where, '--output', 'json', ...flags]);
}

/** All keys of the writer that a member has, each with its value and revision. */
async function keysAt(member: ProcessMember): Promise<ReadonlyMap<string, Written>> {
  const found = new Map<string, Written>();
  let cursor = '';
  do {
    const answer = await member.get(`/v1/kv?prefix=w&limit=400${cursor}`, 10_000);
    const page = (await answer.json()) as Page;
    for (const { key, text: value, modRevision } of page.items) {
      found.set(key, { value, revision: modRevision });
    }
    cursor = page.next ? `&cursor=${encodeURIComponent(page.next)}` : '';
  } while (cursor !== '');
  return found;
}

type Page = {
  readonly items: readonly {
    readonly key: string;
    readonly text: string;
    readonly modRevision: number;
  }[];
  readonly next: string | null;
};

describe('a backup', () => {
  it('under a writer, with a kill in its middle, restored: all up to its revision, and no more', async () => {
    await using old = await ChangingCluster.start(3, ['--backup-mbps', '2']);
    const leader = await old.leader();
    const [slow, other] = old.members.filter((one) => one !== leader) as [
      ProcessMember,
      ProcessMember,
    ];
    const writer = new NumberedWriter(leader);
    writer.start();
    await until(async () => writer.acknowledged.size > 250, {
      timeoutMs: 15_000,
      what: () => `250 writes; ${writer.acknowledged.size} by now`,
    });

    // It takes more than a second at 2 MB/s: the member dies in it.
    const broken = holdfast(['backup', join(old.root, 'broken'), '--endpoints', slow.place.client]);
    await until(async () => slow.log.includes('a backup was asked for'), {
      timeoutMs: 5000,
      what: () => slow.log,
    });
    await until(async () => unfinished(old.root).length > 0, {
      timeoutMs: 5000,
      what: () => 'its bytes',
    });
    await slow.kill();
    const failed = await broken;
    expect(failed.err).toMatch(/did not come whole from .*, and no file was made/);
    expect(failed.code).not.toBe(0);
    expect(readdirSync(old.root).filter((name) => name.startsWith('broken'))).toEqual([]);

    const file = join(old.root, 'good');
    const made = await holdfast(['backup', file, '--endpoints', other.place.client]);
    expect([made.code, made.err]).toEqual([0, expect.any(String)]);
    await writer.stop();
    const { verdict, backup } = await verified(file);
    expect(verdict).toBe('sound');
    const upTo = [...writer.acknowledged].filter(([, one]) => one.revision <= backup.revision);
    expect(upTo.length).toBeGreaterThan(250);
    expect(writer.acknowledged.size).toBeGreaterThan(upTo.length);

    await using fresh = await restored(file);
    const [first] = fresh.members as [ProcessMember];
    const found = await keysAt(first);
    expect(found.size).toBeGreaterThanOrEqual(upTo.length);
    for (const [key, written] of upTo) expect(found.get(key)).toEqual(written);
    for (const { revision } of found.values())
      expect(revision).toBeLessThanOrEqual(backup.revision);
    process.stdout.write(
      `backup at revision ${backup.revision}: ${upTo.length} of ${writer.acknowledged.size} ` +
        `acknowledged writes, ${found.size} keys restored\n`,
    );
    await apart(old, fresh);
  }, 60_000);
});

describe('scheduled backups', () => {
  it('are made by one member at a time, kept as many as asked, and are whole', async () => {
    await using cluster = await ProcessCluster.layOut(3);
    const dir = join(cluster.root, 'backups');
    const flags = ['--backup-dir', dir, '--backup-interval-ms', '1000', '--backups-kept', '2'];
    for (const member of cluster.members) member.start(flags);
    await cluster.ready();
    const leader = await cluster.leader();
    await leader.put('/v1/kv/w1', 'x');
    const made = (): number =>
      cluster.members.reduce(
        (sum, { log }) => sum + log.split('a scheduled backup was made').length - 1,
        0,
      );
    // Older ones go when a newer one has been recorded; a stop may come before that.
    await until(async () => made() >= 3 && listed(dir).length === 2, {
      timeoutMs: 15_000,
      what: () => `three backups, two of them kept; made: ${made()}`,
    });
    await Promise.all(cluster.members.map((member) => member.stop()));
    const kept = listed(dir);
    expect(kept.length).toBeLessThanOrEqual(3);
    for (const name of kept) expect((await verified(join(dir, name))).verdict).toBe('sound');
  }, 60_000);
});

const listed = (directory: string): readonly string[] => {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  return names.filter((name) => name.endsWith('.backup'));
};

const unfinished = (root: string): readonly string[] =>
  readdirSync(root).filter((name) => name.endsWith('.tmp'));

/** A cluster of its own that began with the backup, and that a second machine has joined. */
async function restored(file: string): Promise<ProcessCluster> {
  const cluster = await ProcessCluster.layOut(2);
  const [one, two] = cluster.members as [ProcessMember, ProcessMember];
  const { code, out, err } = await restoreInto(file, one.place);
  expect([code, err]).toEqual([0, expect.any(String)]);
  const told = JSON.parse(out) as { stateHash: string; backup: { stateHash: string } };
  expect(told.stateHash).toBe(told.backup.stateHash);
  const members = [
    new ProcessMember(one.place, placeArgs(one.place)),
    new ProcessMember(two.place, [...placeArgs(two.place), '--join', one.place.client]),
  ];
  const joint = new (class extends ProcessCluster {
    constructor() {
      super(cluster.root, members);
    }
  })();
  members[0]?.start();
  await joint.ready();
  members[1]?.start();
  await joint.ready();
  return joint;
}

/** The two clusters know nothing of each other. */
async function apart(old: ProcessCluster, fresh: ProcessCluster): Promise<void> {
  const viewOf = async (member: ProcessMember) =>
    (await (await member.get('/v1/cluster')).json()) as {
      readonly clusterId: string;
      readonly members: readonly { readonly id: string; readonly name: string }[];
    };
  const [was, is] = [await viewOf(await old.leader()), await viewOf(await fresh.leader())];
  expect(is.clusterId).not.toBe(was.clusterId);
  expect(is.members.map(({ name }) => name).sort()).toEqual(['n1', 'n2']);
  const ids = new Set([...was.members, ...is.members].map(({ id }) => id));
  expect(ids.size).toBe(was.members.length + is.members.length);
}

describe('a backup file', () => {
  it('that is damaged, cut, newer or none is told, and never restored', async () => {
    await using cluster = await ProcessCluster.start(1);
    const [member] = cluster.members as [ProcessMember];
    for (let at = 0; at < 10; at += 1) await member.put(`/v1/kv/w${at}`, 'x'.repeat(5000));
    const file = join(cluster.root, 'good');
    await holdfast(['backup', file, '--endpoints', member.place.client]);
    const again = await holdfast(['backup', file, '--endpoints', member.place.client]);
    expect([again.code, again.err]).toEqual([4, expect.stringContaining('stands there already')]);
    const bytes = readFileSync(file);
    const flipped = Buffer.from(bytes);
    flipped[1234] = (flipped[1234] as number) ^ 0x10;
    const cases = [
      ['flipped', flipped, /it is byte 1234/],
      ['cut', bytes.subarray(0, 20_000), /it ends after 20000 bytes/],
      ['letter', Buffer.from('a letter, which is no backup of anything'), /no backup of Holdfast/],
    ] as const;
    for (const [name, content, says] of cases) {
      const path = join(cluster.root, name);
      writeFileSync(path, content);
      const { code, out, err } = await holdfast(['verify', path]);
      expect(`${out}${err}`).toMatch(says);
      expect(code).not.toBe(0);
      const place = { ...member.place, dataDir: join(cluster.root, `${name}-dir`) };
      const refused = await restoreInto(path, place);
      expect(refused.err).toMatch(says);
      expect(readdirSync(place.dataDir)).toEqual([]);
    }
    const taken = await restoreInto(file, { ...member.place, dataDir: cluster.root });
    expect(taken.err).toContain('the directory holds something already');
    const higher = { ...member.place, dataDir: join(cluster.root, 'higher') };
    const bumped = await restoreInto(file, higher, ['--bump-revision', '1000000']);
    expect(JSON.parse(bumped.out)).toMatchObject({
      revision: 1_000_011,
      compactRevision: 1_000_011,
    });
  }, 60_000);
});
