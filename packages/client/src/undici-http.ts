// The network adapter of the SDK: undici's keep-alive pools, one per endpoint, and a small one for
// pings. It sets no deadline but that of connecting; all others arrive as the request's signal.
import type { Readable } from 'node:stream';

import { waitFor } from '@holdfast/base/deadline';
import type { Agent, buildConnector, Dispatcher } from 'undici';

import { partsOf } from './body-parts.ts';
import type { ClientTls } from './client-tls.ts';
import type { HttpAnswer, HttpPort, HttpRequest } from './http-port.ts';
import { transportFailure } from './transport-words.ts';

export type UndiciHttpOptions = {
  /** Acceptance A-11: three seconds. */
  readonly connectTimeoutMs: number;
  readonly connectionsMax: number;
  /** Undefined: in clear text. Asked at each new connection. */
  readonly tls?: (() => ClientTls) | undefined;
};

/** Of one row of pings; the next row finds them idle, or dials anew. */
const pingConnectionsMax = 4;

export class UndiciHttp implements HttpPort {
  readonly #options: UndiciHttpOptions;
  #agents: Promise<Agents> | undefined;

  constructor(options: UndiciHttpOptions) {
    this.#options = options;
  }

  async request(request: HttpRequest): Promise<HttpAnswer> {
    try {
      const { calls, pings } = await this.#opened();
      const asked = (request.isPing ? pings : calls).request({
        origin: `${this.#options.tls ? 'https' : 'http'}://${request.endpoint}`,
        method: request.method,
        path: request.path,
        headers: request.headers,
        body: request.body ?? null,
        signal: request.signal,
      });
      return toAnswer(await soonOrNever(asked, request.signal), request.endpoint);
    } catch (error) {
      if (request.signal.aborted) throw request.signal.reason;
      throw transportFailure(request.endpoint, error);
    }
  }

  async close(): Promise<void> {
    const agents = await this.#agents;
    await Promise.all([agents?.calls.destroy(), agents?.pings.destroy()]);
  }

  /** Loaded with the first request: a command that asks nobody, such as `start`, pays nothing. */
  #opened(): Promise<Agents> {
    this.#agents ??= this.#open();
    return this.#agents;
  }

  async #open(): Promise<Agents> {
    const { connectTimeoutMs, connectionsMax, tls } = this.#options;
    const { Agent, buildConnector } = await import('undici');
    const connect = { timeout: connectTimeoutMs, noDelay: true };
    const common = {
      connect: tls ? certifiedConnector(tls, { connect, buildConnector }) : connect,
      pipelining: 1,
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: 4_000,
    };
    return {
      calls: new Agent({ ...common, connections: connectionsMax }),
      pings: new Agent({ ...common, connections: pingConnectionsMax }),
    };
  }
}

/**
 * undici heeds the signal of a request only once there is a connection for it, which in the dark is
 * after the whole connect deadline.
 */
function soonOrNever(
  asked: Promise<Dispatcher.ResponseData>,
  signal: AbortSignal,
): Promise<Dispatcher.ResponseData> {
  const giveBack = ({ body }: Dispatcher.ResponseData): void => {
    if (signal.aborted) body.on('error', () => undefined).destroy();
  };
  asked.then(giveBack, () => undefined);
  return waitFor(asked, signal);
}

type ConnectorParts = {
  readonly connect: { readonly timeout: number; readonly noDelay: boolean };
  readonly buildConnector: typeof buildConnector;
};

/** What is trusted and shown may change while the client lives, and holds from then on. */
function certifiedConnector(
  tls: () => ClientTls,
  { connect, buildConnector: build }: ConnectorParts,
): buildConnector.connector {
  let used: ClientTls | undefined;
  let connector: buildConnector.connector | undefined;
  return (options, callback) => {
    const now = tls();
    if (connector === undefined || now !== used) {
      const { ca, cert, key } = now;
      const given = Object.entries({ ca, cert, key }).filter(([, text]) => text !== undefined);
      connector = build({ ...connect, ...Object.fromEntries(given), minVersion: 'TLSv1.2' });
      used = now;
    }
    connector(options, callback);
  };
}

type Agents = { readonly calls: Agent; readonly pings: Agent };

function toAnswer(reply: Dispatcher.ResponseData, endpoint: string): HttpAnswer {
  const headers: Record<string, string> = {};
  for (const [name, value] of Object.entries(reply.headers)) {
    if (value !== undefined) headers[name] = Array.isArray(value) ? value.join(', ') : value;
  }
  // A body that is given up, or that breaks before anybody reads on, must not end the process.
  reply.body.on('error', () => undefined);
  return {
    status: reply.statusCode,
    headers,
    body: guarded(reply.body, endpoint),
    discard: () => void reply.body.destroy(),
  };
}

async function* guarded(body: Readable, endpoint: string): AsyncGenerator<Uint8Array> {
  try {
    yield* partsOf(body);
  } catch (error) {
    throw transportFailure(endpoint, error);
  }
}
