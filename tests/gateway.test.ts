// The JSON gateway of etcd on real processes, as people use it with curl. Goal: programs written
// for etcd's /v3 run unchanged against any member, while machines fail and clients misbehave.
// Method: three members, plain HTTP.
import { describe, expect, it } from 'vitest';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

type Answer = { readonly status: number; readonly body: Record<string, unknown> };

async function post(member: ProcessMember, path: string, body: unknown): Promise<Answer> {
  const answer = await fetch(`${member.url}${path}`, {
    method: 'POST',
    body: JSON.stringify(body),
    // As curl says it in etcd's own examples, and nobody minds.
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    signal: AbortSignal.timeout(10_000),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

describe('the JSON gateway', () => {
  it('reads and writes through any member, and tells what etcd tells', async () => {
    await using cluster = await ProcessCluster.start(3);
    const [first, second, third] = cluster.members as [ProcessMember, ProcessMember, ProcessMember];
    expect(await (await first.get('/version')).json()).toEqual({
      etcdserver: expect.stringMatching(/^3\.5\.\d+$/),
      etcdcluster: '3.5.0',
    });
    await until(async () => (await first.get('/health')).ok, {
      timeoutMs: 20_000,
      what: () => 'the member to be healthy',
    });
    const [key, value] = [base64('foo'), base64('bar')];
    const { body: put } = await post(first, '/v3/kv/put', { key, value });
    expect(put).toMatchObject({ header: { revision: expect.stringMatching(/^\d+$/) } });
    const { body: found } = await post(second, '/v3/kv/range', { key });
    expect(found).toMatchObject({ kvs: [{ key, value, version: '1' }], count: '1' });
    const [of, by] = [put, found].map(({ header }) => header as Record<string, string>);
    expect(of?.cluster_id).toBe(by?.cluster_id);
    expect(of?.member_id).not.toBe(by?.member_id);
    const txn = await post(third, '/v3/kv/txn', {
      compare: [{ target: 'VALUE', key, value }],
      success: [{ requestDeleteRange: { key, prev_kv: true } }],
    });
    expect(txn.body).toMatchObject({
      succeeded: true,
      responses: [{ response_delete_range: { deleted: '1', prev_kvs: [{ value }] } }],
    });
    expect(await post(first, '/v3/kv/range', { key, revision: '1000000' })).toMatchObject({
      status: 400,
      body: { code: 11, error: 'etcdserver: mvcc: required revision is a future revision' },
    });
    await carryLarge(first, second);
  });

  it('goes on after its leader was killed, and says meanwhile that there is none', async () => {
    await using cluster = await ProcessCluster.start(3);
    const leader = await cluster.leader();
    const key = base64('k');
    await post(leader, '/v3/kv/put', { key, value: base64('1') });
    const others = cluster.members.filter((one) => one !== leader);
    await leader.kill();
    await cluster.leader(30_000, others);
    const [next, last] = others as [ProcessMember, ProcessMember];
    expect((await post(next, '/v3/kv/range', { key })).body).toMatchObject({ count: '1' });
    await last.kill();
    await until(async () => (await next.get('/health')).status === 503, {
      timeoutMs: 20_000,
      what: () => 'the member to see that nobody leads',
    });
    expect(await (await next.get('/health')).json()).toMatchObject({ health: 'false' });
    expect((await next.get('/health?serializable=true')).status).toBe(200);
    const stale = await post(next, '/v3/kv/range', { key, serializable: true });
    expect(stale.body).toMatchObject({ count: '1' });
    const lost = await fetch(`${next.url}/v3/kv/put`, {
      method: 'POST',
      body: JSON.stringify({ key, value: base64('2') }),
      headers: { 'Grpc-Timeout': '500m' },
    });
    expect(lost.status).toBe(503);
    expect(await lost.json()).toMatchObject({
      code: 14,
      error: expect.stringMatching(/^etcdserver: /),
    });
  });
});

async function carryLarge(member: ProcessMember, other: ProcessMember): Promise<void> {
  const value = Buffer.alloc(1024 * 1024, 'holdfast').toString('base64');
  expect((await post(member, '/v3/kv/put', { key: base64('large'), value })).status).toBe(200);
  const { body } = await post(other, '/v3/kv/range', { key: base64('large') });
  expect((body.kvs as { value: string }[])[0]?.value).toBe(value);
  const tooLarge = Buffer.alloc(3 * 1024 * 1024).toString('base64');
  const refused = await post(member, '/v3/kv/put', { key: base64('larger'), value: tooLarge });
  expect([refused.status, refused.body.code]).toEqual([429, 8]);
}
