// Goal: users, roles and permissions change by etcd's rules, every change moves the revision by
// which others are judged, and while access control is on only root makes one. Method: the service
// over an engine in memory, each refusal by its reason.
import { utf8 } from '@holdfast/base/bytes';
import { AccessError } from '@holdfast/domain/access-error';
import { allRange, gateRange, userRange } from '@holdfast/domain/access-key';
import type { AccessChange } from '@holdfast/domain/access-plan';
import { encodeUser } from '@holdfast/domain/access-record';
import { putOperation, putRequest, rangeRequest, txnRequest } from '@holdfast/domain/requests';
import { beforeEach, describe, expect, it } from 'vitest';
import { password, TestAccess } from './access.fixture.ts';
import { MemoryEngine } from './memory-engine.ts';

let engine: MemoryEngine;
let access: TestAccess;

beforeEach(() => {
  engine = new MemoryEngine();
  access = new TestAccess(engine);
});

async function reasonOf(change: AccessChange, as: object = {}): Promise<string> {
  try {
    const { body } = await access.service.change(change, { actor: 'test', ...as });
    return body ? 'changed' : 'unchanged';
  } catch (error) {
    return error instanceof AccessError ? error.reason : String(error);
  }
}

const rules = async () => (await access.service.rules({ actor: 'test' })).body;
const permission = (key: string, rangeEnd = '') =>
  ({ kind: 'read', key: utf8(key), rangeEnd: utf8(rangeEnd) }) as const;
const addUser = (name: string): AccessChange => ({ kind: 'add-user', name, password });
const addRole = (name: string): AccessChange => ({ kind: 'add-role', name });
const enable: AccessChange = { kind: 'enable', secret: utf8('s') };

describe('users', () => {
  it('have names that can be written down, as roles have', async () => {
    for (const control of ['\0', '\n', '\x1b', '\x7f', '\x85']) {
      const name = `a${control}b`;
      expect(await reasonOf(addUser(name))).toContain('no control characters');
      expect(await reasonOf(addRole(name))).toContain('no control characters');
    }
    for (const name of ['a:b', ' ', 'älice', '名前', 'a\u00a0b']) {
      expect([name, await reasonOf(addUser(name))]).toEqual([name, 'changed']);
    }
  });

  it('are added once, under a name, and deleted', async () => {
    expect(await reasonOf(addUser('alice'))).toBe('changed');
    expect(await reasonOf(addUser('alice'))).toBe('user-exists');
    expect(await reasonOf(addUser(''))).toBe('user-empty');
    expect(await reasonOf(addUser('x'.repeat(257)))).toContain('at most 256 bytes');
    expect((await rules()).userNames).toEqual(['alice']);
    expect(await reasonOf({ kind: 'delete-user', name: 'alice' })).toBe('changed');
    expect(await reasonOf({ kind: 'delete-user', name: 'alice' })).toBe('user-missing');
    expect((await rules()).hasPassword('alice')).toBe(false);
  });

  it('have a password of its own revision, unless a certificate is all they show', async () => {
    await access.change(addUser('alice'));
    const before = (await rules()).password('alice');
    expect(before?.record).toEqual(password);
    await access.change({ kind: 'change-password', name: 'alice', password });
    expect((await rules()).password('alice')?.revision).toBeGreaterThan(before?.revision ?? 0);
    await access.change({ kind: 'add-user', name: 'bob', password: undefined });
    expect((await rules()).password('bob')).toBeUndefined();
    const change = (name: string): AccessChange => ({ kind: 'change-password', name, password });
    expect(await reasonOf(change('bob'))).toContain('no password to change');
    expect(await reasonOf(change('nobody'))).toBe('user-missing');
  });

  it('are granted roles that there are, and root without asking', async () => {
    await access.change(addUser('alice'));
    await access.change(addRole('b'));
    await access.change(addRole('a'));
    const grant = (role: string, user = 'alice'): AccessChange => ({
      ...{ kind: 'grant-role', user, role },
    });
    expect(await reasonOf(grant('b'))).toBe('changed');
    expect(await reasonOf(grant('b'))).toBe('unchanged');
    expect(await reasonOf(grant('c'))).toBe('role-missing');
    expect(await reasonOf(grant('b', 'bob'))).toBe('user-missing');
    expect(await reasonOf(grant('a'))).toBe('changed');
    expect(await reasonOf(grant('root'))).toBe('changed');
    expect((await rules()).user('alice')?.roles).toEqual(['a', 'b', 'root']);
    const revoke: AccessChange = { kind: 'revoke-role', user: 'alice', role: 'b' };
    expect(await reasonOf(revoke)).toBe('changed');
    expect(await reasonOf(revoke)).toBe('role-not-granted');
    expect(await reasonOf({ ...revoke, user: 'bob' })).toBe('user-missing');
  });
});

describe('roles', () => {
  it('are added once, under a name; who had a deleted one has it no more', async () => {
    expect(await reasonOf(addRole(''))).toBe('role-empty');
    expect(await reasonOf(addRole('a'))).toBe('changed');
    expect(await reasonOf(addRole('a'))).toBe('role-exists');
    for (const name of ['alice', 'bob']) {
      await access.change(addUser(name));
      await access.change({ kind: 'grant-role', user: name, role: 'a' });
    }
    expect(await reasonOf({ kind: 'delete-role', name: 'a' })).toBe('changed');
    expect(await reasonOf({ kind: 'delete-role', name: 'a' })).toBe('role-missing');
    await access.change(addRole('a'));
    const now = await rules();
    expect([now.user('alice')?.roles, now.user('bob')?.roles]).toEqual([[], []]);
  });

  it('are deleted with thousands of users that have them, in one revision', async () => {
    await access.change(addRole('a'));
    const user = encodeUser({ roles: ['a'] });
    for (let at = 0; at < 2000; at += 100) {
      const names = Array.from({ length: 100 }, (_, n) => `u${at + n}`);
      const success = names.map((name) => putOperation(userRange(name), user));
      await engine.txn(txnRequest({ success }), { actor: 'test' });
    }
    const { revision } = engine.status();
    await access.change({ kind: 'delete-role', name: 'a' });
    expect(engine.status().revision).toBe(revision + 1);
    const now = await rules();
    expect(now.userNames).toHaveLength(2000);
    expect(now.userNames.every((name) => now.user(name)?.roles.length === 0)).toBe(true);
  });

  it('are given permissions, of which a range has one kind', async () => {
    await access.change(addRole('a'));
    const grant = (one: ReturnType<typeof permission> | undefined): AccessChange => ({
      ...{ kind: 'grant-permission', role: 'a', permission: one },
    });
    expect(await reasonOf(grant(undefined))).toBe('permission-missing');
    expect(await reasonOf(grant(permission('')))).toBe('permission-invalid');
    expect(await reasonOf(grant(permission('b', 'a')))).toBe('permission-invalid');
    expect(await reasonOf({ ...grant(permission('k')), role: 'b' } as AccessChange)).toBe(
      'role-missing',
    );
    await access.grant('a', 'read', ['k', 'l']);
    await access.grant('a', 'read', ['b']);
    await access.grant('a', 'readwrite', ['k', 'l']);
    expect((await rules()).role('a')?.permissions).toEqual([
      { kind: 'read', key: utf8('b'), rangeEnd: utf8('') },
      { kind: 'readwrite', key: utf8('k'), rangeEnd: utf8('l') },
    ]);
    const revoke: AccessChange = { ...permission('b'), kind: 'revoke-permission', role: 'a' };
    expect(await reasonOf(revoke)).toBe('changed');
    expect(await reasonOf(revoke)).toBe('permission-not-granted');
    expect(await reasonOf({ ...revoke, role: 'b' } as AccessChange)).toBe('role-missing');
  });
});

describe('access control', () => {
  it('needs a user root with the role root', async () => {
    expect(await reasonOf(enable)).toBe('root-user-missing');
    await access.change(addUser('root'));
    expect(await reasonOf(enable)).toBe('root-role-missing');
    await access.change({ kind: 'grant-role', user: 'root', role: 'root' });
    expect(engine.accessRules.isOn).toBe(false);
    expect(await reasonOf(enable)).toBe('changed');
    expect(engine.accessRules.isOn).toBe(true);
    const subject = await access.proven('root');
    expect(await reasonOf(enable, { subject })).toBe('unchanged');
  });

  it('once on is changed by root alone, as the rules are then', async () => {
    const root = await access.enable();
    const alice = await access.add('alice');
    expect(await reasonOf(addUser('x'))).toBe('nobody-asks');
    expect(await reasonOf(addUser('x'), { subject: alice })).toBe('denied');
    const old = { name: 'alice', passwordRevision: 1 };
    expect(await reasonOf(addUser('x'), { subject: old })).toBe('proof-ended');
    await access.change({ kind: 'grant-role', user: 'alice', role: 'root' });
    expect(await reasonOf(addUser('x'), { subject: alice })).toBe('changed');
    await access.change({ kind: 'revoke-role', user: 'alice', role: 'root' });
    expect(await reasonOf(addUser('y'), { subject: alice })).toBe('denied');
    expect(await reasonOf(addUser('y'), { subject: root })).toBe('changed');
  });

  it('protects root while it is on, and lets go of it when it is off', async () => {
    const subject = await access.enable();
    await access.change(addRole('root'));
    const changes: readonly AccessChange[] = [
      { kind: 'delete-user', name: 'root' },
      { kind: 'revoke-role', user: 'root', role: 'root' },
      { kind: 'delete-role', name: 'root' },
    ];
    for (const change of changes)
      expect(await reasonOf(change, { subject })).toBe('root-protected');
    await access.disable();
    expect(await reasonOf({ kind: 'disable' })).toBe('unchanged');
    expect(await reasonOf(changes[2] as AccessChange)).toBe('changed');
    expect((await rules()).user('root')?.roles).toEqual([]);
    expect(await reasonOf(changes[0] as AccessChange)).toBe('changed');
  });

  it('moves its revision with every change, and has none while it is off', async () => {
    await access.add('alice');
    const before = await rules();
    expect([before.revision, access.revision]).toEqual([0, 0]);
    expect(before.changedAt).toBe(engine.status().revision);
    await access.enable();
    let last = access.revision;
    const moves = async (change: Promise<unknown>): Promise<void> => {
      await change;
      expect(access.revision).toBeGreaterThan(last);
      expect(access.revision).toBe(engine.status().revision);
      last = access.revision;
    };
    await moves(access.grant('alice', 'read', ['a']));
    await moves(access.revoke('alice', 'a'));
    await moves(access.change({ kind: 'change-password', name: 'alice', password }));
    await moves(access.change({ kind: 'delete-user', name: 'alice' }));
    await access.disable();
    expect([access.revision, (await rules()).secret]).toEqual([0, undefined]);
  });

  it('is changed by many at once, each change once', async () => {
    await access.enable();
    const names = Array.from({ length: 20 }, (_, at) => `u${String(at).padStart(2, '0')}`);
    await Promise.all(names.map((name) => access.change(addUser(name))));
    expect((await rules()).userNames).toEqual(['root', ...names]);
  });

  it('keeps its own keys from everybody', async () => {
    const root = await access.enable();
    const alice = await access.add('alice');
    const read = engine.range(rangeRequest(allRange), { actor: 'test', subject: alice });
    await expect(read).rejects.toMatchObject({ reason: 'denied' });
    const write = engine.put(putRequest(gateRange, utf8('')), { actor: 'test', subject: alice });
    await expect(write).rejects.toMatchObject({ reason: 'denied' });
    const seen = await engine.range(rangeRequest(allRange), { actor: 'test', subject: root });
    expect(seen.body.count).toBeGreaterThan(0);
  });
});
