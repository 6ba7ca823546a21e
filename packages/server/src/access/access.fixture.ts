// For tests: passwords that cost nothing, and a cluster with users through its own Auth service.
import type { Clock } from '@holdfast/base/clock';
import { AccessService } from '@holdfast/engine/access-service';
import type { Engine } from '@holdfast/engine/engine';

import type { EngineSlot } from '../engine-slot.ts';
import { Access } from './access.ts';
import { Passwords } from './passwords.ts';

export const cheapPasswords = (): Passwords =>
  new Passwords({ cost: 2, blockSize: 1, parallelization: 1 });

export function testAccess(slot: EngineSlot, clock: Clock, tokenLifeMs?: number): Access {
  return new Access({ slot, clock, tokenLifeMs, passwords: cheapPasswords() });
}

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

/** Users `root` and `alice`, whose passwords are their names; alice may do all from a to b. */
export async function enableAccess(engine: Engine): Promise<void> {
  const service = new AccessService(engine);
  const own = { actor: 'test', subject: 'own' } as const;
  const passwords = cheapPasswords();
  for (const name of ['root', 'alice']) {
    await service.change({ kind: 'add-user', name, password: await passwords.keep(name) }, own);
  }
  await service.change({ kind: 'add-role', name: 'writers' }, own);
  const permission = { kind: 'readwrite', key: text('a'), rangeEnd: text('b') } as const;
  await service.change({ kind: 'grant-permission', role: 'writers', permission }, own);
  await service.change({ kind: 'grant-role', user: 'alice', role: 'writers' }, own);
  await service.change({ kind: 'grant-role', user: 'root', role: 'root' }, own);
  await service.change({ kind: 'enable', secret: text('a secret of thirty-two bytes....') }, own);
}

export async function changePassword(engine: Engine, name: string, to: string): Promise<void> {
  const password = await cheapPasswords().keep(to);
  const own = { actor: 'test', subject: 'own' } as const;
  await new AccessService(engine).change({ kind: 'change-password', name, password }, own);
}

export async function disableAccess(engine: Engine): Promise<void> {
  await new AccessService(engine).change({ kind: 'disable' }, { actor: 'test', subject: 'own' });
}
