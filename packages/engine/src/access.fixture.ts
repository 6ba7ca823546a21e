// For tests: users and roles on any engine in few words, with passwords that nobody has to guess.
import { utf8 } from '@holdfast/base/bytes';
import type { PasswordRecord } from '@holdfast/domain/access-record';
import type { PermissionKind } from '@holdfast/domain/permission';
import type { ProvenUser } from '@holdfast/domain/subject';
import { AccessService } from './access-service.ts';
import type { Engine } from './engine.ts';

export const password: PasswordRecord = {
  algorithm: 'scrypt',
  cost: 2,
  blockSize: 1,
  parallelization: 1,
  salt: utf8('salt'),
  hash: utf8('hash'),
};

export class TestAccess {
  readonly service: AccessService;
  readonly #engine: Engine;
  /** Root's, once there is one. */
  #as: { readonly actor: string; readonly subject?: ProvenUser } = { actor: 'test' };

  constructor(engine: Engine) {
    this.#engine = engine;
    this.service = new AccessService(engine);
  }

  change(change: Parameters<AccessService['change']>[0]) {
    return this.service.change(change, this.#as);
  }

  /** With a user root, who changes things from then on. */
  async enable(): Promise<ProvenUser> {
    await this.change({ kind: 'add-user', name: 'root', password });
    await this.change({ kind: 'grant-role', user: 'root', role: 'root' });
    await this.change({ kind: 'enable', secret: utf8('secret') });
    const root = await this.proven('root');
    this.#as = { actor: 'user:root', subject: root };
    return root;
  }

  async disable(): Promise<void> {
    await this.change({ kind: 'disable' });
  }

  /** A user with a role of the same name. */
  async add(name: string): Promise<ProvenUser> {
    await this.change({ kind: 'add-user', name, password });
    await this.change({ kind: 'add-role', name });
    await this.change({ kind: 'grant-role', user: name, role: name });
    return await this.proven(name);
  }

  async grant(
    role: string,
    kind: PermissionKind,
    [key, rangeEnd = '']: readonly [key: string, rangeEnd?: string],
  ): Promise<void> {
    const permission = { kind, key: utf8(key), rangeEnd: utf8(rangeEnd) };
    await this.change({ kind: 'grant-permission', role, permission });
  }

  async revoke(role: string, key: string, rangeEnd = ''): Promise<void> {
    const range = { key: utf8(key), rangeEnd: utf8(rangeEnd) };
    await this.change({ kind: 'revoke-permission', role, ...range });
  }

  /** As after a login. */
  async proven(name: string): Promise<ProvenUser> {
    const { body: rules } = await this.service.rules({ actor: 'test' });
    return { name, passwordRevision: rules.password(name)?.revision };
  }

  get revision(): number {
    return this.#engine.accessRules.revision;
  }
}
