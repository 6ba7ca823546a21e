// What plain HTTP is asked of users and their rights.
import { expect } from 'vitest';

import type { LibraryCase } from './area.ts';
import { base64, type Gateway } from './gateway.ts';

export const httpAccessCases: readonly LibraryCase<Gateway>[] = [
  {
    area: 'role',
    does: 'is added, granted a prefix, looked at, listed',
    async run(gateway) {
      await gateway.post('auth/role/add', { name: 'reader' });
      const again = await gateway.refused('auth/role/add', { name: 'reader' });
      expect(again).toBe('400 etcdserver: role name already exists');
      const perm = { key: base64('public/'), range_end: base64('public0') };
      await gateway.post('auth/role/grant', {
        name: 'reader',
        perm: { permType: 'READ', ...perm },
      });
      // Reading is the first of its kinds, and so left out.
      expect((await gateway.post('auth/role/get', { role: 'reader' })).perm).toEqual([perm]);
      expect((await gateway.post('auth/role/list')).roles).toEqual(['reader']);
    },
  },
  {
    area: 'user',
    does: 'is added, given a role, looked at, listed',
    async run(gateway) {
      await gateway.post('auth/user/add', { name: 'ann', password: 'secret' });
      await gateway.post('auth/user/grant', { user: 'ann', role: 'reader' });
      expect((await gateway.post('auth/user/get', { name: 'ann' })).roles).toEqual(['reader']);
      expect((await gateway.post('auth/user/list')).users).toEqual(['ann']);
      const nobody = await gateway.refused('auth/user/get', { name: 'nobody' });
      expect(nobody).toBe('400 etcdserver: user name not found');
    },
  },
  {
    area: 'auth',
    does: 'asks everybody who they are, and lets them do what their roles say',
    async run(gateway) {
      const [key, value] = [base64('public/a'), base64('1')];
      await gateway.post('kv/put', { key, value });
      await gateway.post('auth/user/add', { name: 'root', password: 'top' });
      await gateway.post('auth/role/add', { name: 'root' });
      await gateway.post('auth/user/grant', { user: 'root', role: 'root' });
      await gateway.post('auth/enable');
      expect(await gateway.refused('kv/range', { key })).toContain('user name is empty');
      const wrong = { name: 'ann', password: 'top' };
      expect(await gateway.refused('auth/authenticate', wrong)).toBe(
        '400 etcdserver: authentication failed, invalid user ID or password',
      );
      const tokenOf = async (name: string, password: string): Promise<string> =>
        (await gateway.post('auth/authenticate', { name, password })).token;
      const ann = gateway.as(await tokenOf('ann', 'secret'));
      expect((await ann.post('kv/range', { key })).kvs[0].value).toBe(value);
      const denied = await ann.refused('kv/put', { key, value });
      expect(denied).toBe('403 etcdserver: permission denied');
      const root = gateway.as(await tokenOf('root', 'top'));
      await root.post('kv/put', { key, value: base64('2') });
      await root.post('auth/disable');
      expect((await gateway.post('kv/range', { key })).kvs[0].value).toBe(base64('2'));
    },
  },
];
