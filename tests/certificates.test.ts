// Members and clients under mutual TLS. Goal: whoever has no certificate that will do is turned
// away, and both sides are told why; certificates, authorities included, are replaced under a
// writer without a failed write. Method: real processes, whose files are replaced as an operator
// does.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { SystemClock } from '@holdfast/base/system-clock';
import { FrameConnection, noOptions } from '@holdfast/client/frame-connection';
import { putRequest } from '@holdfast/domain/requests';
import { makeAuthority } from '@holdfast/transport/certificate-maker';
import { type TlsMaterial, TlsNetwork } from '@holdfast/transport/tls-link';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  askByTls,
  CertificateFolder,
  CertifiedCluster,
  clientOf,
  memberOf,
  now,
  validFor,
} from './support/certified-cluster.ts';
import {
  freePorts,
  holdfast,
  type MemberPlace,
  ProcessMember,
  placeArgs,
  until,
} from './support/process-cluster.ts';

let cluster: CertifiedCluster;
const extras: ProcessMember[] = [];

beforeAll(async () => {
  cluster = await CertifiedCluster.started(3);
});

afterAll(async () => {
  await Promise.all(extras.filter(({ isRunning }) => isRunning).map((one) => one.kill()));
  await cluster?.[Symbol.asyncDispose]();
});

const inLog = (member: ProcessMember, sign: RegExp): Promise<void> =>
  until(async () => sign.test(member.log), {
    timeoutMs: 15_000,
    what: () => `${sign} in ${member.log.split('\n').slice(-30).join('\n')}`,
  });

const first = (): ProcessMember => cluster.members[0] as ProcessMember;

/** A process that claims to be n3 of this cluster, whose own process is stopped. */
async function impostor(flags: readonly string[]): Promise<ProcessMember> {
  const { peer } = (cluster.members[2] as ProcessMember).place;
  const initial = cluster.members.map(({ place: one }) => `${one.name}=${one.peer}`).join(',');
  return await startBeside({ name: 'n3', peer }, ['--initial-cluster', initial, ...flags]);
}

/** Another process, in an empty directory; ended with the cluster. */
async function startBeside(
  who: Pick<MemberPlace, 'name' | 'peer'>,
  flags: readonly string[],
): Promise<ProcessMember> {
  const [client] = await freePorts(1);
  const dataDir = join(cluster.root, `beside-${extras.length}`, 'data');
  const place = { ...who, client: `127.0.0.1:${client}`, dataDir };
  new CertificateFolder(dataDir);
  const member = new ProcessMember(place, [...placeArgs(place), ...flags]);
  extras.push(member);
  member.start();
  return member;
}

/** The flags of a command that asks the first member, as ann. */
function operator(): readonly string[] {
  const folder = new CertificateFolder(join(cluster.root, 'operator-now'));
  folder.put({ ...cluster.shown });
  return ['--endpoints', `https://${first().place.client}`, ...folder.clientFlags];
}

describe('a client', () => {
  const refusedWith = async (tls: Parameters<typeof askByTls>[2]): Promise<string> => {
    const { status, text } = await askByTls(first().place.client, '/v1/kv/a', tls);
    return `${status} ${(JSON.parse(text) as { detail: string }).detail}`;
  };

  it('is let in by its certificate, and told why it is not', async () => {
    const { authority } = cluster;
    const ca = authority.cert;
    const strange = await makeAuthority({ name: 'Strange CA', ...now });
    const file = new CertificateFolder(join(cluster.root, 'ann'));
    file.put({ ...cluster.shown });
    const endpoints = ['--endpoints', `https://${first().place.client}`];
    const ask = (...args: readonly string[]) => holdfast([...args, ...endpoints]);
    const put = await ask(
      'config',
      'publish',
      'a.txt',
      join(file.path, 'ca.crt'),
      ...file.clientFlags,
    );
    expect([put.code, put.err]).toEqual([0, '']);
    const history = await ask('config', 'history', 'a.txt', ...file.clientFlags);
    expect(history.out).toContain('certificate:ann');

    expect(await refusedWith({ ca })).toMatch(/^401 .*no certificate was shown/);
    expect(await refusedWith({ ca, ...(await clientOf(strange, 'eve')) })).toMatch(
      /^401 .*"CN=eve" \(issued by "CN=Strange CA"\) is of an authority that is not trusted here/,
    );
    const old = await clientOf(authority, 'bob', validFor(-3, -2));
    expect(await refusedWith({ ca, ...old })).toMatch(/^401 .*"CN=bob".* has expired on /);
    const early = await clientOf(authority, 'tom', validFor(2, 3));
    expect(await refusedWith({ ca, ...early })).toMatch(/^401 .*"CN=tom".* not valid before /);
    await inLog(first(), /turned away at the client port/);
    expect(first().log).toMatch(/CN=eve/);
  });

  it('speaks frames on the same port, by its certificate', async () => {
    const { authority, shown } = cluster;
    const parts = { clock: new SystemClock(), address: first().place.client, timeoutMs: 5000 };
    const opened = (material: TlsMaterial) =>
      FrameConnection.open({ ...parts, network: new TlsNetwork(() => material), actor: 'bob' });
    const connection = await opened(shown);
    const put = putRequest({ keyspace: 0, key: Buffer.from('by-frames') }, Buffer.from('yes'));
    await connection.call({ ...noOptions, request: { $case: 'put', value: put } });
    const { status, text } = await askByTls(first().place.client, '/v1/kv/by-frames', shown);
    expect([status, text]).toEqual([200, 'yes']);
    connection.close();
    const strange = await makeAuthority({ name: 'Strange CA', ...now });
    const eve = { ...(await clientOf(strange, 'eve')), ca: authority.cert };
    await expect(opened(eve)).rejects.toMatchObject({
      code: 'unauthenticated',
      message: expect.stringContaining('"CN=eve"'),
    });
  });

  it('takes a backup', async () => {
    const file = join(cluster.root, 'tls.backup');
    const made = await holdfast(['backup', file, ...operator()]);
    expect([made.code, made.err]).toEqual([0, expect.not.stringContaining('error')]);
    expect((await holdfast(['verify', file, '--deep'])).out).toContain('Sound.');
  });

  it('reads a sentence where it speaks without TLS, or trusts another authority', async () => {
    const clear = await fetch(`http://${first().place.client}/v1/kv/a`);
    expect(await clear.text()).toContain('this port speaks TLS: write https://');
    await inLog(first(), /it spoke without TLS/);
    const endpoints = ['--endpoints', `https://${first().place.client}`];
    const { code, err } = await holdfast(['kv', 'get', 'a', ...endpoints]);
    expect(code).toBe(5);
    expect(err).toMatch(/certificate is of an authority that is not trusted/);
    expect(err).toMatch(/--ca/);
  });
});

describe('a member', () => {
  it("is taken for one by a member's certificate with its name alone", async () => {
    const { authority } = cluster;
    const third = cluster.members[2] as ProcessMember;
    await third.stop();
    const sees = async (member: ProcessMember, sign: RegExp, theirs: RegExp): Promise<void> => {
      await inLog(first(), sign);
      await inLog(member, theirs);
      await member.kill();
    };
    await sees(await impostor([]), /TLS was not spoken/, /refused by the peer: TLS was not spoken/);
    const folder = new CertificateFolder(join(cluster.root, 'impostor-tls'));
    const ca = authority.cert;
    const strange = await makeAuthority({ name: 'Strange CA', ...now });
    const expired = await memberOf(authority, 'n3', validFor(-3, -2));
    folder.put({ ...expired, ca });
    const flags = folder.memberFlags.slice(0, 6);
    await sees(await impostor(flags), /CN=n3.* has expired on /, /refused by the peer: .*expired/);
    folder.put({ ...(await memberOf(strange, 'n3')), ca });
    await sees(
      await impostor(flags),
      /CN=n3.*issued by.*CN=Strange CA.* is of an authority that is not trusted/,
      /refused by the peer: .*not trusted here/,
    );
    folder.put({ ...(await clientOf(authority, 'n3')), ca });
    const client = await impostor(flags);
    expect((await client.exited()).code).toBe(4);
    expect(client.log).toMatch(/tls-peer-cert .*CN=n3.* names nobody, and this member is n3/);
    third.start();
    await cluster.ready();
  });
});

describe('a machine that joins', () => {
  const joining = async (flags: readonly string[]): Promise<ProcessMember> => {
    const [peer] = await freePorts(1);
    const who = { name: 'm1', peer: `127.0.0.1:${peer}` };
    return await startBeside(who, ['--join', first().place.client, ...flags]);
  };
  const rows = async (): Promise<readonly { name: string; role: string }[]> => {
    const { out } = await holdfast(['member', 'list', '--output', 'json', ...operator()]);
    return JSON.parse(out) as { name: string; role: string }[];
  };
  const namesNow = async (): Promise<readonly string[]> =>
    (await rows()).map(({ name }) => name).sort();

  it('is not taken in where the members would not speak with it', async () => {
    const { authority } = cluster;
    const folder = new CertificateFolder(join(cluster.root, 'joiner'));
    folder.put({ ...(await memberOf(authority, 'm1')), ca: authority.cert });
    const [peerFlags, clientFlags] = [folder.memberFlags.slice(0, 6), folder.memberFlags.slice(6)];
    const strange = new CertificateFolder(join(cluster.root, 'joiner-strange'));
    const stranger = await makeAuthority({ name: 'Strange CA', ...now });
    strange.put({ ...(await memberOf(stranger, 'm1')), ca: authority.cert });
    const refusals = [
      [peerFlags, /speak TLS with clients, and .* is asked in clear text: start this machine with/],
      [clientFlags, /not taken in .*n\d \(.*TLS was not spoken/],
      [
        [...strange.memberFlags.slice(0, 6), ...clientFlags],
        /not taken in .*CN=Strange CA.* is of an authority that is not trusted here/,
      ],
    ] as const;
    for (const [flags, words] of refusals) {
      const member = await joining(flags);
      expect((await member.exited()).code).not.toBe(0);
      expect(member.log).toMatch(words);
    }
    expect(await namesNow()).toEqual(['n1', 'n2', 'n3']);
  });

  it('is taken in by its certificates, and let go again', async () => {
    const folder = new CertificateFolder(join(cluster.root, 'joiner'));
    const said = await holdfast(['member', 'add', 'm1', '127.0.0.1', ...operator()]);
    expect(said.out).toContain('holdfast certs issue --member m1=127.0.0.1');
    const member = await joining(folder.memberFlags);
    const roleNow = async () => (await rows()).find(({ name }) => name === 'm1')?.role ?? '';
    await until(async () => ['follower', 'leader'].includes(await roleNow()), {
      timeoutMs: 20_000,
      what: () => `m1 to vote\n${member.log}`,
    });
    const removed = await holdfast(['member', 'remove', 'm1', ...operator()]);
    expect([removed.code, removed.err]).toEqual([0, '']);
    await member.exited();
    expect(await namesNow()).toEqual(['n1', 'n2', 'n3']);
  });
});

/** Writes one after another, for as long as it is let. */
class Writer {
  readonly written = new Map<string, string>();
  readonly failures: string[] = [];
  count = 0;
  #isOver = false;
  #running: Promise<void> | undefined;

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#running;
  }

  async #run(): Promise<void> {
    await using client = cluster.newClient();
    for (let at = 0; !this.#isOver; at += 1) {
      const [key, value] = [`key-${at % 100}`, `value-${at}`];
      try {
        await client.kv.put(key, Buffer.from(value));
        this.written.set(key, value);
        this.count += 1;
      } catch (error) {
        this.failures.push(String(error));
      }
    }
  }
}

describe('the dashboard for Grafana', () => {
  it('names figures that a member shows', async () => {
    const path = new URL('../deploy/grafana/holdfast.json', import.meta.url);
    const named = new Set(
      [
        ...readFileSync(path, 'utf8').matchAll(/\b(?:holdfast|health|process|nodejs)_[a-z0-9_]+/g),
      ].map(([name]) =>
        name.replace(/_(?:bucket|count)$/, (end) => (end === '_bucket' ? '' : end)),
      ),
    );
    const { text } = await askByTls(first().place.client, '/metrics', cluster.shown);
    const shown = new Set([...text.matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name));
    const isShown = (name: string): boolean =>
      shown.has(name) || shown.has(name.replace(/_count$/, ''));
    expect(named.size).toBeGreaterThan(20);
    expect([...named].filter((name) => !isShown(name))).toEqual([]);
  });
});

describe('certificates that are replaced', () => {
  const files = (): CertificateFolder => {
    const folder = new CertificateFolder(join(cluster.root, 'operator'));
    folder.put({ ...cluster.shown });
    return folder;
  };
  const taken = (member: ProcessMember): number =>
    member.log.split('new certificates are used').length - 1;

  /** Both ports of all members have taken what `change` has written; then all peers dial anew. */
  async function everywhere(change: (name: string) => Promise<void>, isTold: boolean) {
    const before = new Map(cluster.members.map((member) => [member, taken(member)]));
    for (const member of cluster.members) {
      await change(member.place.name);
      if (isTold) process.kill(member.pid, 'SIGHUP');
    }
    for (const member of cluster.members) {
      const what = (): string => `new certificates at ${member.place.name}: ${member.log}`;
      const wanted = (before.get(member) ?? 0) + 2;
      await until(async () => taken(member) >= wanted, { timeoutMs: 15_000, what });
    }
    for (const { place } of cluster.members) {
      await using operator = cluster.newClient([place.client]);
      expect((await operator.connections.clear()).evicted).toBeGreaterThan(0);
    }
  }

  it('cost no write, authorities included', async () => {
    const writer = new Writer();
    writer.start();
    const old = cluster.authority;
    const next = await makeAuthority({ name: 'Second CA', ...now });
    const both = `${old.cert}${next.cert}`;
    await everywhere(async (name) => cluster.folder(name).put({ ca: both }), true);
    cluster.shown = { ...cluster.shown, ca: both };
    // Nobody says a word: the files are looked at.
    await everywhere(async (name) => cluster.folder(name).put(await memberOf(next, name)), false);
    const before = cluster.shown;
    cluster.shown = { ...(await clientOf(next, 'ann')), ca: next.cert };
    await everywhere(async (name) => cluster.folder(name).put({ ca: next.cert }), true);
    cluster.authority = next;
    await writer.stop();
    process.stdout.write(`all certificates replaced under ${writer.count} writes, none failed\n`);
    expect(writer.failures).toEqual([]);
    expect(writer.count).toBeGreaterThan(100);
    await using client = cluster.newClient();
    for (const [key, value] of writer.written) {
      expect(Buffer.from((await client.kv.get(key))?.value ?? []).toString()).toBe(value);
    }
    const former = await askByTls(first().place.client, '/v1/kv/key-1', { ...before });
    expect(former.status).toBe(401);
    expect(former.text).toContain('is of an authority that is not trusted here');
  });

  it('are refused while they are half of a pair, and told of before they expire', async () => {
    const figure = async (name: string): Promise<number> => {
      const { text } = await askByTls(first().place.client, '/metrics', cluster.shown);
      return Number(new RegExp(`^holdfast_${name} (\\S+)$`, 'm').exec(text)?.[1]);
    };
    const refused = (): Promise<number> => figure('certificate_files_refused\\{port="peer"\\}');
    const short = await memberOf(cluster.authority, 'n1', validFor(-1, 5));
    const folder = cluster.folder('n1');
    const told = (): boolean => process.kill(first().pid, 'SIGHUP');
    folder.put({ cert: short.cert });
    told();
    await inLog(
      first(),
      /is not the key of .*: they are of two pairs; the certificate in use stays/,
    );
    expect(await refused()).toBe(1);
    folder.put({ key: short.key });
    told();
    await inLog(
      first(),
      /the certificate of the peer port, .*CN=n1.*, expires in 4 days .*no restart/,
    );
    expect(await refused()).toBe(0);
    const left = await figure('certificate_expires_seconds\\{port="peer",kind="own",.*\\}');
    expect(left).toBeGreaterThan(4 * 86_400);
    expect(left).toBeLessThanOrEqual(5 * 86_400);
    const other = (cluster.members[1] as ProcessMember).place.client;
    const args = ['--endpoints', other, ...files().clientFlags, '--output', 'json'];
    const { code, out } = await holdfast(['diagnose', ...args]);
    expect(code).toBe(1);
    const { findings } = JSON.parse(out) as { findings: { case: string; members: string[] }[] };
    const cases = findings.filter((one) => one.case === 'certificate-expires');
    expect(cases.map(({ members }) => members)).toEqual([['n1'], ['n1']]);
  });
});
