// Real processes: SIGHUP has a member read its file anew and does not end it, an operator's word
// beats the file, and the commands for connections tell of a peer that was killed, and cost a sound
// cluster nothing.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { holdfast, ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

let folder: string;
let file: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-live-'));
  file = join(folder, 'holdfast.yaml');
});

afterEach(() => rmSync(folder, { recursive: true }));

const idleOf = async (member: ProcessMember): Promise<string> => {
  const { settings } = (await (await member.get('/v1/settings')).json()) as {
    settings: Record<string, { value: number; source: string }>;
  };
  const { value, source } = settings['connection-idle-ms'] ?? {};
  return `${value} ${source}`;
};

const termOf = async (member: ProcessMember): Promise<number> =>
  ((await (await member.get('/v1/cluster')).json()) as { term: number }).term;

async function ask(member: ProcessMember, ...args: readonly string[]) {
  const all = ['connections', ...args, '--endpoints', member.place.client, '--output', 'json'];
  const { code, out, err } = await holdfast(all);
  expect([code, err]).toEqual([0, '']);
  return JSON.parse(out);
}

describe('a running member', () => {
  it('takes its file anew at SIGHUP, and the word of an operator before it', async () => {
    writeFileSync(file, 'connection-idle-ms: 20000\n');
    await using cluster = await ProcessCluster.start(1, ['--config', file]);
    const member = cluster.members[0] as ProcessMember;
    expect(await idleOf(member)).toBe('20000 file');
    const reread = async (text: string, sign: string): Promise<void> => {
      writeFileSync(file, text);
      process.kill(member.pid, 'SIGHUP');
      const what = (): string => `${sign} in ${member.log}`;
      await until(async () => member.log.includes(sign), { timeoutMs: 10_000, what });
    };
    await reread('connection-idle-ms: 40000\nquota-bytes: 5000000\n', '"quota-bytes"');
    expect(await idleOf(member)).toBe('40000 file');
    await reread('connection-idl-ms: 1\n', 'did you mean connection-idle-ms?');
    expect(await idleOf(member)).toBe('40000 file');
    await fetch(`${member.url}/v1/settings`, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', 'holdfast-actor': 'ann' },
      body: '{"connection-idle-ms": 90000}',
    });
    expect(await idleOf(member)).toBe('90000 live');
    expect(member.log).toContain('unverified:ann');
    await reread('connection-idle-ms: 50000\n', '"beaten":["connection-idle-ms"]');
    expect(await idleOf(member)).toBe('90000 live');
    expect((await member.stop())?.code).toBe(0);
    member.start();
    await cluster.ready();
    expect(await idleOf(member)).toBe('50000 file');
  });
});

describe('the connections of three members', () => {
  it('are ended without an election, and tell of a member that was killed', async () => {
    await using cluster = await ProcessCluster.start(3);
    const leader = await cluster.leader();
    const term = await termOf(leader);
    for (const member of cluster.members) {
      const open = async (): Promise<number> =>
        (await ask(member, 'list')).connections.filter((one: { open: boolean }) => one.open).length;
      const what = (): string => `four connections of ${member.place.name}`;
      await until(async () => (await open()) === 4, { timeoutMs: 10_000, what });
      expect((await ask(member, 'clear')).evicted).toBe(4);
      expect((await member.put('/v1/kv/a', member.place.name)).status).toBe(200);
    }
    expect(await termOf(leader)).toBe(term);
    const victim = cluster.members.find((member) => member !== leader) as ProcessMember;
    const { name } = victim.place;
    const breaker = async (): Promise<{ state: string; reason: string | null }> =>
      (await ask(leader, 'breakers')).breakers.find((one: { peer: string }) => one.peer === name);
    const becomes = (state: string): Promise<void> =>
      until(async () => (await breaker()).state === state, {
        timeoutMs: 20_000,
        what: () => `the breaker of ${name} to be ${state}`,
      });
    await victim.kill();
    await becomes('open');
    expect((await breaker()).reason).toContain('nobody listens there');
    const figures = await (await leader.get('/metrics')).text();
    expect(figures).toContain('\nhealth_connections_dead_count 2\n');
    expect(figures).toContain('\nhealth_circuit_breakers_open_count 1\n');
    victim.start();
    await becomes('closed');
  });
});
