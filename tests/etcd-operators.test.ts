// Goal: operators keep the tools that they have for etcd: members are listed, announced, promoted
// and removed, states compared, snapshots taken and restored, and locks go on when whoever holds
// them is gone. Method: real processes, asked with the stock gRPC client of Node programs.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  HashKVRequest,
  HashKVResponse,
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MoveLeaderRequest,
  MoveLeaderResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  SnapshotRequest,
  SnapshotResponse,
  StatusRequest,
  StatusResponse,
} from '@holdfast/proto/etcd';
import {
  LockRequest,
  LockResponse,
  UnlockRequest,
  UnlockResponse,
} from '@holdfast/proto/etcd-lock';
import { expect, it } from 'vitest';

import { ChangingCluster } from './support/changing-cluster.ts';
import { EtcdClient } from './support/etcd-client.ts';
import {
  holdfast,
  ProcessCluster,
  ProcessMember,
  placeArgs,
  until,
} from './support/process-cluster.ts';

const text = (value: string): Uint8Array => Buffer.from(value);
const put = (client: EtcdClient, key: string, value: string) =>
  client.ask('etcdserverpb.KV/Put', [PutRequest, PutResponse], {
    ...{ key: text(key), value: text(value) },
  });
const get = (client: EtcdClient, key: string) =>
  client.ask('etcdserverpb.KV/Range', [RangeRequest, RangeResponse], { key: text(key) });
const status = (client: EtcdClient) =>
  client.ask('etcdserverpb.Maintenance/Status', [StatusRequest, StatusResponse]);
const hashAt = (client: EtcdClient, revision: number) =>
  client.ask('etcdserverpb.Maintenance/HashKV', [HashKVRequest, HashKVResponse], {
    revision: BigInt(revision),
  });
const members = async (client: EtcdClient) => {
  const asked = client.ask('etcdserverpb.Cluster/MemberList', [
    MemberListRequest,
    MemberListResponse,
  ]);
  return (await asked).members;
};

const lock = (client: EtcdClient, lease = 0n) =>
  client.ask('v3lockpb.Lock/Lock', [LockRequest, LockResponse], { name: text('job'), lease });
const unlock = (client: EtcdClient, key: Uint8Array) =>
  client.ask('v3lockpb.Lock/Unlock', [UnlockRequest, UnlockResponse], { key });

/** A learner that is ready may still lack what was written since: whoever promotes asks again. */
async function inSync<T>(promote: () => Promise<T>): Promise<T> {
  let promoted: T | undefined;
  let last: unknown;
  const isDone = async (): Promise<boolean> => {
    try {
      promoted = await promote();
      return true;
    } catch (error) {
      last = error;
      if (!String(error).includes('in sync with leader')) throw error;
      return false;
    }
  };
  await until(isDone, { timeoutMs: 20_000, what: () => String(last) });
  return promoted as T;
}

it('machines are announced, join as they were announced, vote when told, and go', async () => {
  await using cluster = await ChangingCluster.start(3);
  const [via, other] = cluster.members as [ProcessMember, ProcessMember];
  using client = new EtcdClient(via);
  using elsewhere = new EtcdClient(other);
  const place = await cluster.place('n4');
  const added = await client.ask(
    'etcdserverpb.Cluster/MemberAdd',
    [MemberAddRequest, MemberAddResponse],
    { peerURLs: [`http://${place.peer}`], isLearner: true },
  );
  const ID = added.member?.ID ?? 0n;
  const awaited = (await members(elsewhere)).find((one) => one.ID === ID);
  expect(awaited).toMatchObject({ name: '', isLearner: true, clientURLs: [] });

  const machine = new ProcessMember(place, [...placeArgs(place), '--join', via.place.client]);
  machine.start();
  try {
    await until(() => machine.isReady(), { timeoutMs: 20_000, what: () => machine.log });
    using own = new EtcdClient(machine);
    expect(await status(own)).toMatchObject({ isLearner: true, errors: [] });
    const promote = () =>
      elsewhere.ask(
        'etcdserverpb.Cluster/MemberPromote',
        [MemberPromoteRequest, MemberPromoteResponse],
        { ID },
      );
    const promoted = await inSync(promote);
    const row = promoted.members.find(({ name }) => name === 'n4');
    expect(row).toMatchObject({
      ...{ isLearner: false, peerURLs: [`http://${place.peer}`] },
      clientURLs: [`http://${place.client}`],
    });
    expect(row?.ID).not.toBe(ID);
    await expect(promote()).rejects.toThrow('9 etcdserver: can only promote a learner member');
    const removed = await client.ask(
      'etcdserverpb.Cluster/MemberRemove',
      [MemberRemoveRequest, MemberRemoveResponse],
      { ID },
    );
    expect(removed.members.map(({ name }) => name).sort()).toEqual(['n1', 'n2', 'n3']);
    expect((await machine.exited()).code).toBe(10);
  } finally {
    await machine.kill();
  }
});

it('states are compared, a snapshot is taken and restored, and leadership is moved', async () => {
  await using cluster = await ProcessCluster.start(3);
  const clients = cluster.members.map((member) => new EtcdClient(member));
  try {
    const [first, second] = clients as [EtcdClient, EtcdClient];
    let revision = 0;
    for (let at = 0; at < 200; at += 1) {
      const { header } = await put(clients[at % 3] as EtcdClient, `k${at % 50}`, `${at}`);
      revision = header?.revision ?? 0;
    }
    for (const client of clients) await get(client, 'k1'); // All have applied all of it.
    const hashes = await Promise.all(clients.map((client) => hashAt(client, revision)));
    expect(new Set(hashes.map(({ hash }) => hash)).size).toBe(1);

    const file = join(cluster.root, 'etcd.snapshot');
    const blobs: Uint8Array[] = [];
    const path = 'etcdserverpb.Maintenance/Snapshot';
    for await (const { blob } of second.stream(path, [SnapshotRequest, SnapshotResponse])) {
      blobs.push(blob);
    }
    writeFileSync(file, Buffer.concat(blobs));
    expect((await holdfast(['verify', file, '--deep'])).out).toContain('Sound.');

    const leader = (await status(first)).leader;
    const at = await leading(clients);
    const next = (await members(first)).find((one) => one.ID !== leader);
    await (clients[at] as EtcdClient).ask(
      'etcdserverpb.Maintenance/MoveLeader',
      [MoveLeaderRequest, MoveLeaderResponse],
      { targetID: next?.ID ?? 0n },
    );
    expect((await status(clients[at] as EtcdClient)).leader).toBe(next?.ID);

    const place = { ...(cluster.members[0] as ProcessMember).place, name: 'r1' };
    for (const member of cluster.members) await member.kill();
    const dataDir = join(cluster.root, 'r1', 'data');
    await holdfast(['restore', file, '--data-dir', dataDir, '--listen-peer', place.peer]);
    const restored = new ProcessMember({ ...place, dataDir, name: 'n1' }, [
      ...placeArgs({ ...place, dataDir, name: 'n1' }),
    ]);
    restored.start();
    try {
      await until(() => restored.isReady(), { timeoutMs: 20_000, what: () => restored.log });
      using client = new EtcdClient(restored);
      expect(await hashAt(client, revision)).toMatchObject({ hash: hashes[0]?.hash });
      expect(Buffer.from((await get(client, 'k49')).kvs[0]?.value ?? []).toString()).toBe('199');
    } finally {
      await restored.kill();
    }
  } finally {
    for (const client of clients) client[Symbol.dispose]();
  }
});

async function leading(clients: readonly EtcdClient[]): Promise<number> {
  for (const [at, client] of clients.entries()) {
    const { header, leader } = await status(client);
    if (header?.memberId === leader) return at;
  }
  throw new Error('nobody leads');
}

it('a lock goes on when its holder unlocks, gives up, or its member is killed', async () => {
  await using cluster = await ProcessCluster.start(3);
  const leader = await cluster.leader();
  const others = cluster.members.filter((member) => member !== leader);
  const [near, far] = others as [ProcessMember, ProcessMember];
  using a = new EtcdClient(near);
  using b = new EtcdClient(far);
  using c = new EtcdClient(leader);
  const held = await lock(a);
  const second = lock(b);
  await waiting(a, 2);
  const third = lock(c, await leaseOf(near, 8000));
  const lost = third.catch((error: unknown) => String(error));
  await waiting(a, 3);
  second.cancel();
  await expect(second).rejects.toThrow('1 Cancelled');
  await waiting(a, 2);
  // What waits at a member that dies has a lease, and nobody waits for longer than that.
  await leader.kill();
  expect(await lost).toMatch(/14 /);
  await put(await electedAgain(b), 'x', 'y');
  const fourth = lock(b);
  await until(async () => (await keysAt(b)) >= 2, {
    ...{ timeoutMs: 20_000, what: () => 'who asked last to stand in the queue' },
  });
  await unlock(b, held.key);
  const last = await fourth;
  await unlock(b, last.key);
}, 180_000);

async function leaseOf(member: ProcessMember, ttlMs: number): Promise<bigint> {
  const answer = await fetch(`${member.url}/v1/leases`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ ttlMs }),
  });
  return BigInt(((await answer.json()) as { readonly id: string }).id);
}

/** The same client, once it is answered again. */
async function electedAgain(client: EtcdClient): Promise<EtcdClient> {
  const isAnswered = (): Promise<boolean> =>
    get(client, 'x').then(
      () => true,
      () => false, // No leader yet.
    );
  await until(isAnswered, { timeoutMs: 20_000, what: () => 'another leader' });
  return client;
}

async function keysAt(client: EtcdClient): Promise<number> {
  const range = { key: text('job/'), rangeEnd: text('job0'), countOnly: true };
  const { count } = await client.ask('etcdserverpb.KV/Range', [RangeRequest, RangeResponse], range);
  return count;
}

async function waiting(client: EtcdClient, count: number): Promise<void> {
  const what = (): string => `${count} keys of the lock`;
  await until(async () => (await keysAt(client)) === count, { timeoutMs: 20_000, what });
}
