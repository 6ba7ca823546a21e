// The one place of the SDK that decides who is asked, when the next endpoint is asked too, and what
// may be sent again. Reads are hedged; a write whose outcome may be unknown is sent again only if
// its call says that this is harmless. It owns no connection and knows no path of the API.
import { Backoff } from '@holdfast/base/backoff';
import { type Clock, sleep } from '@holdfast/base/clock';
import { startDeadline } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import type { EndpointSet } from './endpoint-set.ts';
import { errorOf } from './errors.ts';
import {
  type HttpAnswer,
  type HttpMethod,
  type HttpPort,
  readAll,
  TransportFailure,
} from './http-port.ts';

/**
 * `read` may run on several endpoints at once; `repeatable` is a write that a precondition or its
 * caller makes harmless to send again; `once` never leaves a second time after it may have left.
 */
export type CallKind = 'read' | 'repeatable' | 'once';

export type Call = {
  readonly kind: CallKind;
  readonly method: HttpMethod;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
};

export type Reply = {
  readonly endpoint: string;
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array;
  /** An earlier try of this call may have taken effect. */
  readonly afterUnknown: boolean;
};

export type CallerOptions = {
  /** For a whole call with all its tries. */
  readonly timeoutMs: number;
  /** From a request to the first byte of its answer, per try, where another try is allowed. */
  readonly firstByteMs: number;
  /** How long a read waits for one endpoint before it asks the next one too. */
  readonly hedgeMs: number;
};

export type CallerPorts = {
  readonly http: HttpPort;
  readonly endpoints: EndpointSet;
  readonly clock: Clock;
  readonly random: Random;
};

/**
 * So many rounds in which nobody was there, or no quorum, and waiting longer is the user's choice.
 */
const hopelessRoundsMax = 3;

const ping: Call = { kind: 'read', method: 'GET', path: '/ping' };

type Attempt = { readonly endpoint: string; readonly result: Reply | HoldfastError };

export class Caller {
  readonly #options: CallerOptions;
  readonly #http: HttpPort;
  readonly #endpoints: EndpointSet;
  readonly #clock: Clock;
  readonly #random: Random;
  #hasLooked = false;

  constructor(options: CallerOptions, ports: CallerPorts) {
    this.#options = options;
    this.#http = ports.http;
    this.#endpoints = ports.endpoints;
    this.#clock = ports.clock;
    this.#random = ports.random;
  }

  /**
   * The answer below status 400, or the server's error. Its outcome covers all tries: a call that
   * was refused after a try of unknown outcome is `unknown`.
   */
  async call(call: Call): Promise<Reply> {
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs;
    const deadline = startDeadline(this.#clock, timeoutMs, call.signal);
    try {
      return await this.#rounds(call, deadline.signal);
    } finally {
      deadline.dispose();
    }
  }

  /**
   * The answer as a stream, from the first endpoint that gives one. The signal ends the stream too.
   */
  async open(call: Call, signal: AbortSignal): Promise<HttpAnswer & { readonly endpoint: string }> {
    const state = new Tries(call);
    for (const endpoint of this.#endpoints.order()) {
      try {
        const answer = await this.#send(call, endpoint, signal);
        return { ...answer, endpoint };
      } catch (error) {
        state.failed(asHoldfastError(error), signal);
      }
    }
    throw state.lastError();
  }

  async #rounds(call: Call, signal: AbortSignal): Promise<Reply> {
    const state = new Tries(call);
    const backoff = new Backoff({ initialMs: 50, maxMs: 500 }, this.#random);
    for (;;) {
      const reply = await this.#round(call, state, signal);
      if (reply !== undefined) return reply;
      if (state.endRound() >= hopelessRoundsMax) throw state.lastError();
      try {
        await sleep(this.#clock, backoff.nextMs(), signal);
      } catch {
        throw state.outOfTime(signal); // What was tried last says more than "no answer in time".
      }
    }
  }

  async #round(call: Call, state: Tries, signal: AbortSignal): Promise<Reply | undefined> {
    if (call.kind === 'read') return this.#hedge(call, state, signal);
    for (const endpoint of await this.#writeOrder(signal)) {
      const { result } = await this.#attempt(call, endpoint, signal);
      if (!(result instanceof HoldfastError)) return { ...result, afterUnknown: state.uncertain };
      state.failed(result, signal);
    }
    return undefined;
  }

  /**
   * A write asks nobody who may be dark while another endpoint is known to live: where the first
   * choice has not answered lately, a hedged ping finds one that does.
   */
  async #writeOrder(signal: AbortSignal): Promise<readonly string[]> {
    await this.#lookAround(signal);
    const order = this.#endpoints.order();
    const first = order[0] as string;
    if (order.length === 1 || this.#endpoints.isProven(first)) return order;
    try {
      const alive = await this.#hedge(ping, new Tries(ping), signal);
      if (alive === undefined) return order;
      return [alive.endpoint, ...order.filter((one) => one !== alive.endpoint)];
    } catch {
      return order; // The write's own tries will tell what is wrong.
    }
  }

  /**
   * Before the first write all are asked who they are, no longer than a read would wait: endpoints
   * of two clusters are told of (one-cluster-http.ts), and the silent ones are asked last.
   */
  async #lookAround(signal: AbortSignal): Promise<void> {
    if (this.#hasLooked || this.#endpoints.count === 1) return;
    this.#hasLooked = true;
    const late = new AbortController();
    const either = AbortSignal.any([signal, late.signal]);
    const timer = this.#clock.schedule(this.#options.hedgeMs, () =>
      late.abort(new HoldfastError('cancelled', 'it does not say who it is')),
    );
    const asked = this.#endpoints.order().map((one) => this.#attempt(ping, one, either));
    const attempts = await Promise.all(asked);
    timer.cancel();
    for (const { endpoint, result } of attempts) {
      if (isHoldfastError(result, 'cluster-mismatch')) throw result;
      if (isHoldfastError(result, 'cancelled')) this.#endpoints.failed(endpoint);
    }
  }

  /** One try at each endpoint: the next begins when one fails or has been silent for `hedgeMs`. */
  async #hedge(call: Call, state: Tries, signal: AbortSignal): Promise<Reply | undefined> {
    const queue = [...this.#endpoints.order()];
    const losers = new AbortController();
    const either = AbortSignal.any([signal, losers.signal]);
    const running = new Map<string, Promise<Attempt>>();
    try {
      while (queue.length > 0 || running.size > 0) {
        const next = queue.shift();
        if (next !== undefined) running.set(next, this.#attempt(call, next, either));
        const ended = await this.#firstOf(running, queue.length > 0);
        if (ended === undefined) continue;
        running.delete(ended.endpoint);
        if (!(ended.result instanceof HoldfastError)) {
          // Whoever was asked before and is still silent is not the next call's first choice.
          for (const silent of running.keys()) this.#endpoints.failed(silent);
          return ended.result;
        }
        state.failed(ended.result, signal);
      }
      return undefined;
    } finally {
      losers.abort(new HoldfastError('cancelled', 'another endpoint answered first'));
    }
  }

  /** The first try that ends, or undefined when it is time to ask the next endpoint too. */
  async #firstOf(
    running: ReadonlyMap<string, Promise<Attempt>>,
    mayHedge: boolean,
  ): Promise<Attempt | undefined> {
    if (!mayHedge) return Promise.race(running.values());
    let cancel = (): void => undefined;
    const hedge = new Promise<undefined>((resolve) => {
      const timer = this.#clock.schedule(this.#options.hedgeMs, () => resolve(undefined));
      cancel = () => timer.cancel();
    });
    try {
      return await Promise.race([...running.values(), hedge]);
    } finally {
      cancel();
    }
  }

  /** Never rejects: a failure is a result, so that a loser of a race floats nowhere. */
  async #attempt(call: Call, endpoint: string, signal: AbortSignal): Promise<Attempt> {
    try {
      const answer = await this.#send(call, endpoint, signal);
      const body = await readAll(answer);
      const { status, headers } = answer;
      return { endpoint, result: { endpoint, status, headers, body, afterUnknown: false } };
    } catch (error) {
      return { endpoint, result: asHoldfastError(error) };
    }
  }

  /** The answer's head, with its body still to come; an answer of 400 or more throws its error. */
  async #send(call: Call, endpoint: string, signal: AbortSignal): Promise<HttpAnswer> {
    const wait = this.#startTry(call, endpoint, signal);
    try {
      const answer = await this.#http.request({
        endpoint,
        method: call.method,
        path: call.path,
        headers: call.headers ?? {},
        body: call.body,
        signal: wait.signal,
      });
      this.#endpoints.answered(endpoint);
      if (answer.status < 400) return answer;
      throw errorOf(answer.status, await readAll(answer));
    } catch (error) {
      if (error instanceof TransportFailure) this.#endpoints.failed(endpoint);
      throw error;
    } finally {
      wait.answered();
    }
  }

  /** A signal that ends the try: by its parent always, by silence only until it is answered. */
  #startTry(call: Call, endpoint: string, parent: AbortSignal) {
    if (call.kind === 'once') return { signal: parent, answered: () => undefined };
    const silence = new AbortController();
    const timer = this.#clock.schedule(this.#options.firstByteMs, () =>
      silence.abort(
        new TransportFailure(endpoint, `no answer within ${this.#options.firstByteMs} ms`, {
          outcome: 'unknown',
          reason: 'silent',
        }),
      ),
    );
    return {
      signal: AbortSignal.any([parent, silence.signal]),
      answered: () => timer.cancel(),
    };
  }
}

/** What the tries of one call have shown so far, and the verdict after each. */
class Tries {
  readonly #kind: CallKind;
  #last: HoldfastError | undefined;
  #uncertain = false;
  #isRoundHopeless = true;
  #hopelessRounds = 0;

  constructor(call: Call) {
    this.#kind = call.kind;
  }

  get uncertain(): boolean {
    return this.#uncertain;
  }

  /** Remembers the failure, or throws it where another try is not allowed or not wanted. */
  failed(error: HoldfastError, signal: AbortSignal): void {
    const mayBeApplied = this.#kind !== 'read' && error.outcome !== 'not-applied';
    if (mayBeApplied) this.#uncertain = true;
    if (signal.aborted) throw this.outOfTime(signal);
    this.#last = error;
    if (!error.retryable || (mayBeApplied && this.#kind === 'once')) throw this.lastError();
    if (!isHopeless(error)) this.#isRoundHopeless = false;
  }

  /** How many rounds in a row have found nobody, or no quorum. */
  endRound(): number {
    this.#hopelessRounds = this.#isRoundHopeless ? this.#hopelessRounds + 1 : 0;
    this.#isRoundHopeless = true;
    return this.#hopelessRounds;
  }

  lastError(): HoldfastError {
    return this.#withOutcome(this.#last ?? new HoldfastError('unavailable', 'no endpoint to ask'));
  }

  /** The caller's own reason, or the last failure with the deadline that ended the tries. */
  outOfTime(signal: AbortSignal): HoldfastError {
    const reason = asHoldfastError(signal.reason);
    if (reason.code !== 'deadline-exceeded' || this.#last === undefined) {
      return this.#withOutcome(reason);
    }
    const message = `${this.#last.message} (${reason.message})`;
    const { code, details } = this.#last;
    return this.#withOutcome(new HoldfastError(code, message, { cause: this.#last, details }));
  }

  #withOutcome(error: HoldfastError): HoldfastError {
    const outcome = this.#uncertain ? 'unknown' : 'not-applied';
    if (error.outcome === outcome || error.outcome === 'applied') return error;
    const { code, message, details } = error;
    return new HoldfastError(code, message, { outcome, details, cause: error });
  }
}

/** Nobody there, or a majority gone: another second of the same call changes nothing. */
const isHopeless = (error: HoldfastError): boolean =>
  error.code === 'no-quorum' ||
  (error instanceof TransportFailure && error.outcome === 'not-applied');

function asHoldfastError(error: unknown): HoldfastError {
  if (error instanceof HoldfastError) return error;
  if (error instanceof Error && error.name === 'AbortError') {
    return new HoldfastError('cancelled', 'the call was given up', { outcome: 'unknown' });
  }
  return new HoldfastError('internal', messageOf(error), { outcome: 'unknown', cause: error });
}
