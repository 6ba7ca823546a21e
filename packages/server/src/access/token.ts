// Tokens: who it is, by which password, and until when, signed with the cluster's secret. Any
// member can judge one without asking anybody; nothing is kept of those that were given out.
// Another password, another secret, or a user that is gone ends it.
//
//   base64url(JSON {u: user, p: revision of the password, e: end in ms}) "." base64url(HMAC-SHA256)
import { createHmac, timingSafeEqual } from 'node:crypto';

import type { ClusterId } from '@holdfast/base/ids';

export type TokenFacts = {
  readonly name: string;
  readonly passwordRevision: number;
  /** By the wall clock. */
  readonly endsAtMs: number;
};

/** A restored copy of a cluster has its secret, and not its id. */
export type TokenKey = { readonly secret: Uint8Array; readonly clusterId: ClusterId };

const textMax = 2048;

export function signToken(facts: TokenFacts, key: TokenKey): string {
  const { name, passwordRevision, endsAtMs } = facts;
  const json = JSON.stringify({ u: name, p: passwordRevision, e: endsAtMs });
  const body = Buffer.from(json).toString('base64url');
  return `${body}.${signatureOf(body, key).toString('base64url')}`;
}

/** Undefined: it was not signed with that key, or is no token at all. */
export function readToken(token: string, key: TokenKey): TokenFacts | undefined {
  const [body, signature, ...more] = token.length <= textMax ? token.split('.') : [];
  if (body === undefined || signature === undefined || more.length > 0) return undefined;
  const wanted = signatureOf(body, key);
  const given = Buffer.from(signature, 'base64url');
  if (given.length !== wanted.length || !timingSafeEqual(given, wanted)) return undefined;
  const { u, p, e } = JSON.parse(Buffer.from(body, 'base64url').toString()) as SignedFacts;
  return { name: u, passwordRevision: p, endsAtMs: e };
}

/** As signToken wrote them: nobody else can have. */
type SignedFacts = { readonly u: string; readonly p: number; readonly e: number };

const signatureOf = (body: string, { secret, clusterId }: TokenKey): Buffer =>
  createHmac('sha256', secret).update(`${clusterId}.${body}`).digest();
