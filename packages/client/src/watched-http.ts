// Tells each endpoint what is under way there and every part of an answer that comes: that is what
// its pings and its death go by.
import type { EndpointSet } from './endpoint-set.ts';
import type { Exchange } from './exchange.ts';
import { type HttpAnswer, type HttpPort, type HttpRequest, TransportFailure } from './http-port.ts';

export class WatchedHttp implements HttpPort {
  readonly #inner: HttpPort;
  readonly #endpoints: EndpointSet;

  constructor(inner: HttpPort, endpoints: EndpointSet) {
    this.#inner = inner;
    this.#endpoints = endpoints;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const endpoint = this.#endpoints.at(request.endpoint);
    const exchange = endpoint.begin(request.signal);
    const seen = endpoint.failuresSeen;
    try {
      exchange.signal.throwIfAborted();
      const answer = await this.#inner.request({ ...request, signal: exchange.signal });
      exchange.heard();
      // All streams that break with one machine are one failure.
      const onBreak = (reason: string): void => {
        if (seen === endpoint.failuresSeen) endpoint.failed(reason);
        else endpoint.doubt();
      };
      return {
        ...answer,
        body: watched(answer, exchange, onBreak),
        discard: () => {
          exchange.end();
          answer.discard();
        },
      };
    } catch (error) {
      exchange.end();
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}

async function* watched(
  answer: HttpAnswer,
  exchange: Exchange,
  onBreak: (reason: string) => void,
): AsyncGenerator<Uint8Array> {
  try {
    for await (const part of answer.body) {
      exchange.heard();
      yield part;
    }
  } catch (error) {
    if (exchange.signal.aborted) throw exchange.signal.reason;
    if (error instanceof TransportFailure) onBreak(error.message);
    throw error;
  } finally {
    exchange.end();
  }
}
