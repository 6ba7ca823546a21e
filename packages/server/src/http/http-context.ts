// What every group of routes is given, and how a group joins the door.
import type { Clock } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import type { RecentCounts } from '@holdfast/base/recent-counts';
import type { FastifyInstance } from 'fastify';

import type { EngineSlot } from '../engine-slot.ts';
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
  /** Of one connection that speaks frames. */
  readonly watchesMax: number;
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
  watchesMax: 65_536,
  callTimeoutMs: 30_000,
  heartbeatMs: 15_000,
};

export type HttpContext = {
  readonly slot: EngineSlot;
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

/** A group of routes: registers itself on an encapsulated app. */
export type RouteGroup = (app: FastifyInstance, context: HttpContext) => void;
