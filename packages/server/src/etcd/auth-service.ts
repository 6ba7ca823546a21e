// etcd's Auth service: users, roles and permissions on the engine's rules, in etcd's own words.
// While access control is on all of it is root's, but what says something of the caller itself.
import { randomBytes } from 'node:crypto';

import { HoldfastError } from '@holdfast/base/errors';
import { AccessError } from '@holdfast/domain/access-error';
import type { AccessChange } from '@holdfast/domain/access-plan';
import { type AccessRules, rootName } from '@holdfast/domain/access-rules';
import type { Permission, PermissionKind } from '@holdfast/domain/permission';
import { AccessService } from '@holdfast/engine/access-service';
import type { Answer } from '@holdfast/engine/engine';
import * as wire from '@holdfast/proto/etcd';
import { Permission_Type, type Permission as WirePermission } from '@holdfast/proto/etcd-auth';

import { flat, shapeOf } from '../field-count.ts';
import {
  type Codec,
  type GrpcCall,
  shaped,
  type UnaryMethod,
  unaryMethod,
} from '../grpc/method.ts';
import type { EtcdServiceOptions } from './etcd-service-options.ts';
import { etcdStatusOf } from './etcd-status.ts';
import { headerOf } from './response-header.ts';

const secretBytes = 32;
/** The messages in these requests: what a user is like, and what is permitted. */
const ofAdding = { shape: shapeOf([3, flat]) };
const ofGrant = { shape: shapeOf([2, flat]) };

/** The methods by their paths. */
export function authService(options: EtcdServiceOptions): ReadonlyMap<string, UnaryMethod> {
  const auth = new AuthService(options);
  const methods = [...auth.switches(), ...auth.users(), ...auth.roles()];
  return new Map(methods.map((method) => [`/etcdserverpb.${method.name}`, method]));
}

/** Of an answer to a change: nothing but the header. */
type HeaderOnly = { readonly header: wire.ResponseHeader | undefined };
type Codecs<Request, Response> = readonly [Codec<Request>, Codec<Response>];

const named = (name: string) => ({ name: `Auth/${name}`, statusOf: etcdStatusOf });

class AuthService {
  readonly #options: EtcdServiceOptions;

  constructor(options: EtcdServiceOptions) {
    this.#options = options;
  }

  switches(): readonly UnaryMethod[] {
    return [
      this.#change('AuthEnable', [wire.AuthEnableRequest, wire.AuthEnableResponse], () => ({
        kind: 'enable',
        secret: new Uint8Array(randomBytes(secretBytes)),
      })),
      this.#change('AuthDisable', [wire.AuthDisableRequest, wire.AuthDisableResponse], () => ({
        kind: 'disable',
      })),
      this.#look('AuthStatus', [wire.AuthStatusRequest, wire.AuthStatusResponse], (rules) => ({
        enabled: rules.isOn,
        authRevision: rules.changedAt,
      })),
      unaryMethod(
        named('Authenticate'),
        [wire.AuthenticateRequest, wire.AuthenticateResponse],
        (request, call) => this.#authenticate(request, call),
      ),
    ];
  }

  users(): readonly UnaryMethod[] {
    return [
      this.#change(
        'UserAdd',
        [shaped(wire.AuthUserAddRequest, ofAdding), wire.AuthUserAddResponse],
        async (request, call) => ({
          kind: 'add-user',
          name: request.name,
          password: request.options?.noPassword ? undefined : await this.#kept(request, call),
        }),
      ),
      this.#change(
        'UserDelete',
        [wire.AuthUserDeleteRequest, wire.AuthUserDeleteResponse],
        ({ name }) => ({ kind: 'delete-user', name }),
      ),
      this.#change(
        'UserChangePassword',
        [wire.AuthUserChangePasswordRequest, wire.AuthUserChangePasswordResponse],
        async (request, call) => ({
          kind: 'change-password',
          name: request.name,
          password: await this.#kept(request, call),
        }),
      ),
      this.#change(
        'UserGrantRole',
        [wire.AuthUserGrantRoleRequest, wire.AuthUserGrantRoleResponse],
        ({ user, role }) => ({ kind: 'grant-role', user, role }),
      ),
      this.#change(
        'UserRevokeRole',
        [wire.AuthUserRevokeRoleRequest, wire.AuthUserRevokeRoleResponse],
        ({ name, role }) => ({ kind: 'revoke-role', user: name, role }),
      ),
      this.#look('UserList', [wire.AuthUserListRequest, wire.AuthUserListResponse], (rules) => ({
        users: [...rules.userNames],
      })),
      this.#lookOwn('UserGet', [wire.AuthUserGetRequest, wire.AuthUserGetResponse], userView),
    ];
  }

  roles(): readonly UnaryMethod[] {
    return [
      this.#change('RoleAdd', [wire.AuthRoleAddRequest, wire.AuthRoleAddResponse], ({ name }) => ({
        kind: 'add-role',
        name,
      })),
      this.#change(
        'RoleDelete',
        [wire.AuthRoleDeleteRequest, wire.AuthRoleDeleteResponse],
        ({ role }) => ({ kind: 'delete-role', name: role }),
      ),
      this.#change(
        'RoleGrantPermission',
        [
          shaped(wire.AuthRoleGrantPermissionRequest, ofGrant),
          wire.AuthRoleGrantPermissionResponse,
        ],
        ({ name, perm }) => ({
          kind: 'grant-permission',
          role: name,
          permission: perm && permissionOf(perm),
        }),
      ),
      this.#change(
        'RoleRevokePermission',
        [wire.AuthRoleRevokePermissionRequest, wire.AuthRoleRevokePermissionResponse],
        ({ role, key, rangeEnd }) => ({ kind: 'revoke-permission', role, key, rangeEnd }),
      ),
      this.#look('RoleList', [wire.AuthRoleListRequest, wire.AuthRoleListResponse], (rules) => ({
        roles: [...rules.roleNames],
      })),
      this.#lookOwn('RoleGet', [wire.AuthRoleGetRequest, wire.AuthRoleGetResponse], roleView),
    ];
  }

  #change<Request, Response extends HeaderOnly>(
    name: string,
    codecs: Codecs<Request, Response>,
    changeOf: (request: Request, call: GrpcCall) => AccessChange | Promise<AccessChange>,
  ): UnaryMethod {
    return unaryMethod(named(name), codecs, async (request, call) => {
      const change = await changeOf(request, call);
      const { header } = await new AccessService(this.#options.engine()).change(change, call);
      return { header: headerOf(header) } as Response;
    });
  }

  /** What root alone may look at. */
  #look<Request, Response extends HeaderOnly>(
    name: string,
    codecs: Codecs<Request, Response>,
    viewOf: (rules: AccessRules) => Omit<Response, 'header'>,
  ): UnaryMethod {
    return unaryMethod(named(name), codecs, async (_request, call) => {
      const { header, body } = await this.#rules(call);
      body.requireRoot(call.subject);
      return { header: headerOf(header), ...viewOf(body) } as Response;
    });
  }

  /** What everybody may look at of itself. */
  #lookOwn<Request, Response extends HeaderOnly>(
    name: string,
    codecs: Codecs<Request, Response>,
    viewOf: (rules: AccessRules, look: Look<Request>) => Omit<Response, 'header'>,
  ): UnaryMethod {
    return unaryMethod(named(name), codecs, async (request, call) => {
      const { header, body } = await this.#rules(call);
      const mayAll = body.grantFor(call.subject) === undefined;
      const own = typeof call.subject === 'object' ? call.subject.name : undefined;
      const view = viewOf(body, { request, own: mayAll ? undefined : own });
      return { header: headerOf(header), ...view } as Response;
    });
  }

  #rules(call: GrpcCall): Promise<Answer<AccessRules>> {
    return new AccessService(this.#options.engine()).rules(call);
  }

  async #authenticate(
    { name, password }: wire.AuthenticateRequest,
    call: GrpcCall,
  ): Promise<wire.AuthenticateResponse> {
    const token = await this.#options.access.login(name, password, call);
    const { header } = await this.#rules(call);
    return { header: headerOf(header), token };
  }

  /** What is kept of a password; whoever may not set it makes nobody work. */
  async #kept({ password, hashedPassword }: NewPassword, call: GrpcCall) {
    const { access } = this.#options;
    await access.requireRoot(call.subject, call.signal);
    if (hashedPassword !== '') throw invalid('a hash is not taken: send the password itself');
    if (password === '') throw invalid('a password has at least one character');
    return await access.passwords.keep(password, call.from);
  }
}

type NewPassword = { readonly password: string; readonly hashedPassword: string };

/** `own`: whose view it is, unless it may see everything. */
type Look<Request> = { readonly request: Request; readonly own: string | undefined };

function userView(rules: AccessRules, { request: { name }, own }: Look<wire.AuthUserGetRequest>) {
  if (own !== undefined && own !== name) throw new AccessError('denied');
  const user = rules.user(name);
  if (!user) throw new AccessError('user-missing');
  return { roles: [...user.roles] };
}

function roleView(rules: AccessRules, { request, own }: Look<wire.AuthRoleGetRequest>) {
  const name = request.role;
  const has = own === undefined || rules.user(own)?.roles.includes(name);
  if (!has) throw new AccessError('denied');
  const role = rules.role(name);
  if (!role) throw new AccessError('role-missing');
  return { perm: name === rootName ? [everything] : role.permissions.map(permissionView) };
}

const everything: WirePermission = {
  permType: Permission_Type.READWRITE,
  key: new Uint8Array(0),
  rangeEnd: new Uint8Array(1),
};

const typeOf: Readonly<Record<PermissionKind, Permission_Type>> = {
  read: Permission_Type.READ,
  write: Permission_Type.WRITE,
  readwrite: Permission_Type.READWRITE,
};

const permissionView = ({ kind, key, rangeEnd }: Permission): WirePermission => ({
  permType: typeOf[kind],
  key,
  rangeEnd,
});

function permissionOf({ permType, key, rangeEnd }: WirePermission): Permission {
  const kinds: readonly PermissionKind[] = ['read', 'write', 'readwrite'];
  const kind = kinds.find((one) => typeOf[one] === permType);
  if (!kind) throw new AccessError('permission-invalid');
  return { kind, key, rangeEnd };
}

const invalid = (message: string): HoldfastError => new HoldfastError('invalid-argument', message);
