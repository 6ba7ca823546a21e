// Tells each endpoint what is under way there in frames, as watched-http.ts does of HTTP: that is
// what its pings and its death go by. What breaks with one machine is one failure.
import type { HoldfastError } from '@holdfast/base/errors';
import type { Response } from '@holdfast/proto/client';

import type { EndpointSet } from './endpoint-set.ts';
import type { Exchange } from './exchange.ts';
import type {
  FrameAsk,
  FramePort,
  FrameWatchAnswer,
  FrameWatchAsk,
  StandingWatch,
} from './frame-port.ts';
import { TransportFailure } from './http-port.ts';

export class WatchedFrames implements FramePort {
  readonly #inner: FramePort;
  readonly #endpoints: EndpointSet;

  constructor(inner: FramePort, endpoints: EndpointSet) {
    this.#inner = inner;
    this.#endpoints = endpoints;
  }

  async ask(ask: FrameAsk): Promise<Response | 'answered' | undefined> {
    const { endpoint, request } = ask;
    const exchange = this.#endpoints.at(endpoint).begin(ask.signal);
    const { signal } = exchange;
    try {
      signal.throwIfAborted();
      const answer = await this.#inner.ask({ endpoint, request, signal });
      if (answer) exchange.heard();
      return answer;
    } catch (error) {
      this.#maybeDrop(endpoint, signal.reason);
      throw error;
    } finally {
      exchange.end();
    }
  }

  async watch(ask: FrameWatchAsk): Promise<FrameWatchAnswer | undefined> {
    const { endpoint, order } = ask;
    const exchange = this.#endpoints.at(endpoint).begin(ask.signal);
    const { signal } = exchange;
    try {
      signal.throwIfAborted();
      const answer = await this.#inner.watch({ endpoint, order, signal });
      if (answer?.type !== 'standing') {
        exchange.end();
        return answer;
      }
      exchange.heard();
      return { type: 'standing', watch: this.#watched(endpoint, answer.watch, exchange) };
    } catch (error) {
      this.#maybeDrop(endpoint, signal.reason);
      exchange.end();
      throw error;
    }
  }

  ping(endpoint: string, signal: AbortSignal): Promise<void> | undefined {
    return this.#inner.ping(endpoint, signal);
  }

  drop(endpoint: string, reason: HoldfastError): void {
    this.#inner.drop(endpoint, reason);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  #watched(address: string, watch: StandingWatch, exchange: Exchange): StandingWatch {
    const endpoint = this.#endpoints.at(address);
    const seen = endpoint.failuresSeen;
    const next = async () => {
      try {
        return await watch.next();
      } catch (error) {
        this.#maybeDrop(address, exchange.signal.reason);
        if (exchange.signal.aborted) throw exchange.signal.reason;
        if (error instanceof TransportFailure) {
          if (seen === endpoint.failuresSeen) endpoint.failed(error.message);
          else endpoint.doubt();
        }
        throw error;
      }
    };
    const close = (): void => {
      exchange.end();
      watch.close();
    };
    return { startedAt: watch.startedAt, next, close };
  }

  /** Its connection would stay as silent as its endpoint was. */
  #maybeDrop(endpoint: string, reason: unknown): void {
    if (reason instanceof TransportFailure && reason.isDeath) this.#inner.drop(endpoint, reason);
  }
}
