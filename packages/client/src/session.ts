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

/**
 * The body as JSON; something else is a fault of whoever answered, with an outcome nobody knows.
 */
export function jsonOf<T>(reply: Reply): T {
  try {
    return JSON.parse(new TextDecoder().decode(reply.body)) as T;
  } catch (cause) {
    throw new HoldfastError(
      'internal',
      `${reply.endpoint} answered with something else than JSON`,
      {
        outcome: 'unknown',
        cause,
      },
    );
  }
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

/** The revision in an ETag such as `"12"`; zero where there is none. */
export const etagRevision = (reply: Reply): number =>
  Number(/^(?:W\/)?"(\d+)"$/.exec(reply.headers['etag'] ?? '')?.[1] ?? 0);

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
