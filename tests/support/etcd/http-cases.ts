// What plain HTTP is asked at the gateway.
import { expect } from 'vitest';

import type { LibraryCase } from './area.ts';
import { base64, type Gateway, type Json, next, plain } from './gateway.ts';
import { httpAccessCases } from './http-access-cases.ts';

const put = (gateway: Gateway, key: string, value: string, more: object = {}) =>
  gateway.post('kv/put', { key: base64(key), value: base64(value), ...more });
const range = (gateway: Gateway, key: string, more: object = {}) =>
  gateway.post('kv/range', { key: base64(key), ...more });
const prefixOf = (prefix: string): object => ({
  key: base64(prefix),
  range_end: base64(`${prefix.slice(0, -1)}0`), // Behind a slash comes a zero.
});
const keysOf = ({ kvs = [] }: { kvs?: readonly { readonly key: string }[] }): string[] =>
  kvs.map(({ key }) => plain(key));

const keyCases: readonly LibraryCase<Gateway>[] = [
  {
    area: 'put',
    does: 'puts, tells what was before, keeps the value',
    async run(gateway) {
      const first = await put(gateway, 'put/a', 'one');
      const { prev_kv: before } = await put(gateway, 'put/a', 'two', { prev_kv: true });
      expect(before).toEqual({
        ...{ key: base64('put/a'), value: base64('one'), version: '1' },
        create_revision: first.header.revision,
        mod_revision: first.header.revision,
      });
      await gateway.post('kv/put', { key: base64('put/a'), ignore_value: true });
      expect((await range(gateway, 'put/a')).kvs[0]).toMatchObject({
        ...{ value: base64('two'), version: '3' },
      });
      expect(await gateway.refused('kv/put', { value: base64('x') })).toBe(
        '400 etcdserver: key is not provided',
      );
    },
  },
  {
    area: 'get',
    does: 'reads at once or as it was, keys alone, counts',
    async run(gateway) {
      const { header } = await put(gateway, 'get/a', 'one');
      await put(gateway, 'get/a', 'two');
      const { revision } = header;
      expect((await range(gateway, 'get/a', { revision })).kvs[0].value).toBe(base64('one'));
      const bare = (await range(gateway, 'get/a', { keys_only: true, serializable: true })).kvs[0];
      expect(bare).toMatchObject({ key: base64('get/a'), version: '2' });
      expect(bare.value).toBeUndefined();
      const counted = await range(gateway, 'get/a', { count_only: true });
      expect([counted.count, counted.kvs]).toEqual(['1', undefined]);
    },
  },
  {
    area: 'get',
    does: 'sees the keys of /v1/kv, and no configuration',
    async run(gateway) {
      await gateway.own('PUT', '/v1/kv/own', 'by another door');
      await gateway.own('PUT', '/v1/configs/shop/web/settings.yaml', 'a: 1');
      expect(plain((await range(gateway, 'own')).kvs[0].value)).toBe('by another door');
      const all = await gateway.post('kv/range', { key: base64('\0'), range_end: base64('\0') });
      const texts = JSON.stringify(
        all.kvs.map(({ key, value }: Json) => [plain(key), plain(value)]),
      );
      expect(texts).toContain('by another door');
      expect(texts).not.toContain('settings');
      expect(texts).not.toContain('a: 1');
    },
  },
  {
    area: 'prefix',
    does: 'reads a prefix, in every order and up to a limit',
    async run(gateway) {
      for (const [name, value] of ['b9', 'a3', 'c1'])
        await put(gateway, `prefix/${name}`, `${value}`);
      const all = prefixOf('prefix/');
      expect(keysOf(await gateway.post('kv/range', all))).toEqual([
        ...['prefix/a', 'prefix/b', 'prefix/c'],
      ]);
      const two = { ...all, limit: 2, sort_order: 'DESCEND', sort_target: 'VALUE' };
      const found = await gateway.post('kv/range', two);
      expect([keysOf(found), found.more, found.count]).toEqual([
        ...[['prefix/b', 'prefix/a'], true, '3'],
      ]);
      const newest = { ...all, sortOrder: 2, sortTarget: 3, limit: '1' };
      expect(keysOf(await gateway.post('kv/range', newest))).toEqual(['prefix/c']);
    },
  },
  {
    area: 'range',
    does: 'reads from a key to another, or to the end',
    async run(gateway) {
      for (const name of ['a', 'b', 'c']) await put(gateway, `range/${name}`, name);
      const part = await range(gateway, 'range/a', { range_end: base64('range/c') });
      expect(keysOf(part)).toEqual(['range/a', 'range/b']);
      await put(gateway, 'zzz/end', 'x');
      const rest = await range(gateway, 'zzz/', { range_end: base64('\0') });
      expect(keysOf(rest)).toEqual(['zzz/end']);
    },
  },
  {
    area: 'del',
    does: 'deletes a key, a prefix, and tells what was',
    async run(gateway) {
      for (const name of ['a', 'b', 'c']) await put(gateway, `del/${name}`, name);
      const one = await gateway.post('kv/deleterange', { key: base64('del/a'), prev_kv: true });
      expect([one.deleted, plain(one.prev_kvs[0].value)]).toEqual(['1', 'a']);
      expect((await gateway.post('kv/deleterange', prefixOf('del/'))).deleted).toBe('2');
      const none = await gateway.post('kv/deleterange', prefixOf('del/'));
      expect(none.deleted).toBeUndefined();
    },
  },
  {
    area: 'txn',
    does: 'compares and does one of two things',
    async run(gateway) {
      await put(gateway, 'txn/a', 'one');
      const key = base64('txn/a');
      const txn = {
        compare: [{ key, target: 'VALUE', result: 'EQUAL', value: base64('one') }],
        success: [{ request_put: { key, value: base64('two') } }, { request_range: { key } }],
        failure: [{ request_range: { key } }],
      };
      const first = await gateway.post('kv/txn', txn);
      expect(first.succeeded).toBe(true);
      expect(plain(first.responses[1].response_range.kvs[0].value)).toBe('two');
      const second = await gateway.post('kv/txn', txn);
      expect(second.succeeded).toBeUndefined();
      expect(plain(second.responses[0].response_range.kvs[0].value)).toBe('two');
    },
  },
  {
    area: 'compaction',
    does: 'forgets what was before a revision',
    async run(gateway) {
      const old = (await put(gateway, 'compact/a', '1')).header.revision;
      const { revision } = (await put(gateway, 'compact/a', '2')).header;
      await gateway.post('kv/compaction', { revision, physical: true });
      const past = { key: base64('compact/a'), revision: old };
      expect(await gateway.refused('kv/range', past)).toBe(
        '400 etcdserver: mvcc: required revision has been compacted',
      );
    },
  },
];

const liveCases: readonly LibraryCase<Gateway>[] = [
  {
    area: 'watch',
    does: 'tells of a prefix from a revision on, and of what was compacted',
    async run(gateway) {
      const { revision } = (await put(gateway, 'watch/a', '0')).header;
      const create = { ...prefixOf('watch/'), start_revision: revision, prev_kv: true };
      const stream = gateway.stream('watch', { create_request: create });
      expect(await next(stream)).toMatchObject({ created: true });
      expect((await next(stream)).events[0].kv.value).toBe(base64('0'));
      await put(gateway, 'watch/a', '1');
      expect((await next(stream)).events[0]).toMatchObject({ prev_kv: { value: base64('0') } });
      await gateway.post('kv/deleterange', { key: base64('watch/a') });
      expect((await next(stream)).events[0]).toMatchObject({ type: 'DELETE' });
      await stream.return();
      const last = (await put(gateway, 'watch/b', '2')).header.revision;
      await gateway.post('kv/compaction', { revision: last });
      await range(gateway, 'watch/b'); // This member knows of it now, too.
      const late = gateway.stream('watch', { create_request: create });
      expect(await next(late)).toMatchObject({ created: true });
      expect(await next(late)).toMatchObject({ canceled: true, compact_revision: last });
      await late.return();
    },
  },
  {
    area: 'lease',
    does: 'is granted, kept alive, looked at, and takes its keys with it',
    async run(gateway) {
      const { ID, TTL } = await gateway.post('lease/grant', { TTL: 30 });
      expect(TTL).toBe('30');
      await put(gateway, 'lease/a', '1', { lease: ID });
      const alive = gateway.stream('lease/keepalive', { ID });
      expect(await next(alive)).toMatchObject({ ID, TTL: '30' });
      await alive.return();
      const told = await gateway.post('lease/timetolive', { ID, keys: true });
      expect(told).toMatchObject({ grantedTTL: '30', keys: [base64('lease/a')] });
      expect((await gateway.post('lease/leases')).leases).toContainEqual({ ID });
      await gateway.post('lease/revoke', { ID });
      expect((await range(gateway, 'lease/a')).kvs).toBeUndefined();
      const again = await gateway.refused('lease/revoke', { ID });
      expect(again).toBe('404 etcdserver: requested lease not found');
    },
  },
  {
    area: 'lock',
    does: 'is held by one, and given to the next',
    async run(gateway) {
      const name = base64('locks/one');
      const { key } = await gateway.post('lock/lock', { name });
      expect(plain(key)).toMatch(/^locks\/one\/[0-9a-f]+$/);
      const second = gateway.post('lock/lock', { name });
      await gateway.post('lock/unlock', { key });
      const held = (await second).key;
      expect(held).not.toBe(key);
      await gateway.post('lock/unlock', { key: held });
    },
  },
  {
    area: 'elect',
    does: 'elects one, tells who, proclaims, and elects the next',
    async run(gateway) {
      const name = base64('elections/one');
      const lease = (await gateway.post('lease/grant', { TTL: 30 })).ID;
      const { leader } = await gateway.post('election/campaign', {
        ...{ name, lease, value: base64('first') },
      });
      const observed = gateway.stream('election/observe', { name });
      expect(plain((await next(observed)).kv.value)).toBe('first');
      await gateway.post('election/proclaim', { leader, value: base64('still first') });
      expect(plain((await next(observed)).kv.value)).toBe('still first');
      const other = (await gateway.post('lease/grant', { TTL: 30 })).ID;
      const campaign = { name, lease: other, value: base64('second') };
      const second = gateway.post('election/campaign', campaign);
      await gateway.post('election/resign', { leader });
      await second;
      expect(plain((await gateway.post('election/leader', { name })).kv.value)).toBe('second');
      expect(plain((await next(observed)).kv.value)).toBe('second');
      await observed.return();
      for (const ID of [lease, other]) await gateway.post('lease/revoke', { ID });
      const nobody = await gateway.refused('election/leader', { name });
      expect(nobody).toContain('election: no leader');
    },
  },
];

const clusterCases: readonly LibraryCase<Gateway>[] = [
  {
    area: 'member',
    does: 'lists the members',
    async run(gateway) {
      const { members } = await gateway.post('cluster/member/list');
      const names = members.map(({ name }: { readonly name: string }) => name);
      expect(names.sort()).toEqual(['n1', 'n2', 'n3']);
      const failure = await gateway.refused('cluster/member/remove', { ID: '12345' });
      expect(failure).toBe('404 etcdserver: member not found');
    },
  },
  {
    area: 'endpoint',
    does: 'tells the state of a member',
    async run(gateway) {
      const told = await gateway.post('maintenance/status');
      const { members } = await gateway.post('cluster/member/list');
      const ids = members.map(({ ID }: { readonly ID: string }) => ID);
      expect(told.version).toMatch(/^3\.5\./);
      expect(ids).toContain(told.leader);
      expect(ids).toContain(told.header.member_id);
    },
  },
  {
    area: 'hashkv',
    does: 'hashes the keys up to a revision',
    async run(gateway) {
      const { revision } = (await put(gateway, 'hashed/a', '1')).header;
      const before = await gateway.post('maintenance/hashkv', { revision });
      const { revision: later } = (await put(gateway, 'hashed/a', '2')).header;
      expect((await gateway.post('maintenance/hashkv', { revision })).hash).toBe(before.hash);
      const after = await gateway.post('maintenance/hashkv', { revision: later });
      expect(after.hash).not.toBe(before.hash);
      // Without a revision it is of what this member has applied, which is both writes by now.
      expect((await gateway.post('maintenance/hashkv')).hash).toBe(after.hash);
    },
  },
  {
    area: 'alarm',
    does: 'lists and disarms alarms, where there are none',
    async run(gateway) {
      for (const action of ['GET', 'DEACTIVATE']) {
        const { alarms } = await gateway.post('maintenance/alarm', { action });
        expect(alarms).toBeUndefined();
      }
    },
  },
  {
    area: 'defrag',
    does: 'is done',
    async run(gateway) {
      expect(await gateway.post('maintenance/defragment')).toBeTypeOf('object');
    },
  },
  {
    area: 'snapshot',
    does: 'is streamed to its end',
    async run(gateway) {
      let bytes = 0;
      let remaining: string | undefined;
      for await (const part of gateway.stream('maintenance/snapshot', {})) {
        bytes += Buffer.from(part.blob ?? '', 'base64').length;
        remaining = part.remaining_bytes;
      }
      expect(bytes).toBeGreaterThan(1000);
      expect(remaining).toBeUndefined(); // Zero is left out.
    },
  },
];

export const httpCases: readonly LibraryCase<Gateway>[] = [
  ...keyCases,
  ...liveCases,
  ...clusterCases,
  ...httpAccessCases,
];
