// Who makes a call of gRPC, whichever door it came through: by the token that it brings, else by
// the client's certificate. Passwords are taken, too, as over HTTP.
import type { Socket } from 'node:net';

import type { ProvenUser, Subject } from '@holdfast/domain/subject';

import type { Access } from '../access/access.ts';
import { credentialsOf } from '../access/credentials.ts';
import { actorNamed, userActor } from '../http/call-options.ts';
import { addressOf, certifiedUser, provenBy } from '../http/caller.ts';
import type { CallStream } from './call-stream.ts';
import type { GrpcMethod } from './method.ts';

export type GrpcCallerIdentity = {
  readonly actor: string;
  readonly subject: Subject | undefined;
  readonly from: string;
};

export type CallOrigin = {
  readonly call: Pick<CallStream, 'header'>;
  readonly method: GrpcMethod;
  readonly socket: Socket;
};

/**
 * At once but where this member has to ask others about a token, or a password is tried. Throws,
 * or rejects with, why it is nobody.
 */
export function identityOf(
  access: Access,
  { call, method, socket }: CallOrigin,
): GrpcCallerIdentity | Promise<GrpcCallerIdentity> {
  const from = addressOf(socket);
  const shown = method.isOpen || !access.isOn ? undefined : shownBy(call);
  if (shown === undefined) {
    const actor = actorNamed(call.header('holdfast-actor'), socket);
    return { actor, subject: certifiedUser(socket), from };
  }
  const identityOfUser = (user: ProvenUser): GrpcCallerIdentity => ({
    actor: userActor(user.name),
    subject: user,
    from,
  });
  const user = provenBy(access, credentialsOf(shown), socket);
  return user instanceof Promise ? user.then(identityOfUser) : identityOfUser(user);
}

/** As etcd's clients send a token, and as all others do. */
const shownBy = (call: Pick<CallStream, 'header'>): string | undefined =>
  call.header('token') ?? call.header('authorization');
