// Who sends a request over HTTP: found out once, before any route sees it, and only while access
// control is on. A header proves a user; without one the client's certificate does, if it showed
// one.
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

import { AccessError } from '@holdfast/domain/access-error';
import type { ProvenUser, Subject } from '@holdfast/domain/subject';

import type { Access } from '../access/access.ts';
import { type Credentials, credentialsOf } from '../access/credentials.ts';
import { needOf } from '../access/route-needs.ts';
import { isGatewayUrl } from '../gateway/gateway-paths.ts';
import { actorNamed, userActor } from './call-options.ts';
import { certifiedNameOf } from './certified-door.ts';
import { type HttpContext, tellFault } from './http-context.ts';
import { problemHeaders, problemOf, problemText } from './problem.ts';
import type { RouteTable } from './route-table.ts';

/** Of requests with a header that proves somebody. */
const users = new WeakMap<IncomingMessage, ProvenUser>();

/** Undefined: nobody is proven to ask. */
export const subjectOf = (request: IncomingMessage): Subject | undefined =>
  users.get(request) ?? certifiedUser(request.socket);

export function certifiedUser(socket: Socket): ProvenUser | undefined {
  const name = certifiedNameOf(socket);
  return name === undefined ? undefined : { name, passwordRevision: undefined };
}

/** Who asks, for the history; a name that nobody has proven says so. */
export function actorOf(request: IncomingMessage): string {
  const user = users.get(request);
  if (user) return userActor(user.name);
  return actorNamed(request.headers['holdfast-actor'], request.socket);
}

/** The same of all that are gone. */
export const addressOf = ({ remoteAddress = '' }: Socket): string => remoteAddress;

export function provenBy(
  access: Access,
  credentials: Credentials | undefined,
  socket: Socket,
): ProvenUser | Promise<ProvenUser> {
  if (!credentials) throw new AccessError('proof-ended');
  return credentials.kind === 'token'
    ? access.byToken(credentials.token)
    : access.byPassword(credentials.name, credentials.password, { from: addressOf(socket) });
}

/**
 * Around a server's listener; who asks without a header, or while it matters not, waits for
 * nothing. Of what is anybody's a proof is not looked at: one that has ended must not turn a probe
 * away. The gateway finds out by itself who calls: it takes what gRPC takes, and its login is
 * anybody's.
 */
export function identifying(
  listener: RequestListener,
  { context: { access, onFault }, table }: IdentifyingOptions,
): RequestListener {
  return (request, response) => {
    const { authorization } = request.headers;
    if (authorization === undefined || !access.isOn || mayBeAnybody(request)) {
      listener(request, response);
      return;
    }
    identify(request, access).then(
      () => listener(request, response),
      (error: unknown) => {
        tellFault({ onFault }, error, 'who asks');
        if (isThere(request, table)) refuse(response, error);
        else listener(request, response);
      },
    );
  };
}

export type IdentifyingOptions = {
  readonly context: Pick<HttpContext, 'access' | 'onFault'>;
  readonly table: RouteTable;
};

/** Of what there is not everybody is told so: which routes there are is no secret. */
function isThere({ method = '', url = '' }: IncomingMessage, table: RouteTable): boolean {
  const [path = ''] = url.split('?', 1);
  return table.has(method, path);
}

function mayBeAnybody({ method = '', url = '' }: IncomingMessage): boolean {
  const [path = ''] = url.split('?', 1);
  return isGatewayUrl(url) || needOf(method, path) === 'open';
}

async function identify(request: IncomingMessage, access: Access): Promise<void> {
  const credentials = credentialsOf(request.headers.authorization ?? '');
  users.set(request, await provenBy(access, credentials, request.socket));
}

function refuse(response: ServerResponse, error: unknown): void {
  const problem = problemOf(error);
  response.writeHead(problem.status, problemHeaders(error, problem));
  response.end(problemText(problem));
}
