// What all calls of one client share: the caller, and how requests are dressed and answers read.
import type { Clock } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import type { Call, Caller, Reply } from './caller.ts';
import type { ClientSettings } from './client-settings.ts';
import type { ReadOptions } from './config-api.ts';
import type { ExactlyOnce } from './exactly-once.ts';

export type Session = {
  readonly caller: Caller;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: () => ClientSettings;
  /** Where writes take effect once; undefined: a write is sent as its kind says. */
  readonly once?: ExactlyOnce;
};

/** As the caller takes it: deadline and signal of a call, and whether its member may hold it. */
export const limitsOf = ({ timeoutMs, signal, minRevision }: ReadOptions) => ({
  timeoutMs,
  signal,
  isHeld: minRevision !== undefined,
});

export const send = (session: Session, call: Call): Promise<Reply> => {
  if (session.once && call.kind !== 'read') return session.once.write(call);
  return session.caller.call(call);
};

/** A JSON body and its header; what is undefined is left out. */
export const jsonBody = (value: unknown) => ({
  headers: { 'content-type': 'application/json' },
  body: new TextEncoder().encode(JSON.stringify(value)),
});

/** The reply, or undefined where the server says `not-found`. */
export async function sendForMaybe(session: Session, call: Call): Promise<Reply | undefined> {
  try {
    return await send(session, call);
  } catch (error) {
    if (error instanceof HoldfastError && error.code === 'not-found') return undefined;
    throw error;
  }
}

/** The body as JSON; something else is a fault of the member that answered. */
export function jsonOf<T>(reply: Reply): T {
  try {
    return JSON.parse(new TextDecoder().decode(reply.body)) as T;
  } catch (cause) {
    throw faultOf(reply, 'something else than JSON', cause);
  }
}

/** The body as JSON that tells the revision which it speaks of. */
export function jsonWithRevision<T extends { readonly revision: number }>(reply: Reply): T {
  const view = jsonOf<T | null>(reply);
  if (!Number.isSafeInteger(view?.revision)) throw faultOf(reply, 'no revision');
  return view as T;
}

/** Of a read nothing has been done; of a write nobody knows. */
function faultOf({ endpoint, isRead }: Reply, what: string, cause?: unknown): HoldfastError {
  return new HoldfastError('internal', `${endpoint} answered with ${what}`, {
    outcome: isRead ? 'not-applied' : 'unknown',
    cause,
  });
}

/** The body as JSON, and which endpoint has said so. */
export async function askOne<T extends object>(
  session: Session,
  call: Call,
): Promise<T & { readonly endpoint: string }> {
  const reply = await send(session, call);
  return { ...jsonOf<T>(reply), endpoint: reply.endpoint };
}

/** A header that is a number; undefined where it is missing or says `unknown`. */
export function numberHeader(reply: Reply, name: string): number | undefined {
  const text = reply.headers[name];
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : undefined;
}

/** A header that each such answer of a member has, and that is a number. */
export function neededNumber(reply: Reply, name: string): number {
  const value = numberHeader(reply, name);
  if (value === undefined) throw faultOf(reply, `no ${name}`);
  return value;
}

/** The revision in an ETag such as `"12"`. */
export function etagRevision(reply: Reply): number {
  const text = /^(?:W\/)?"(\d+)"$/.exec(reply.headers['etag'] ?? '')?.[1];
  if (text === undefined) throw faultOf(reply, 'no ETag');
  return Number(text);
}

/** `ifRevision` as a header: zero means "not there". */
export function preconditionHeaders(ifRevision: number | undefined): Record<string, string> {
  if (ifRevision === undefined) return {};
  return ifRevision === 0 ? { 'if-none-match': '*' } : { 'if-match': `"${ifRevision}"` };
}

/**
 * A condition that fails after a try of unknown outcome may have failed because of that very try.
 */
export const isOwnShadow = (error: unknown): error is HoldfastError =>
  error instanceof HoldfastError &&
  error.code === 'failed-precondition' &&
  error.outcome === 'unknown';

export const ownShadow = (error: HoldfastError): HoldfastError =>
  new HoldfastError('leadership-lost', `${error.message}; an earlier try may have done it`, {
    outcome: 'unknown',
    details: error.details,
    cause: error,
  });
