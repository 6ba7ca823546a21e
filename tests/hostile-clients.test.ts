// Clients that ask for far more than they take. Goal: a member stays awake for the others, and its
// memory stays bounded. Method: one connection that pipelines thousands of large lists and reads
// none of them, or a hundred with fifty each, and then they go; the other clients' times and the
// process' memory tell.
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { ProcessCluster, type ProcessMember } from './support/process-cluster.ts';

const mebibyte = 1024 * 1024;

describe('clients that pipeline and never read', () => {
  it('cost the others no time, and their member no memory to speak of', async () => {
    await using cluster = await ProcessCluster.start(3);
    const member = await cluster.leader();
    for (let at = 0; at < 100; at += 1) {
      const answer = await member.put(`/v1/kv/key-${at}`, new Uint8Array(20_000).fill(97));
      expect(answer.status).toBe(200);
    }
    const before = residentBytes(member);
    const hostile = neverRead(member, 20_000);
    const slowest = await slowestOf(20, () => member.put('/v1/kv/other', 'x'));
    const grown = residentBytes(member) - before;
    hostile.destroy();
    const slowestAfter = await slowestOf(20, () => member.put('/v1/kv/other', 'x'));
    process.stdout.write(
      `slowest write ${slowest} ms beside it, ${slowestAfter} ms after it; ` +
        `${Math.round(grown / mebibyte)} MiB\n`,
    );
    expect(slowest).toBeLessThan(2000);
    expect(slowestAfter).toBeLessThan(2000);
    expect(grown).toBeLessThan(300 * mebibyte);
    expect((await cluster.leader()).place.name).toBe(member.place.name);
  });

  it('cost the others no time either when they are a hundred', async () => {
    await using cluster = await ProcessCluster.start(3);
    const member = await cluster.leader();
    for (let at = 0; at < 200; at += 1) {
      const answer = await member.put(`/v1/kv/key-${at}`, new Uint8Array(20_000).fill(97));
      expect(answer.status).toBe(200);
    }
    const before = residentBytes(member);
    const hostile = Array.from({ length: 100 }, () => neverRead(member, 50));
    const slowest = await slowestOf(200, () => member.put('/v1/kv/other', 'x'));
    const grown = residentBytes(member) - before;
    const list = await member.get('/v1/kv?limit=1000', 10_000);
    const page = (await list.json()) as { readonly items: readonly unknown[] };
    for (const one of hostile) one.destroy();
    process.stdout.write(
      `slowest write ${slowest} ms beside a hundred; ${Math.round(grown / mebibyte)} MiB\n`,
    );
    expect(page.items.length).toBe(201);
    expect(slowest).toBeLessThan(2000);
    expect(grown).toBeLessThan(300 * mebibyte);
    expect((await cluster.leader()).place.name).toBe(member.place.name);
  });
});

function neverRead(member: ProcessMember, lists: number): Socket {
  const [host, port] = member.place.client.split(':') as [string, string];
  const hostile = connect(Number(port), host);
  hostile.on('error', () => undefined); // It may be cut off: that is the member's right.
  hostile.pause();
  hostile.write('GET /v1/kv?limit=1000 HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(lists));
  return hostile;
}

async function slowestOf(count: number, call: () => Promise<Response>): Promise<number> {
  let slowest = 0;
  for (let at = 0; at < count; at += 1) {
    const startMs = performance.now();
    expect((await call()).status).toBe(200);
    slowest = Math.max(slowest, performance.now() - startMs);
  }
  return Math.round(slowest);
}

const residentBytes = (member: ProcessMember): number => {
  const status = readFileSync(`/proc/${member.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
};
