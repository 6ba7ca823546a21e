// What all requests in frames have in common: how fresh a read must be, where in a session a write
// stands, numbers and names as frames carry them. What can not be said in frames has no form here,
// and goes over HTTP, where the member says what is wrong with it.
import { ReadLevel } from '@holdfast/proto/client';

import type { ReadOptions } from './config-api.ts';
import type { FrameRequest } from './frame-calls.ts';

export type SessionPlace = NonNullable<FrameRequest['session']>;

type Body = NonNullable<FrameRequest['request']>;

export const writeFrame = (request: Body): FrameRequest => ({
  timeoutMs: 0,
  session: undefined,
  level: ReadLevel.LINEARIZABLE,
  maxAgeMs: 0,
  minRevision: 0,
  request,
});

/** Undefined: freshness that makes no sense. */
export function readFrame(request: Body, options: ReadOptions): FrameRequest | undefined {
  const { maxAgeMs = 0, minRevision = 0 } = options;
  const level = levelOf(options);
  if (level === undefined || !areNatural(maxAgeMs, minRevision)) return undefined;
  return { timeoutMs: 0, session: undefined, level, maxAgeMs, minRevision, request };
}

/** The same write, at a place of a session. */
export const inSession = (frame: FrameRequest, session: SessionPlace): FrameRequest => ({
  timeoutMs: frame.timeoutMs,
  session,
  level: frame.level,
  maxAgeMs: frame.maxAgeMs,
  minRevision: frame.minRevision,
  request: frame.request,
});

/** As the HTTP API reads its query: an age alone means bounded, and goes with nothing else. */
function levelOf({ consistency, maxAgeMs }: ReadOptions): ReadLevel | undefined {
  const isAged = maxAgeMs !== undefined;
  const level = consistency ?? (isAged ? 'bounded' : 'linearizable');
  if (isAged !== (level === 'bounded')) return undefined;
  if (level === 'bounded') return ReadLevel.BOUNDED;
  if (level === 'stale') return ReadLevel.STALE;
  return level === 'linearizable' ? ReadLevel.LINEARIZABLE : undefined;
}

export const areNatural = (...numbers: readonly number[]): boolean =>
  numbers.every((one) => Number.isSafeInteger(one) && one >= 0);

/** An id of 64 bits, above zero, as decimal digits; undefined: it is none. */
export function idOf(text: string): bigint | undefined {
  const id = /^\d{1,20}$/.test(text) ? BigInt(text) : 0n;
  return id > 0n && id < 1n << 64n ? id : undefined;
}

/** `ageMs` of an answer. */
export const ageOf = ({ ageMsPlusOne }: { readonly ageMsPlusOne: number }): number | undefined =>
  ageMsPlusOne === 0 ? undefined : ageMsPlusOne - 1;

/**
 * Bytes for the application to keep: a small part of what came in one piece would keep all of it.
 */
export const ownBytes = (bytes: Uint8Array): Uint8Array =>
  bytes.length * 2 > bytes.buffer.byteLength ? bytes : bytes.slice();
