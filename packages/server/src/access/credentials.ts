// How a client shows who it is: a name with a password, or a token that it was given for them.

export type Credentials =
  | { readonly kind: 'password'; readonly name: string; readonly password: string }
  | { readonly kind: 'token'; readonly token: string };

/**
 * Of an Authorization header: `Basic`, `Bearer`, or the token alone, as clients of etcd's gateway
 * send it. Undefined: it is none of these.
 */
export function credentialsOf(authorization: string): Credentials | undefined {
  const [scheme = '', value, ...more] = authorization.trim().split(/ +/);
  if (more.length > 0 || scheme === '') return undefined;
  if (value === undefined) return { kind: 'token', token: scheme };
  if (scheme.toLowerCase() === 'bearer') return { kind: 'token', token: value };
  if (scheme.toLowerCase() !== 'basic') return undefined;
  const text = Buffer.from(value, 'base64').toString();
  return passwordOf(text);
}

/** `NAME:PASSWORD`; a name holds no colon. */
export function passwordOf(text: string): Credentials | undefined {
  const at = text.indexOf(':');
  if (at <= 0) return undefined;
  return { kind: 'password', name: text.slice(0, at), password: text.slice(at + 1) };
}

/** As credentialsOf reads it. */
export const authorizationOf = (of: Credentials): string =>
  of.kind === 'token'
    ? `Bearer ${of.token}`
    : `Basic ${Buffer.from(`${of.name}:${of.password}`).toString('base64')}`;
