// What the npm package etcd3 is asked to do with keys, as its own manual says it.
import { type Etcd3, type GRPCGenericError, Range, STMConflictError } from 'etcd3';
import { expect } from 'vitest';

import type { NodeCase } from './node-program.ts';

/** Its clients fail with the sentences of etcd behind gRPC's own. */
export async function failureOf(call: Promise<unknown>): Promise<string> {
  try {
    await call;
  } catch (error) {
    const { name, message } = error as GRPCGenericError;
    return `${name}: ${message}`;
  }
  throw new Error('it was answered');
}

export const nodeKeyCases: readonly NodeCase[] = [
  {
    area: 'put',
    does: 'puts text, numbers and bytes, tells what was before, touches',
    async run({ etcd }) {
      const { header } = await etcd.put('put/a').value('one');
      expect(await etcd.put('put/a').value(2).getPrevious()).toMatchObject({
        ...{ value: Buffer.from('one'), version: '1', mod_revision: header.revision },
      });
      await etcd.put('put/bytes').value(Buffer.from([0, 255, 128]));
      expect(await etcd.get('put/bytes').buffer()).toEqual(Buffer.from([0, 255, 128]));
      await etcd.put('put/a').touch();
      expect((await etcd.get('put/a').exec()).kvs).toMatchObject([
        { value: Buffer.from('2'), version: '3', create_revision: header.revision },
      ]);
      const failure = await failureOf(etcd.put('').value('x').exec());
      expect(failure).toContain('etcdserver: key is not provided');
    },
  },
  {
    area: 'get',
    does: 'reads in every form, at once or as it was',
    async run({ etcd }) {
      const { header } = await etcd.put('get/a').value('{"n":1}');
      await etcd.put('get/a').value('7');
      expect(await etcd.get('get/a').number()).toBe(7);
      expect(await etcd.get('get/a').serializable(true).exists()).toBe(true);
      expect(await etcd.get('get/a').revision(header.revision).json()).toEqual({ n: 1 });
      expect(await etcd.get('get/none')).toBeNull();
      expect(await failureOf(etcd.get('get/a').revision('900000').exec())).toContain(
        'etcdserver: mvcc: required revision is a future revision',
      );
    },
  },
  {
    area: 'prefix',
    does: 'reads, counts, sorts, limits; namespaces',
    async run({ etcd }) {
      const names = ['b', 'a', 'c'];
      for (const [at, name] of names.entries()) await etcd.put(`prefix/${name}`).value(at);
      const all = () => etcd.getAll().prefix('prefix/');
      expect(await all().strings()).toEqual({ 'prefix/a': '1', 'prefix/b': '0', 'prefix/c': '2' });
      expect(await all().keys()).toEqual(['prefix/a', 'prefix/b', 'prefix/c']);
      expect(await all().count()).toBe(3);
      expect(await all().sort('Mod', 'Descend').limit(2).keys()).toEqual(['prefix/c', 'prefix/a']);
      const { more, count } = await all().limit(2).exec();
      expect({ more, count }).toEqual({ more: true, count: '3' });
      const own = etcd.namespace('prefix/');
      expect(await own.getAll().numbers()).toEqual({ a: 1, b: 0, c: 2 });
    },
  },
  {
    area: 'range',
    does: 'reads from a key to another, by revisions',
    async run({ etcd }) {
      await etcd.put('range/a').value('1');
      const { header } = await etcd.put('range/b').value('2');
      await etcd.put('range/c').value('3');
      const range = () => etcd.getAll().inRange(new Range('range/a', 'range/c'));
      expect(await range().keys()).toEqual(['range/a', 'range/b']);
      expect(await range().minModRevision(header.revision).keys()).toEqual(['range/b']);
      const all = etcd.getAll().inRange({ start: 'range/', end: 'range0' });
      expect(await all.maxCreateRevision(header.revision).keys()).toEqual(['range/a', 'range/b']);
    },
  },
  {
    area: 'del',
    does: 'deletes a key, a prefix, a range',
    async run({ etcd }) {
      for (const name of ['a', 'b', 'c', 'd']) await etcd.put(`del/${name}`).value(name);
      expect((await etcd.delete().key('del/none')).deleted).toBe('0');
      expect(await etcd.delete().key('del/a').getPrevious()).toMatchObject([
        { key: Buffer.from('del/a'), value: Buffer.from('a') },
      ]);
      expect((await etcd.delete().range(new Range('del/b', 'del/d'))).deleted).toBe('2');
      expect((await etcd.delete().prefix('del/')).deleted).toBe('1');
      expect(await etcd.getAll().prefix('del/').count()).toBe(0);
    },
  },
  {
    area: 'txn',
    does: 'compares and does one of two things; software transactions',
    async run({ etcd }) {
      await etcd.put('txn/a').value('one');
      const swap = () =>
        etcd
          .if('txn/a', 'Value', '==', 'one')
          .and('txn/none', 'Create', '==', 0)
          .then(etcd.put('txn/a').value('two'), etcd.get('txn/a'))
          .else(etcd.get('txn/a'), etcd.delete().key('txn/a'))
          .commit();
      const first = await swap();
      expect(first.succeeded).toBe(true);
      expect(first.responses[1]?.response_range.kvs[0]?.value.toString()).toBe('two');
      const second = await swap();
      expect(second.succeeded).toBe(false);
      expect(second.responses[0]?.response_range.kvs[0]?.value.toString()).toBe('two');
      expect(second.responses[1]?.response_delete_range.deleted).toBe('1');
      await transfer(etcd);
    },
  },
  {
    area: 'compaction',
    does: 'forgets what was before a revision',
    async run({ etcd }) {
      const old = (await etcd.put('compact/a').value('1')).header.revision;
      const { revision } = (await etcd.put('compact/a').value('2')).header;
      await etcd.kv.compact({ revision, physical: true });
      expect(await etcd.get('compact/a').revision(revision)).toBe('2');
      const compacted = 'etcdserver: mvcc: required revision has been compacted';
      expect(await failureOf(etcd.get('compact/a').revision(old).exec())).toContain(compacted);
      expect(await failureOf(etcd.kv.compact({ revision: old }))).toContain(compacted);
    },
  },
];

/** `Isolation.Serializable` of the package, which its contract inlines. */
const serializable = 1;

/** Its own transactions: what was read must still be so when they are committed. */
async function transfer(etcd: Etcd3): Promise<void> {
  await etcd.put('stm/from').value(10);
  await etcd.put('stm/to').value(0);
  const move = (meanwhile: () => Promise<unknown>) =>
    etcd.stm({ retries: 0, isolation: serializable }).transact(async (stm) => {
      const from = Number(await stm.get('stm/from'));
      const to = Number(await stm.get('stm/to'));
      await meanwhile();
      await stm.put('stm/from').value(from - 1);
      await stm.put('stm/to').value(to + 1);
    });
  await move(async () => undefined);
  const other = move(() => etcd.put('stm/to').value(5).exec());
  await expect(other).rejects.toThrow(STMConflictError);
  const moved = await etcd.getAll().prefix('stm/').numbers();
  expect(moved).toEqual({ 'stm/from': 9, 'stm/to': 5 });
}
