// Tells each endpoint what is under way there in frames, as watched-http.ts does of HTTP: that is
// what its pings go by. Its death ends the connection, and with it all of that. What breaks with
// one machine is one failure.
import type { HoldfastError } from '@holdfast/base/errors';
import type { Response } from '@holdfast/proto/client';

import type { Endpoint } from './endpoint.ts';
import type { EndpointSet } from './endpoint-set.ts';
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
    const endpoint = this.#endpoints.at(ask.endpoint);
    ask.signal.throwIfAborted();
    endpoint.beginFramed();
    try {
      const answer = await this.#inner.ask(ask);
      if (answer) endpoint.heard();
      return answer;
    } finally {
      endpoint.endFramed();
    }
  }

  async watch(ask: FrameWatchAsk): Promise<FrameWatchAnswer | undefined> {
    const endpoint = this.#endpoints.at(ask.endpoint);
    ask.signal.throwIfAborted();
    endpoint.beginFramed();
    try {
      const answer = await this.#inner.watch(ask);
      if (answer?.type !== 'standing') {
        endpoint.endFramed();
        return answer;
      }
      endpoint.heard();
      return { type: 'standing', watch: new WatchedWatch(answer.watch, endpoint) };
    } catch (error) {
      endpoint.endFramed();
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
}

class WatchedWatch implements StandingWatch {
  readonly #inner: StandingWatch;
  readonly #endpoint: Endpoint;
  readonly #failuresSeen: number;
  #isOver = false;

  constructor(inner: StandingWatch, endpoint: Endpoint) {
    this.#inner = inner;
    this.#endpoint = endpoint;
    this.#failuresSeen = endpoint.failuresSeen;
  }

  get startedAt(): number {
    return this.#inner.startedAt;
  }

  async next() {
    try {
      return await this.#inner.next();
    } catch (error) {
      if (error instanceof TransportFailure && !error.isDeath) this.#broke(error);
      throw error;
    }
  }

  close(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#endpoint.endFramed();
    this.#inner.close();
  }

  /** All watches that break with one machine are one failure. */
  #broke({ message, isSilence }: TransportFailure): void {
    if (isSilence) return; // Of this watch alone, by its reader.
    if (this.#failuresSeen === this.#endpoint.failuresSeen) this.#endpoint.failed(message);
    else this.#endpoint.doubt();
  }
}
