// Says with each request who asks, where members want to know (access control). Around any port.
import { HoldfastError } from '@holdfast/base/errors';

import type { HttpAnswer, HttpPort, HttpRequest } from './http-port.ts';

/** A user with its password; or a token, until that ends. */
export type ClientUser =
  | { readonly name: string; readonly password: string }
  | { readonly token: string };

export class AuthorizedHttp implements HttpPort {
  readonly #http: HttpPort;
  readonly #authorization: string;

  constructor(http: HttpPort, user: ClientUser) {
    this.#http = http;
    this.#authorization = authorizationOf(user);
  }

  /** A ping is anybody's, and tells nobody who it comes from. */
  request(request: HttpRequest): Promise<HttpAnswer> {
    if (request.isPing) return this.#http.request(request);
    const headers = { ...request.headers, authorization: this.#authorization };
    return this.#http.request({ ...request, headers });
  }

  close(): Promise<void> {
    return this.#http.close();
  }
}

/** `NAME:PASSWORD`. Throws `invalid-argument`. */
export function clientUserOf(text: string): ClientUser {
  const at = text.indexOf(':');
  if (at > 0) return { name: text.slice(0, at), password: text.slice(at + 1) };
  throw new HoldfastError('invalid-argument', 'a user is given as NAME:PASSWORD');
}

function authorizationOf(user: ClientUser): string {
  if ('token' in user) return `Bearer ${user.token}`;
  return `Basic ${Buffer.from(`${user.name}:${user.password}`).toString('base64')}`;
}
