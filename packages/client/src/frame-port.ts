// The SDK's port to the network for what goes in frames, the twin of http-port.ts: one request to
// one endpoint, or one watch there. The real thing is frame-pool.ts; tests bring their own. An
// implementation never retries, and says where HTTP has to be spoken instead.
import type { HoldfastError } from '@holdfast/base/errors';
import type { Response } from '@holdfast/proto/client';

import type { FrameRequest } from './frame-calls.ts';
import type { FrameWatchItem, FrameWatchOrder } from './frame-watches.ts';

/** `ping`: no question but whether it is there, and of which cluster. */
export type FrameAsk = {
  readonly endpoint: string;
  readonly request: FrameRequest | 'ping';
  readonly signal: AbortSignal;
};

export type FrameWatchAsk = {
  readonly endpoint: string;
  readonly order: FrameWatchOrder;
  /** Of the watch, as long as it lives. */
  readonly signal: AbortSignal;
};

/** A watch that stands, for one reader. */
export interface StandingWatch {
  /** The revision up to which nothing is told. */
  readonly startedAt: number;
  /** Rejects with what it ends with: a TransportFailure, the member's reason, or the signal's. */
  next(): Promise<FrameWatchItem>;
  close(): void;
}

export type FrameWatchAnswer =
  | { readonly type: 'standing'; readonly watch: StandingWatch }
  | { readonly type: 'refused'; readonly error: HoldfastError };

/**
 * What is undefined has to be asked over HTTP there: the member speaks no frames, or does not know
 * such a request. All reject with a TransportFailure, or with the signal's reason once it aborts.
 */
export interface FramePort {
  /** The member's answer, a failure included; 'answered' to a ping. */
  ask(ask: FrameAsk): Promise<Response | 'answered' | undefined>;
  watch(ask: FrameWatchAsk): Promise<FrameWatchAnswer | undefined>;
  /** Over a connection that stands; undefined where none does. Resolves with the next byte. */
  ping(endpoint: string, signal: AbortSignal): Promise<void> | undefined;
  /** Its endpoint is dead: all that is under way or dialled there ends with this reason. */
  drop(endpoint: string, reason: HoldfastError): void;
  close(): Promise<void>;
}
