// What every group of routes is given, and how a group joins the door.
import type { Clock } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import type { RecentCounts } from '@holdfast/base/recent-counts';
import type { FastifyInstance } from 'fastify';

import type { Access } from '../access/access.ts';
import type { EngineSlot } from '../engine-slot.ts';
import { operatingErrorOf } from '../errors.ts';
import type { AnswerGate } from './answer-gate.ts';
import type { CallDeadlines } from './call-deadlines.ts';
import type { FreshStreams } from './fresh-streams.ts';
import type { RequestTimes } from './request-times.ts';

/** Limits of the door; some of them are settings (`settings.ts`). */
export type HttpLimits = {
  /** A value, a configuration, a JSON document: larger is 413. */
  readonly bodyBytesMax: number;
  /** From the first to the last byte of the headers. */
  readonly headersTimeoutMs: number;
  /** From the first byte of a request to its last. */
  readonly requestTimeoutMs: number;
  /** Between two requests of one connection. */
  readonly keepAliveMs: number;
  /** Without a byte in either direction while an answer is on its way: a reader that stopped. */
  readonly stalledMs: number;
  /** Of lists, over all connections: bytes that were made and that no socket has taken yet. */
  readonly unreadBytesMax: number;
  /** A list whose reader has taken nothing for so long is broken off. */
  readonly unreadMs: number;
  readonly connectionsMax: number;
  /** Of all clients that speak frames. */
  readonly watchesMax: number;
  /** What all of them together may leave unread, looked at once a second. */
  readonly framesUnreadBytesMax: number;
  /** The longest that a call may wait, and its default. */
  readonly callTimeoutMs: number;
  /** Between two comments on a quiet event stream. */
  readonly heartbeatMs: number;
};

export const defaultHttpLimits: HttpLimits = {
  bodyBytesMax: 1024 * 1024,
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveMs: 75_000,
  stalledMs: 60_000,
  unreadBytesMax: 64 * 1024 * 1024,
  unreadMs: 30_000,
  connectionsMax: 10_000,
  watchesMax: 200_000,
  framesUnreadBytesMax: 256 * 1024 * 1024,
  callTimeoutMs: 30_000,
  heartbeatMs: 15_000,
};

/** As etcd's --max-request-bytes; a larger body-bytes-max holds for it, too. */
const etcdRequestBytes = 1.5 * 1024 * 1024;

/** Of one request of gRPC or in frames. */
export const requestBytesMax = ({ bodyBytesMax }: Pick<HttpLimits, 'bodyBytesMax'>): number =>
  Math.max(etcdRequestBytes, bodyBytesMax);

export type HttpContext = {
  readonly slot: EngineSlot;
  /** Who asks, and what only root may do. */
  readonly access: Access;
  readonly clock: Clock;
  readonly deadlines: CallDeadlines;
  readonly limits: HttpLimits;
  /** Of lists: what is made of them, and how much at a time. */
  readonly answers: AnswerGate;
  readonly times: RequestTimes;
  /** Calls that failed in the last minute, by code. */
  readonly failures: RecentCounts;
  /** Ends each event stream that is open, with a reason that its client is told. */
  readonly streams: Set<(reason: HoldfastError) => void>;
  /** Of readers that want nothing too old. */
  readonly freshStreams: FreshStreams;
  /** A fault that the client is not told: for the log. */
  readonly onFault: (error: unknown, where: string) => void;
};

/** To be asked of whatever a call has failed with: of a fault its client learns next to nothing. */
export function tellFault(
  { onFault }: Pick<HttpContext, 'onFault'>,
  error: unknown,
  where: string,
): void {
  if (operatingErrorOf(error).code === 'internal') onFault(error, where);
}

/** A group of routes: registers itself on an encapsulated app. */
export type RouteGroup = (app: FastifyInstance, context: HttpContext) => void;
