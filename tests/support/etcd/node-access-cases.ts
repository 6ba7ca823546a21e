// What the npm package etcd3 is asked of users and their rights.
import {
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdPermissionDeniedError,
  EtcdRoleExistsError,
  EtcdRoleNotFoundError,
  EtcdUserExistsError,
  Range,
} from 'etcd3';
import { expect } from 'vitest';

import type { NodeCase, NodeProgram } from './node-program.ts';

export const nodeAccessCases: readonly NodeCase[] = [
  {
    area: 'role',
    does: 'is created, granted keys and prefixes, looked at, deleted',
    async run({ etcd }) {
      const role = await etcd.role('reader').create();
      await expect(etcd.role('reader').create()).rejects.toThrow(EtcdRoleExistsError);
      await role.grant([
        { permission: 'Read', range: Range.prefix('public/') },
        { permission: 'Readwrite', key: 'own' },
      ]);
      expect((await role.permissions()).map(({ permission }) => permission).sort()).toEqual([
        ...['Read', 'Readwrite'],
      ]);
      await role.revoke({ permission: 'Readwrite', key: 'own' });
      const [left] = await role.permissions();
      expect(left).toMatchObject({ permission: 'Read', range: Range.prefix('public/') });
      expect((await etcd.getRoles()).map(({ name }) => name)).toEqual(['reader']);
      await role.delete();
      await expect(role.permissions()).rejects.toThrow(EtcdRoleNotFoundError);
    },
  },
  {
    area: 'user',
    does: 'is created, given roles, deleted',
    async run({ etcd }) {
      const user = await etcd.user('ann').create('secret');
      await expect(etcd.user('ann').create('secret')).rejects.toThrow(EtcdUserExistsError);
      const role = await etcd.role('reader').create();
      await user.addRole(role);
      expect((await user.roles()).map(({ name }) => name)).toEqual(['reader']);
      await user.setPassword('changed');
      await user.removeRole(role);
      expect(await user.roles()).toEqual([]);
      expect((await etcd.getUsers()).map(({ name }) => name)).toEqual(['ann']);
      await user.delete();
      await role.delete();
      expect(await etcd.getUsers()).toEqual([]);
    },
  },
  {
    area: 'auth',
    does: 'asks everybody who they are, and lets them do what their roles say',
    async run(program) {
      const { etcd } = program;
      await etcd.put('public/a').value('1');
      const role = await etcd.role('reader').create();
      await role.grant({ permission: 'Read', range: Range.prefix('public/') });
      await (await etcd.user('ann').create('secret')).addRole(role);
      await (await etcd.user('root').create('top')).addRole('root');
      await etcd.auth.authEnable();
      await expect(Promise.resolve(etcd.get('public/a'))).rejects.toThrow('user name is empty');
      using wrong = clientOf(program, 'ann', 'top');
      const refused = expect(Promise.resolve(wrong.etcd.get('public/a'))).rejects;
      await refused.toThrow(EtcdAuthenticationFailedError);
      using ann = clientOf(program, 'ann', 'secret');
      expect(await ann.etcd.get('public/a')).toBe('1');
      const denied = expect(Promise.resolve(ann.etcd.put('public/a').value('2'))).rejects;
      await denied.toThrow(EtcdPermissionDeniedError);
      using root = clientOf(program, 'root', 'top');
      await root.etcd.put('public/a').value('2');
      await root.etcd.auth.authDisable();
      expect(await etcd.get('public/a')).toBe('2');
    },
  },
];

function clientOf({ hosts }: NodeProgram, username: string, password: string) {
  const etcd = new Etcd3({ hosts: [...hosts], auth: { username, password } });
  return { etcd, [Symbol.dispose]: () => etcd.close() };
}
