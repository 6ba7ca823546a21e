// Goal: etcd's Auth service answers as etcd does, each refusal in etcd's own words, and what its
// users may not do is refused in the KV service as well. Method: all services over an engine in
// memory, called as the door calls them, with whom a token proves.
import { ManualClock } from '@holdfast/base/manual-clock';
import type { Subject } from '@holdfast/domain/subject';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { encode } from '@holdfast/proto/encode';
import * as wire from '@holdfast/proto/etcd';
import { Permission_Type } from '@holdfast/proto/etcd-auth';
import { beforeEach, describe, expect, it } from 'vitest';

import { testAccess } from '../access/access.fixture.ts';
import type { Access } from '../access/access.ts';
import { EngineSlot } from '../engine-slot.ts';
import { type Codec, framed, type GrpcMethods, unframed } from '../grpc/method.ts';
import { GrpcStatus } from '../grpc/status.ts';
import { etcdServices } from './etcd-services.ts';
import { defaultEtcdSettings } from './etcd-settings.ts';
import { judged } from './method-needs.ts';

let engine: MemoryEngine;
let access: Access;
let methods: GrpcMethods;

beforeEach(() => {
  const clock = new ManualClock();
  engine = new MemoryEngine({ clock });
  const slot = new EngineSlot();
  slot.fill(engine);
  access = testAccess(slot, clock);
  methods = etcdServices({
    ...{ engine: () => slot.engine, access, clock, requestBytesMax: 2000 },
    settings: defaultEtcdSettings,
    show: () => undefined,
  });
});

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const signal = new AbortController().signal;

type Codecs<Request, Response> = readonly [string, Codec<Request>, Codec<Response>];

/** Answers the message, or `CODE sentence`. */
async function ask<Request, Response>(
  [path, request, response]: Codecs<Request, Response>,
  more: Partial<Request> = {},
  subject?: Subject,
): Promise<Response | string> {
  const method = methods.get(`/etcdserverpb.${path}`);
  if (method?.kind !== 'unary') throw new Error(`no method ${path}`);
  const value = { ...request.decode(new Uint8Array(0)), ...more };
  const call = { actor: 'tester', subject, signal, header: () => undefined };
  try {
    return response.decode(unframed(await method.handle(encode(request, value), call)));
  } catch (error) {
    const { code, message } = error instanceof GrpcStatus ? error : method.statusOf(error);
    return `${code} ${message}`;
  }
}

const auth = {
  enable: ['Auth/AuthEnable', wire.AuthEnableRequest, wire.AuthEnableResponse],
  disable: ['Auth/AuthDisable', wire.AuthDisableRequest, wire.AuthDisableResponse],
  status: ['Auth/AuthStatus', wire.AuthStatusRequest, wire.AuthStatusResponse],
  login: ['Auth/Authenticate', wire.AuthenticateRequest, wire.AuthenticateResponse],
  userAdd: ['Auth/UserAdd', wire.AuthUserAddRequest, wire.AuthUserAddResponse],
  userGet: ['Auth/UserGet', wire.AuthUserGetRequest, wire.AuthUserGetResponse],
  userList: ['Auth/UserList', wire.AuthUserListRequest, wire.AuthUserListResponse],
  userDelete: ['Auth/UserDelete', wire.AuthUserDeleteRequest, wire.AuthUserDeleteResponse],
  password: [
    'Auth/UserChangePassword',
    wire.AuthUserChangePasswordRequest,
    wire.AuthUserChangePasswordResponse,
  ],
  grantRole: ['Auth/UserGrantRole', wire.AuthUserGrantRoleRequest, wire.AuthUserGrantRoleResponse],
  revokeRole: [
    'Auth/UserRevokeRole',
    wire.AuthUserRevokeRoleRequest,
    wire.AuthUserRevokeRoleResponse,
  ],
  roleAdd: ['Auth/RoleAdd', wire.AuthRoleAddRequest, wire.AuthRoleAddResponse],
  roleGet: ['Auth/RoleGet', wire.AuthRoleGetRequest, wire.AuthRoleGetResponse],
  roleList: ['Auth/RoleList', wire.AuthRoleListRequest, wire.AuthRoleListResponse],
  roleDelete: ['Auth/RoleDelete', wire.AuthRoleDeleteRequest, wire.AuthRoleDeleteResponse],
  grant: [
    'Auth/RoleGrantPermission',
    wire.AuthRoleGrantPermissionRequest,
    wire.AuthRoleGrantPermissionResponse,
  ],
  revoke: [
    'Auth/RoleRevokePermission',
    wire.AuthRoleRevokePermissionRequest,
    wire.AuthRoleRevokePermissionResponse,
  ],
  put: ['KV/Put', wire.PutRequest, wire.PutResponse],
  range: ['KV/Range', wire.RangeRequest, wire.RangeResponse],
  compact: ['KV/Compact', wire.CompactionRequest, wire.CompactionResponse],
} as const;

const perm = (key: string, rangeEnd = '', permType: Permission_Type = Permission_Type.READ) => ({
  ...{ key: bytes(key), rangeEnd: bytes(rangeEnd), permType },
});

/** Root and alice, who may read a to b; answers who they are by their tokens. */
async function enabled(): Promise<{ readonly root: Subject; readonly alice: Subject }> {
  await ask(auth.userAdd, { name: 'root', password: 'pw' });
  await ask(auth.grantRole, { user: 'root', role: 'root' });
  await ask(auth.userAdd, { name: 'alice', password: 'pw' });
  await ask(auth.roleAdd, { name: 'readers' });
  await ask(auth.grant, { name: 'readers', perm: perm('a', 'b') });
  await ask(auth.grantRole, { user: 'alice', role: 'readers' });
  expect(await ask(auth.enable)).toMatchObject({ header: { revision: expect.anything() } });
  return { root: await proven('root'), alice: await proven('alice') };
}

async function proven(name: string): Promise<Subject> {
  const answer = await ask(auth.login, { name, password: 'pw' });
  return await access.byToken((answer as wire.AuthenticateResponse).token);
}

describe('the Auth service', () => {
  it('refuses in the words of etcd', async () => {
    const add = (name: string, more: object = { password: 'pw' }) =>
      ask(auth.userAdd, { name, ...more });
    expect(await ask(auth.enable)).toBe('9 etcdserver: root user does not exist');
    expect(await add('')).toBe('3 etcdserver: user name is empty');
    await add('root');
    expect(await ask(auth.enable)).toBe('9 etcdserver: root user does not have root role');
    expect(await add('root')).toBe('9 etcdserver: user name already exists');
    expect(await add('bob', {})).toBe('3 a password has at least one character');
    expect(await add('bob', { password: 'a', hashedPassword: 'b' })).toContain('3 a hash is not');
    expect(await ask(auth.userGet, { name: 'bob' })).toBe('9 etcdserver: user name not found');
    expect(await ask(auth.userDelete, { name: 'bob' })).toBe('9 etcdserver: user name not found');
    expect(await ask(auth.password, { name: 'bob', password: 'pw' })).toBe(
      '9 etcdserver: user name not found',
    );
    const roleless = { user: 'root', role: 'readers' };
    expect(await ask(auth.grantRole, roleless)).toBe('9 etcdserver: role name not found');
    expect(await ask(auth.grantRole, { ...roleless, user: 'bob' })).toBe(
      '9 etcdserver: user name not found',
    );
    expect(await ask(auth.revokeRole, { name: 'root', role: 'readers' })).toBe(
      '9 etcdserver: role is not granted to the user',
    );
    expect(await ask(auth.roleAdd, { name: '' })).toBe('3 etcdserver: role name is empty');
    await ask(auth.roleAdd, { name: 'readers' });
    expect(await ask(auth.roleAdd, { name: 'readers' })).toBe(
      '9 etcdserver: role name already exists',
    );
    const missing = '9 etcdserver: role name not found';
    expect(await ask(auth.roleGet, { role: 'x' })).toBe(missing);
    expect(await ask(auth.roleDelete, { role: 'x' })).toBe(missing);
    expect(await ask(auth.grant, { name: 'x', perm: perm('a') })).toBe(missing);
    expect(await ask(auth.grant, { name: 'readers' })).toBe('3 etcdserver: permission not given');
    const backwards = { name: 'readers', perm: perm('b', 'a') };
    expect(await ask(auth.grant, backwards)).toBe('3 etcdserver: invalid auth management');
    expect(await ask(auth.revoke, { role: 'readers', key: bytes('a') })).toBe(
      '9 etcdserver: permission is not granted to the role',
    );
    expect(await ask(auth.login, { name: 'root', password: 'pw' })).toBe(
      '9 etcdserver: authentication is not enabled',
    );
  });

  it('shows users and roles', async () => {
    await enabled();
    const root = await proven('root');
    const show = async () => [
      await ask(auth.userList, {}, root),
      await ask(auth.roleList, {}, root),
      await ask(auth.userGet, { name: 'alice' }, root),
      await ask(auth.roleGet, { role: 'readers' }, root),
    ];
    expect(await show()).toMatchObject([
      { users: ['alice', 'root'] },
      { roles: ['readers'] },
      { roles: ['readers'] },
      { perm: [perm('a', 'b')] },
    ]);
    await ask(auth.roleAdd, { name: 'root' }, root);
    expect(await ask(auth.roleGet, { role: 'root' }, root)).toMatchObject({
      perm: [{ key: bytes(''), rangeEnd: bytes('\0'), permType: Permission_Type.READWRITE }],
    });
    await ask(auth.revoke, { role: 'readers', key: bytes('a'), rangeEnd: bytes('b') }, root);
    await ask(auth.revokeRole, { name: 'alice', role: 'readers' }, root);
    await ask(auth.roleDelete, { role: 'readers' }, root);
    await ask(auth.userDelete, { name: 'alice' }, root);
    expect([await ask(auth.userList, {}, root), await ask(auth.roleList, {}, root)]).toMatchObject([
      { users: ['root'] },
      { roles: ['root'] },
    ]);
  });

  it('is root alone while it is on, but for what is about oneself', async () => {
    const { root, alice } = await enabled();
    const denied = '7 etcdserver: permission denied';
    const nobody = '3 etcdserver: user name is empty';
    const calls = (subject?: Subject) => [
      ask(auth.status, {}, subject),
      ask(auth.disable, {}, subject),
      ask(auth.userList, {}, subject),
      ask(auth.roleList, {}, subject),
      ask(auth.userAdd, { name: 'x', password: 'y' }, subject),
      ask(auth.userGet, { name: 'root' }, subject),
      ask(auth.roleGet, { role: 'root' }, subject),
    ];
    expect(await Promise.all(calls(alice))).toEqual(Array(7).fill(denied));
    expect(await Promise.all(calls())).toEqual(Array(7).fill(nobody));
    expect(await ask(auth.userGet, { name: 'alice' }, alice)).toMatchObject({ roles: ['readers'] });
    expect(await ask(auth.roleGet, { role: 'readers' }, alice)).toMatchObject({
      perm: [perm('a', 'b')],
    });
    const protectedCalls = [
      ask(auth.userDelete, { name: 'root' }, root),
      ask(auth.revokeRole, { name: 'root', role: 'root' }, root),
    ];
    expect(await Promise.all(protectedCalls)).toEqual(
      Array(2).fill('3 etcdserver: invalid auth management'),
    );
    const before = await ask(auth.status, {}, root);
    expect(before).toMatchObject({ enabled: true });
    await ask(auth.roleAdd, { name: 'more' }, root);
    const after = await ask(auth.status, {}, root);
    const revisionOf = (one: unknown) => (one as wire.AuthStatusResponse).authRevision;
    expect(revisionOf(after)).toBeGreaterThan(revisionOf(before));
    await ask(auth.disable, {}, root);
    expect(await ask(auth.status)).toMatchObject({ enabled: false });
  });

  it('gives tokens for passwords, which end with them', async () => {
    const { root, alice } = await enabled();
    const wrong = '3 etcdserver: authentication failed, invalid user ID or password';
    expect(await ask(auth.login, { name: 'alice', password: 'x' })).toBe(wrong);
    expect(await ask(auth.login, { name: 'mallory', password: 'pw' })).toBe(wrong);
    await ask(auth.userAdd, { name: 'bob', options: { noPassword: true } }, root);
    expect(await ask(auth.login, { name: 'bob', password: '' })).toBe(wrong);
    expect(await ask(auth.range, { key: bytes('a') }, alice)).toMatchObject({ count: 0 });
    await ask(auth.password, { name: 'alice', password: 'new' }, root);
    expect(await ask(auth.range, { key: bytes('a') }, alice)).toBe(
      '16 etcdserver: invalid auth token',
    );
  });

  it('has the KV service refuse what is not permitted', async () => {
    const { root, alice } = await enabled();
    const denied = '7 etcdserver: permission denied';
    const put = (key: string, subject?: Subject) =>
      ask(auth.put, { key: bytes(key), value: bytes('v') }, subject);
    expect(await put('a', alice)).toBe(denied);
    expect(await put('a')).toBe('3 etcdserver: user name is empty');
    expect(await put('a', root)).toMatchObject({ header: {} });
    expect(await ask(auth.range, { key: bytes('c') }, alice)).toBe(denied);
    expect(await ask(auth.compact, { revision: 2n }, alice)).toBe(denied);
    expect(await ask(auth.compact, { revision: 2n }, root)).toMatchObject({ header: {} });
  });
});

describe('a method', () => {
  const path = '/etcdserverpb.Maintenance/Defragment';
  const statusOf = (error: unknown) => new GrpcStatus(2, (error as { reason: string }).reason);

  it('that no engine judges is root alone, unless it is listed as open', async () => {
    const { root, alice } = await enabled();
    const handle = async () => framed(wire.DefragmentResponse, { header: undefined });
    const alarmPath = '/etcdserverpb.Maintenance/Alarm';
    const openPath = '/etcdserverpb.Cluster/MemberList';
    const method = { name: 'x', kind: 'unary', statusOf, handle } as const;
    const all = judged(new Map([path, alarmPath, openPath].map((one) => [one, method])), access);
    const call = async (at: string, subject?: Subject, message: Uint8Array = new Uint8Array(0)) => {
      const found = all.get(at);
      if (found?.kind !== 'unary') throw new Error('no method');
      const options = { actor: 'tester', subject, signal, header: () => undefined };
      return await found.handle(message, options).then(
        () => 'done',
        (error: unknown) => found.statusOf(error).message,
      );
    };
    expect([await call(path), await call(path, alice), await call(path, root)]).toEqual([
      ...['nobody-asks', 'denied', 'done'],
    ]);
    const { ACTIVATE } = wire.AlarmRequest_AlarmAction;
    const alarm = encode(wire.AlarmRequest, { action: ACTIVATE, memberID: 0n, alarm: 0 });
    expect([await call(alarmPath), await call(alarmPath, alice, alarm)]).toEqual([
      ...['done', 'denied'],
    ]);
    expect([await call(openPath), all.get(openPath)?.isOpen]).toEqual(['done', true]);
  });

  it('of a stream is opened for root alone, and is told of all that came before', async () => {
    const { root, alice } = await enabled();
    const seen: string[] = [];
    const inner = {
      ...({ name: 'x', kind: 'stream', statusOf } as const),
      open: () => ({
        onMessage: () => void seen.push('message'),
        onEnd: () => void seen.push('end'),
        onRoom: () => undefined,
        onGone: () => undefined,
      }),
    };
    const stream = judged(new Map([[path, inner]]), access).get(path);
    const open = async (subject?: Subject) => {
      if (stream?.kind !== 'stream') throw new Error('no stream');
      const reader = stream.open({
        ...{ actor: 'tester', subject, signal, header: () => undefined, send: () => true },
        unsentBytes: () => 0,
        end: (status) => void seen.push(status === 'ok' ? 'ok' : status.message),
        pause: () => void seen.push('pause'),
        resume: () => void seen.push('resume'),
      });
      reader.onEnd();
      await new Promise((resolve) => setImmediate(resolve));
      reader.onMessage(new Uint8Array(0));
      return seen.splice(0);
    };
    expect(await open(root)).toEqual(['pause', 'resume', 'message']);
    expect(await open(alice)).toEqual(['pause', 'denied']);
    expect(await open()).toEqual(['pause', 'nobody-asks']);
  });
});
