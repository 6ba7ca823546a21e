// Asks each endpoint which cluster it is of before anything else is sent to it, so that two
// clusters among the endpoints of one client are noticed, and no write goes to the wrong one. Once
// an endpoint; with a single one there is nothing to compare.
import { messageOf } from '@holdfast/base/errors';
import type { EndpointSet } from './endpoint-set.ts';
import {
  type HttpAnswer,
  type HttpPort,
  type HttpRequest,
  readAll,
  TransportFailure,
} from './http-port.ts';
import { pingPath, pingRequest } from './ping.ts';

const clusterHeader = 'x-holdfast-cluster';

export class OneClusterHttp implements HttpPort {
  readonly #inner: HttpPort;
  readonly #endpoints: EndpointSet;

  constructor(inner: HttpPort, endpoints: EndpointSet) {
    this.#inner = inner;
    this.#endpoints = endpoints;
  }

  /** Rejects with `cluster-mismatch` too. */
  async request(request: HttpRequest): Promise<HttpAnswer> {
    const { endpoint } = request;
    if (this.#endpoints.count === 1 || this.#endpoints.isMet(endpoint)) {
      return this.#inner.request(request);
    }
    if (request.path === pingPath) return this.#meet(request);
    await readAll(await this.#ask(request));
    return this.#inner.request(request);
  }

  close(): Promise<void> {
    return this.#inner.close();
  }

  async #meet(request: HttpRequest): Promise<HttpAnswer> {
    const answer = await this.#inner.request(request);
    // A member that is starting, or older than this header, says nothing, and is taken as it is.
    this.#endpoints.met(request.endpoint, answer.headers[clusterHeader] ?? '');
    return answer;
  }

  /** Whatever happens to the question, the request itself has not left. */
  async #ask({ endpoint, signal }: HttpRequest): Promise<HttpAnswer> {
    try {
      return await this.#meet(pingRequest(endpoint, signal));
    } catch (error) {
      if (!(error instanceof TransportFailure)) throw error;
      const { reason, status } = error.details as { reason: string; status?: number };
      const said = messageOf(error).replace(`${endpoint}: `, '');
      const what = `${said} (when it was asked for its cluster)`;
      const options = { outcome: 'not-applied', reason, status, cause: error } as const;
      throw new TransportFailure(endpoint, what, options);
    }
  }
}
