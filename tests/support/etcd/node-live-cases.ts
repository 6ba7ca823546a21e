// What the npm package etcd3 is asked that lives on: watches, leases, locks and elections; and what
// it is asked of the cluster itself.
import { once } from 'node:events';

import {
  EtcdLeaseInvalidError,
  EtcdLockFailedError,
  type IKeyValue,
  type WatchBuilder,
} from 'etcd3';
import { expect } from 'vitest';

import { until } from '../process-cluster.ts';
import { failureOf } from './node-key-cases.ts';
import type { NodeCase } from './node-program.ts';

const textOf = ({ key, value }: IKeyValue): string => `${key.toString()}=${value.toString()}`;

/** Until as much was heard as is expected, and exactly that. */
async function heard(list: readonly string[], expected: readonly string[]): Promise<void> {
  const isAll = async (): Promise<boolean> => list.length >= expected.length;
  const what = (): string => `${expected.join(', ')}; heard: ${list.join(', ')}`;
  await until(isAll, { timeoutMs: 10_000, everyMs: 10, what });
  expect(list).toEqual(expected);
}

/** It is told of an error, and not of an event. */
async function isRefused(watch: WatchBuilder): Promise<boolean> {
  const watcher = watch.watcher();
  const isTold = await new Promise<boolean>((resolve) => {
    watcher.once('put', () => resolve(true));
    watcher.once('error', ({ message }) => resolve(!message.includes('Watcher canceled')));
  });
  if (isTold) await watcher.cancel();
  return !isTold;
}

export const nodeLiveCases: readonly NodeCase[] = [
  {
    area: 'watch',
    does: 'tells of a key, a prefix, from a revision on, filtered, until it is cancelled',
    async run({ etcd }) {
      const { revision } = (await etcd.put('watch/a').value('0')).header;
      const events: string[] = [];
      const past = await etcd
        .watch()
        .prefix('watch/')
        .withPreviousKV()
        .startRevision(revision)
        .create();
      past.on('put', (kv) => events.push(`put ${textOf(kv)}`));
      past.on('delete', ({ key }, before) =>
        events.push(`delete ${String(key)}, was ${String(before?.value)}`),
      );
      const deletions: string[] = [];
      const filtered = await etcd.watch().key('watch/a').only('delete').create();
      filtered.on('data', (answer) => deletions.push(...answer.events.map(({ type }) => type)));
      await etcd.put('watch/b').value('1');
      await etcd.delete().prefix('watch/');
      await heard(events, [
        ...['put watch/a=0', 'put watch/b=1'],
        ...['delete watch/a, was 0', 'delete watch/b, was 1'],
      ]);
      await heard(deletions, ['Delete']);
      await past.cancel();
      await etcd.put('watch/c').value('unheard');
      await etcd.delete().key('watch/a');
      expect(events).toHaveLength(4);
      await filtered.cancel();
    },
  },
  {
    area: 'watch',
    does: 'begins no earlier than what was compacted',
    async run({ etcd }) {
      const { revision } = (await etcd.put('watched/a').value('1')).header;
      await etcd.kv.compact({ revision: (await etcd.put('watched/a').value('2')).header.revision });
      // It may be at a member that does not know of the compaction yet.
      const isCancelled = () => isRefused(etcd.watch().key('watched/a').startRevision(revision));
      await until(isCancelled, { timeoutMs: 10_000, what: () => 'a watch that is refused' });
    },
  },
  {
    area: 'lease',
    does: 'keeps keys while it is kept alive, and takes them with it',
    async run({ etcd }) {
      const lease = etcd.lease(30);
      await lease.put('lease/a').value('1');
      const id = await lease.grant();
      expect((await etcd.get('lease/a').exec()).kvs[0]?.lease).toBe(id);
      expect((await lease.keepaliveOnce()).TTL).toBe('30');
      const told = await etcd.leaseClient.leaseTimeToLive({ ID: id, keys: true });
      expect(told).toMatchObject({ ID: id, grantedTTL: '30', keys: [Buffer.from('lease/a')] });
      const { leases } = await etcd.leaseClient.leaseLeases();
      expect(leases.map(({ ID }) => ID)).toContain(id);
      await lease.revoke();
      expect(await etcd.get('lease/a')).toBeNull();
      const late = etcd.put('lease/a').value('2').lease(id);
      await expect(Promise.resolve(late)).rejects.toThrow('etcdserver: requested lease not found');
      expect((await etcd.leaseClient.leaseTimeToLive({ ID: id })).TTL).toBe('-1');
    },
  },
  {
    area: 'lease',
    does: 'notices that it is lost',
    async run({ etcd }) {
      const lease = etcd.lease(30);
      const id = await lease.grant();
      const lost = once(lease, 'lost');
      await etcd.leaseClient.leaseRevoke({ ID: id });
      await lease.keepaliveOnce().catch(() => undefined); // That it is gone is what it finds.
      expect((await lost)[0]).toBeInstanceOf(EtcdLeaseInvalidError);
    },
  },
  {
    area: 'lock',
    does: 'is held by one, refused to the next, given back',
    async run({ etcd }) {
      const lock = await etcd.lock('locks/one').ttl(30).acquire();
      await expect(etcd.lock('locks/one').acquire()).rejects.toThrow(EtcdLockFailedError);
      await lock.release();
      expect(await etcd.lock('locks/one').do(() => 'done')).toBe('done');
      expect(await etcd.getAll().prefix('locks/').count()).toBe(0);
    },
  },
  {
    area: 'elect',
    does: 'elects one, tells who, proclaims, and elects the next',
    async run({ etcd }) {
      const election = etcd.election('one', 30);
      const first = await election.campaign('first').wait();
      const observer = await election.observe();
      const leaders: string[] = [`${observer.leader()}`];
      observer.on('change', (leader) => leaders.push(`${leader}`));
      const second = election.campaign('second');
      const elected = second.wait();
      await first.proclaim('still first');
      await heard(leaders, ['first', 'still first']);
      await first.resign();
      await elected;
      expect(await election.leader()).toBe('second');
      await heard(leaders, ['first', 'still first', 'second']);
      await observer.cancel();
      await second.resign();
    },
  },
  {
    area: 'member',
    does: 'lists the members',
    async run({ etcd }) {
      const { members } = await etcd.cluster.memberList({ linearizable: true });
      expect(members.map(({ name }) => name).sort()).toEqual(['n1', 'n2', 'n3']);
      expect(members.every(({ clientURLs }) => clientURLs[0]?.startsWith('http://'))).toBe(true);
      const failure = await failureOf(etcd.cluster.memberRemove({ ID: '12345' }));
      expect(failure).toContain('etcdserver: member not found');
    },
  },
  {
    area: 'endpoint',
    does: 'tells the state of a member',
    async run({ etcd }) {
      const { version, leader, raftTerm, header } = await etcd.maintenance.status();
      const { members } = await etcd.cluster.memberList({});
      const ids = members.map(({ ID }) => ID);
      expect(version).toMatch(/^3\.5\./);
      expect(ids).toContain(leader);
      expect(ids).toContain(header.member_id);
      expect(Number(raftTerm)).toBeGreaterThan(0);
    },
  },
  {
    area: 'endpoint',
    does: 'hashes all that a member has',
    async run({ etcd }) {
      // The package does not find hashKV in its own contract.
      const before = (await etcd.maintenance.hash()).hash;
      await etcd.put('hashed/a').value('2');
      const isOther = async () => (await etcd.maintenance.hash()).hash !== before;
      await until(isOther, { timeoutMs: 10_000, what: () => `another hash than ${before}` });
    },
  },
  {
    area: 'alarm',
    does: 'lists and disarms alarms, where there are none',
    async run({ etcd }) {
      for (const action of ['Get', 'Deactivate'] as const) {
        expect((await etcd.maintenance.alarm({ action, alarm: 'None' })).alarms).toEqual([]);
      }
    },
  },
  {
    area: 'defrag',
    does: 'is done',
    async run({ etcd }) {
      expect((await etcd.maintenance.defragment()).header.revision).toMatch(/^\d+$/);
    },
  },
  {
    area: 'snapshot',
    does: 'is streamed to its end',
    async run({ etcd }) {
      const stream = await etcd.maintenance.snapshot();
      let bytes = 0;
      let remaining = '';
      stream.on('data', (part) => {
        bytes += part.blob.length;
        remaining = part.remaining_bytes;
      });
      await new Promise<void>((resolve, reject) => {
        stream.on('end', resolve);
        stream.on('error', reject);
      });
      expect(bytes).toBeGreaterThan(1000);
      expect(remaining).toBe('0');
    },
  },
];
