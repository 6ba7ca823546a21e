// Goal: etcd's Cluster service shows and changes the members as far as machines that join by
// themselves allow, in etcd's own words. Method: the service over a member in memory whose fellows
// are a list, judged by the plan of a leader.

import { HoldfastError } from '@holdfast/base/errors';
import {
  MemberAddRequest,
  MemberAddResponse,
  MemberListRequest,
  MemberListResponse,
  MemberPromoteRequest,
  MemberPromoteResponse,
  MemberRemoveRequest,
  MemberRemoveResponse,
  MemberUpdateRequest,
  MemberUpdateResponse,
} from '@holdfast/proto/etcd';
import { beforeEach, describe, expect, it } from 'vitest';

import type { GrpcMethods } from '../grpc/method.ts';
import { fulfilAnnouncement } from './announcements.ts';
import { clusterService } from './cluster-service.ts';
import { askMethod, call, OperatedCluster } from './operated-engine.fixture.ts';

let cluster: OperatedCluster;
let methods: GrpcMethods;

beforeEach(() => {
  cluster = new OperatedCluster();
  methods = clusterService(cluster.operator);
});

const method = (name: string) => methods.get(`/etcdserverpb.Cluster/${name}`);
const list = (more: Partial<MemberListRequest> = {}) =>
  askMethod(method('MemberList'), [MemberListRequest, MemberListResponse], more);
const add = (...peerURLs: string[]) =>
  askMethod(method('MemberAdd'), [MemberAddRequest, MemberAddResponse], { peerURLs });
const addLearner = (...peerURLs: string[]) =>
  askMethod(method('MemberAdd'), [MemberAddRequest, MemberAddResponse], {
    ...{ peerURLs, isLearner: true },
  });
const remove = (ID: bigint) =>
  askMethod(method('MemberRemove'), [MemberRemoveRequest, MemberRemoveResponse], { ID });
const promote = (ID: bigint) =>
  askMethod(method('MemberPromote'), [MemberPromoteRequest, MemberPromoteResponse], { ID });
const update = (ID: bigint, ...peerURLs: string[]) =>
  askMethod(method('MemberUpdate'), [MemberUpdateRequest, MemberUpdateResponse], {
    ...{ ID, peerURLs },
  });

const idOf = ({ member }: MemberAddResponse): bigint => member?.ID ?? 0n;
const urlsIn = ({ members }: MemberListResponse): string[] =>
  members.flatMap(({ peerURLs }) => peerURLs);

const url = 'http://10.0.0.4:4654';
const notFound = '5 etcdserver: member not found';
const taken = '9 etcdserver: Peer URLs already exists';

/** The machine that comes from that address. */
async function join(peerAddress: string) {
  const joined = cluster.join('n4', peerAddress);
  const options = { ...call };
  const newcomer = { memberId: joined.memberId, peerAddress };
  const isLearner = await fulfilAnnouncement(cluster.engine, newcomer, options);
  return { joined, isLearner };
}

describe('MemberList', () => {
  it('shows names, ids and addresses, who only observes, and a header', async () => {
    cluster.set(3n, { role: 'observer' });
    const { members, header } = await list({ linearizable: true });
    expect(members[1]).toEqual({
      ...{ ID: 2n, name: 'n2', isLearner: false },
      peerURLs: ['http://10.0.0.2:4654'],
      clientURLs: ['http://10.0.0.2:4653'],
    });
    expect(members.map(({ isLearner }) => isLearner)).toEqual([false, false, true]);
    expect(header?.clusterId).toBe(0xc1n);
    cluster.isTls = true;
    methods = clusterService(cluster.operator);
    expect((await list()).members[0]?.clientURLs).toEqual(['https://10.0.0.1:4653']);
  });

  it('answers without a majority unless it is to be linearizable', async () => {
    cluster.engine.refusal = new HoldfastError('no-quorum', 'two voters are missing');
    expect((await list()).members).toHaveLength(3);
    await expect(list({ linearizable: true })).rejects.toThrow('14 etcdserver: no leader');
  });
});

describe('MemberAdd', () => {
  it('announces a machine, which is not started until it joins, and is then itself', async () => {
    const added = await add(url);
    expect(added.member).toMatchObject({ name: '', peerURLs: [url], isLearner: false });
    expect(added.members.map(({ name }) => name).sort()).toEqual(['', 'n1', 'n2', 'n3']);
    expect((await list()).members).toEqual(added.members);
    const { joined, isLearner } = await join('10.0.0.4:4654');
    expect(isLearner).toBe(false);
    const { members } = await list();
    expect(members.map(({ ID }) => ID)).toEqual([1n, 2n, 3n, joined.memberId]);
  });

  it('lets the machine know that it is to be a learner, as often as it asks', async () => {
    const added = await addLearner('http://10.0.0.9:4654', url);
    expect(added.member).toMatchObject({ isLearner: true });
    const { joined, isLearner } = await join('10.0.0.4:4654');
    expect(isLearner).toBe(true);
    const newcomer = { memberId: joined.memberId, peerAddress: '10.0.0.4:4654' };
    expect(await fulfilAnnouncement(cluster.engine, newcomer, call)).toBe(true);
    const other = { memberId: 99n, peerAddress: '10.0.0.4:4654' };
    expect(await fulfilAnnouncement(cluster.engine, other, call)).toBe(false);
    const stranger = { memberId: 98n, peerAddress: '10.0.0.5:4654' };
    expect(await fulfilAnnouncement(cluster.engine, stranger, call)).toBe(false);
  });

  it('refuses addresses that are none, and those that somebody has', async () => {
    const bad = '3 etcdserver: given member URLs are invalid';
    for (const urls of [[], ['10.0.0.4:4654'], ['http://10.0.0.4'], [url, 'ftp://x:1']]) {
      await expect(add(...urls)).rejects.toThrow(bad);
    }
    await expect(add(`${url}/path`)).rejects.toThrow(bad);
    await expect(add('http://10.0.0.2:4654')).rejects.toThrow(taken);
    await add(url);
    await expect(add('http://10.0.0.7:1', url)).rejects.toThrow(taken);
  });

  it('takes one address once, whoever is asked at the same time', async () => {
    const asked = await Promise.allSettled([add(url), add(url), addLearner(url)]);
    expect(asked.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    expect(urlsIn(await list()).filter((one) => one === url)).toHaveLength(1);
  });
});

describe('MemberPromote', () => {
  it('gives a vote under both ids, and says what is none to be promoted', async () => {
    const notLearner = '9 etcdserver: can only promote a learner member';
    const notReady = `${notLearner} which is in sync with leader`;
    const id = idOf(await addLearner(url));
    await expect(promote(id)).rejects.toThrow(notReady);
    await expect(promote(1n)).rejects.toThrow(new RegExp(`${notLearner}$`));
    await expect(promote(77n)).rejects.toThrow(notFound);
    const { joined } = await join('10.0.0.4:4654');
    cluster.set(joined.memberId, { lag: 9999 });
    await expect(promote(id)).rejects.toThrow(notReady);
    cluster.set(joined.memberId, { lag: 3 });
    const { members } = await promote(id);
    expect(members.find(({ ID }) => ID === joined.memberId)?.isLearner).toBe(false);
    await expect(promote(joined.memberId)).rejects.toThrow(new RegExp(`${notLearner}$`));
  });
});

describe('MemberRemove', () => {
  it('takes back what was only announced', async () => {
    const id = idOf(await add(url));
    expect((await remove(id)).members).toHaveLength(3);
    await expect(remove(id)).rejects.toThrow(notFound);
    await add(url);
  });

  it('removes a machine under both ids, and leaves its address free', async () => {
    for (const byAnnouncedId of [true, false]) {
      const id = idOf(await add(url));
      const { joined } = await join('10.0.0.4:4654');
      const { members } = await remove(byAnnouncedId ? id : joined.memberId);
      expect(members.map(({ ID }) => ID)).toEqual([1n, 2n, 3n]);
      await expect(remove(id)).rejects.toThrow(notFound);
    }
    expect((await add(url)).members).toHaveLength(4);
  });

  it('forgets an announcement whose machine came by a door that does not know of it', async () => {
    await add(url);
    const { memberId: ID } = cluster.join('n4', '10.0.0.4:4654');
    expect((await list()).members).toHaveLength(4);
    expect((await remove(ID)).members).toHaveLength(3);
    expect((await list()).members).toHaveLength(3);
  });

  it('refuses what would cost the majority, and whom nobody knows', async () => {
    cluster.set(3n, { reachable: false });
    const tooFew = '9 etcdserver: re-configuration failed due to not enough started members';
    await expect(remove(2n)).rejects.toThrow(tooFew);
    expect((await remove(3n)).members).toHaveLength(2);
    await expect(remove(77n)).rejects.toThrow(notFound);
    expect(cluster.log).toContain('an operator changes the members');
  });
});

describe('MemberUpdate', () => {
  it('moves what was only announced', async () => {
    const id = idOf(await add(url));
    const { members } = await update(id, 'http://10.0.0.5:4654');
    expect(members.find(({ ID }) => ID === id)?.peerURLs).toEqual(['http://10.0.0.5:4654']);
    expect(urlsIn(await list())).not.toContain(url);
    await expect(update(id, 'http://10.0.0.1:4654')).rejects.toThrow(taken);
    const other = idOf(await add(url));
    await expect(update(other, 'http://10.0.0.5:4654')).rejects.toThrow(taken);
  });

  it('leaves members where they say they are', async () => {
    expect((await update(2n, 'http://10.0.0.2:4654')).members).toHaveLength(3);
    await expect(update(2n, url)).rejects.toThrow('9 n2 is at 10.0.0.2:4654, and says itself');
    await expect(update(2n)).rejects.toThrow('given member URLs are invalid');
    await expect(update(77n, url)).rejects.toThrow(notFound);
  });
});
