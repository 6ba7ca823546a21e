// The SDK's port to the network: one HTTP/1.1 request to one endpoint. The real thing is
// undici-http.ts; tests bring their own. An implementation never retries: who may send what again
// is decided in caller.ts alone.
import { HoldfastError, type Outcome } from '@holdfast/base/errors';

import { foreignReason } from './errors.ts';

type TransportFailureOptions = {
  readonly outcome: Outcome;
  readonly reason: string;
  readonly cause?: unknown;
  /** Of an answer that is no member's. */
  readonly status?: number | undefined;
};

/**
 * The way to an endpoint failed: no answer of a member stands behind it. `not-applied` where no
 * byte of the request can have left (refused, no route, connect deadline), else `unknown`.
 */
export class TransportFailure extends HoldfastError {
  readonly endpoint: string;

  constructor(endpoint: string, what: string, options: TransportFailureOptions) {
    const { outcome, cause, ...more } = options;
    super('unavailable', `${endpoint}: ${what}`, {
      outcome,
      cause,
      details: { endpoint, ...more },
    });
    this.endpoint = endpoint;
  }

  /** Its machine says that nobody listens: the only sign of a dead process (safety.md 12). */
  get isRefused(): boolean {
    return this.details['reason'] === 'ECONNREFUSED';
  }

  /** Its endpoint has died, and with it all that was under way there. */
  get isDeath(): boolean {
    return this.details['reason'] === 'dead';
  }

  /** Whoever answers there is no member of Holdfast (members-http.ts). */
  get isForeign(): boolean {
    return this.details['reason'] === foreignReason;
  }

  /** This client has waited long enough for this answer; others may have come. */
  get isSilence(): boolean {
    return this.details['reason'] === 'silent';
  }
}

export type HttpMethod = 'GET' | 'PUT' | 'POST' | 'DELETE';

export type HttpRequest = {
  /** `host:port`. */
  readonly endpoint: string;
  readonly method: HttpMethod;
  /** With the query, percent-encoded. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | undefined;
  readonly signal: AbortSignal;
  /** It must not wait behind others for a connection: a full pool would look like silence. */
  readonly isPing?: boolean;
};

export type HttpAnswer = {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** Read to its end, or given up by `discard`. */
  readonly body: AsyncIterable<Uint8Array>;
  discard(): void;
};

/** Rejects with a TransportFailure, or with the signal's reason once that has aborted. */
export interface HttpPort {
  request(request: HttpRequest): Promise<HttpAnswer>;
  close(): Promise<void>;
}

/** The whole body. */
export async function readAll(answer: HttpAnswer): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of answer.body) {
    parts.push(part);
    length += part.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
