// Pings over the connection that calls take, where one of frames stands: it is the one whose
// silence matters. Everything else, and a ping to an endpoint without one, goes over HTTP.
import type { FramePort } from './frame-port.ts';
import type { HttpAnswer, HttpPort, HttpRequest } from './http-port.ts';

export class FramedPings implements HttpPort {
  readonly #http: HttpPort;
  readonly #frames: FramePort;

  constructor(http: HttpPort, frames: FramePort) {
    this.#http = http;
    this.#frames = frames;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { endpoint, signal, isPing } = request;
    const pinged = isPing ? this.#frames.ping(endpoint, signal) : undefined;
    if (!pinged) return this.#http.request(request);
    await pinged;
    return { status: 200, headers: {}, body: nothing(), discard: () => undefined };
  }

  close(): Promise<void> {
    return this.#http.close();
  }
}

async function* nothing(): AsyncGenerator<Uint8Array> {}
