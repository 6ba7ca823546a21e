// Who the other side of a connection of frames is, by its hello and by what else is known of it.
import type { Socket } from 'node:net';

import type { ProvenUser, Subject } from '@holdfast/domain/subject';
import type { Hello } from '@holdfast/proto/client';

import type { Access } from '../access/access.ts';
import type { Credentials } from '../access/credentials.ts';
import { actorNamed, userActor } from '../http/call-options.ts';
import { certifiedUser, provenBy } from '../http/caller.ts';
import type { HttpContext } from '../http/http-context.ts';

export type Caller = {
  readonly actor: string;
  readonly subject: Subject | undefined;
  /** It has said who it is: it can do so again. */
  readonly isNamed: boolean;
  /** Of its token, by the wall clock. Undefined: it came with none. */
  readonly endsAtMs?: number | undefined;
};

/** False: the token that it came with has ended meanwhile. All else is held against the rules. */
export function isProven(
  caller: Caller | undefined,
  { access, clock }: Pick<HttpContext, 'access' | 'clock'>,
): boolean {
  const endsAtMs = caller?.endsAtMs;
  return endsAtMs === undefined || endsAtMs > clock.wallMs() || !access.isOn;
}

export const nobody: Caller = { actor: '', subject: undefined, isNamed: false };

/** Throws, or rejects with, why it is nobody. While access control is off that does not matter. */
export function callerOf(access: Access, hello: Hello, socket: Socket): Caller | Promise<Caller> {
  const credentials = credentialsIn(hello);
  const isNamed = credentials !== undefined;
  if (!credentials || !access.isOn) {
    const actor = actorNamed(hello.actor === '' ? undefined : hello.actor, socket);
    return { actor, subject: certifiedUser(socket), isNamed };
  }
  const named = (user: ProvenUser): Caller => ({
    actor: userActor(user.name),
    subject: user,
    isNamed,
    endsAtMs: user.endsAtMs,
  });
  const user = provenBy(access, credentials, socket);
  return user instanceof Promise ? user.then(named) : named(user);
}

function credentialsIn({ user: name, password, token }: Hello): Credentials | undefined {
  if (token !== '') return { kind: 'token', token };
  return name === '' ? undefined : { kind: 'password', name, password };
}
