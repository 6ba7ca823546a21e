// One connection of frames to each endpoint of a client: the network adapter behind frame-port.ts.
// What is known of each stands in frame-place.ts.
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import type { Response } from '@holdfast/proto/client';

import type { FrameConnection } from './frame-connection.ts';
import { FramePlace, type FramePlaceOptions } from './frame-place.ts';
import type { FrameAsk, FramePort, FrameWatchAnswer, FrameWatchAsk } from './frame-port.ts';
import { TransportFailure } from './http-port.ts';

export class FramePool implements FramePort {
  readonly #options: FramePlaceOptions;
  readonly #places = new Map<string, FramePlace>();
  #closed: HoldfastError | undefined;

  constructor(options: FramePlaceOptions) {
    this.#options = options;
  }

  ask(ask: FrameAsk): Promise<Response | 'answered' | undefined> {
    const place = this.#at(ask.endpoint);
    // What stands is asked at once: the usual way waits for nothing.
    const { connection } = place;
    return connection ? askOn(connection, ask) : askOnceOpened(place, ask);
  }

  async watch({ endpoint, order, signal }: FrameWatchAsk): Promise<FrameWatchAnswer | undefined> {
    const connection = await this.#at(endpoint).opened(signal);
    if (!connection?.knowsWatch(order)) return undefined;
    const watch = connection.watch(order);
    const onAbort = (): void => watch.close(signal.reason);
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    const close = (): void => {
      signal.removeEventListener('abort', onAbort);
      watch.close();
    };
    try {
      const startedAt = await watch.started;
      return { type: 'standing', watch: { startedAt, next: () => watch.next(), close } };
    } catch (error) {
      close();
      const isRefusal = error instanceof HoldfastError && !(error instanceof TransportFailure);
      if (signal.aborted || !isRefusal) throw error;
      return { type: 'refused', error };
    }
  }

  ping(endpoint: string, signal: AbortSignal): Promise<void> | undefined {
    const { connection } = this.#at(endpoint);
    return connection && waitFor(connection.ping(), signal);
  }

  drop(endpoint: string, reason: HoldfastError): void {
    this.#places.get(endpoint)?.drop(reason);
  }

  async close(): Promise<void> {
    const reason = new HoldfastError('cancelled', 'the client was closed', { outcome: 'unknown' });
    this.#closed = reason;
    for (const place of this.#places.values()) place.close(reason);
  }

  #at(endpoint: string): FramePlace {
    let place = this.#places.get(endpoint);
    if (!place) {
      place = new FramePlace(endpoint, this.#options);
      this.#places.set(endpoint, place);
      if (this.#closed) place.close(this.#closed);
    }
    return place;
  }
}

async function askOnceOpened(
  place: FramePlace,
  ask: FrameAsk,
): Promise<Response | 'answered' | undefined> {
  const connection = await place.opened(ask.signal);
  // That it has just greeted is all that a ping wants.
  if (connection && ask.request === 'ping') return 'answered';
  return connection && askOn(connection, ask);
}

function askOn(
  connection: FrameConnection,
  { request, signal }: FrameAsk,
): Promise<Response | 'answered' | undefined> {
  if (request === 'ping') return waitFor(connection.ping(), signal).then(() => 'answered');
  const answer = connection.knows(request.request) ? connection.ask(request, signal) : undefined;
  return answer ?? Promise.resolve(undefined);
}
