// The one place of the SDK that decides who is asked, when the next endpoint is asked too, and what
// may be sent again. Reads are hedged; a write whose outcome may be unknown is sent again only if
// its call says that this is harmless. It owns no connection and knows no path of the API; what is
// spoken with an endpoint, frames or HTTP, is decided below it (wires.ts).
import { Backoff } from '@holdfast/base/backoff';
import { type Clock, sleep } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import type { Candidates, CandidatesFor } from './candidates.ts';
import type { ClientSettings } from './client-settings.ts';
import type { EndpointSet } from './endpoint-set.ts';
import { fairTimer } from './fair-timer.ts';
import { TransportFailure } from './http-port.ts';
import { LinkedAbort } from './linked-abort.ts';
import { OpenCalls } from './open-calls.ts';
import { pingPath } from './ping.ts';
import { Race } from './race.ts';
import type { RetryBudget } from './retry-budget.ts';
import { asHoldfastError, isOutOfService, Tries } from './tries.ts';
import type { Pace, Visit } from './visit.ts';
import { type Ask, bodyOf, refusalOf, type WireAnswer, type Wires } from './wires.ts';

/**
 * `read` may run on several endpoints at once; `repeatable` is a write that a precondition or its
 * caller makes harmless to send again; `once` never leaves a second time after it may have left.
 */
export type CallKind = 'read' | 'repeatable' | 'once';

export type Call = Ask & {
  readonly kind: CallKind;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Its member may keep it waiting as long as it likes: how long it took says nothing. */
  readonly isHeld?: boolean | undefined;
  /**
   * Each endpoint is asked once at most, and the last refusal is the answer: for a look. Who is
   * still silent when all others have refused is not waited for.
   */
  readonly isLook?: boolean | undefined;
};

export type Reply = Pick<WireAnswer, 'status' | 'headers' | 'response'> & {
  readonly endpoint: string;
  readonly body: Uint8Array;
  readonly isRead: boolean;
  /** An earlier try of this call may have taken effect. */
  readonly afterUnknown: boolean;
};

export type CallerPorts = {
  readonly wires: Wires;
  readonly endpoints: EndpointSet;
  readonly clock: Clock;
  readonly random: Random;
  readonly budget: RetryBudget;
};

const ping: Call = { kind: 'read', method: 'GET', path: pingPath, frame: 'ping' };

type Round = {
  readonly state: Tries;
  readonly candidates: Candidates;
  readonly signal: AbortSignal;
  readonly isLook?: boolean | undefined;
};

type Result = Reply | HoldfastError;

type OpenAnswer = WireAnswer & { readonly endpoint: string };

/** Never rejects. */
type Attempt<T> = (visit: Visit, own: LinkedAbort) => Promise<T | HoldfastError>;

export class Caller {
  readonly #settings: () => ClientSettings;
  readonly #ports: CallerPorts;
  readonly #calls = new OpenCalls();
  #hasLooked = false;

  /** `settings` are asked for each time: a change holds from the next call on. */
  constructor(settings: () => ClientSettings, ports: CallerPorts) {
    this.#settings = settings;
    this.#ports = ports;
  }

  /** Of everything that is under way: what runs over several calls ends with the client as well. */
  get calls(): OpenCalls {
    return this.#calls;
  }

  get budget(): RetryBudget {
    return this.#ports.budget;
  }

  /**
   * The answer below status 400, or the server's error. Its outcome covers all tries: a call that
   * was refused after a try of unknown outcome is `unknown`.
   */
  async call(call: Call): Promise<Reply> {
    const { clock } = this.#ports;
    const timeoutMs = call.timeoutMs ?? this.#settings().timeoutMs;
    const open = this.#calls.begin(call.signal, { clock, timeoutMs });
    try {
      return await this.#rounds(call, open.signal);
    } finally {
      open.end();
    }
  }

  /**
   * The answer as a stream, from the first endpoint that gives one. The signal ends the stream too.
   */
  async open(call: Call, signal: AbortSignal): Promise<OpenAnswer> {
    const state = this.#newTries(call);
    const held = { ...call, isHeld: true };
    const candidates = await this.#candidates(held, signal);
    const attempt: Attempt<OpenAnswer> = (visit, own) => this.#openAt(held, visit, own);
    const opened = await this.#hedge({ state, candidates, signal }, attempt);
    if (opened === undefined) throw state.lastError();
    return opened;
  }

  /** The stream lives on with `own`, which ends where another endpoint was quicker. */
  async #openAt(call: Call, visit: Visit, own: LinkedAbort): Promise<OpenAnswer | HoldfastError> {
    try {
      return { ...(await this.#send(call, visit, own.signal)), endpoint: visit.address };
    } catch (error) {
      own.unlink();
      return asHoldfastError(error);
    }
  }

  /** Calls and watches end with this reason, and so does what is still begun. */
  close(reason: HoldfastError): void {
    this.#calls.close(reason);
  }

  async #rounds(call: Call, signal: AbortSignal): Promise<Reply> {
    const state = this.#newTries(call);
    const backoff = new Backoff({ initialMs: 50, maxMs: 500 }, this.#ports.random);
    for (;;) {
      const reply = await this.#round(call, state, signal);
      if (reply !== undefined) return reply;
      state.endRound();
      if (call.isLook) throw state.lastAnswer();
      do await this.#pause(backoff.nextMs(), state, signal);
      while (!state.beginRound());
    }
  }

  async #pause(delayMs: number, state: Tries, signal: AbortSignal): Promise<void> {
    try {
      await sleep(this.#ports.clock, delayMs, signal);
    } catch {
      throw state.outOfTime(signal); // What was tried last says more than "no answer in time".
    }
  }

  async #round(call: Call, state: Tries, signal: AbortSignal): Promise<Reply | undefined> {
    if (call.kind === 'read') {
      const candidates = this.#ports.endpoints.candidates(traitsOf(call, this.#settings()));
      const round = { state, candidates, signal, isLook: call.isLook };
      return this.#hedge(round, this.#attempts(call));
    }
    await this.#lookAround(signal);
    const candidates = await this.#candidates(call, signal);
    for (;;) {
      const visit = this.#next(candidates, state);
      if (!visit) return undefined;
      const result = await this.#attempt(call, visit, signal);
      if (!(result instanceof HoldfastError)) return { ...result, afterUnknown: state.uncertain };
      state.failed(result, signal);
    }
  }

  /**
   * What is not hedged asks nobody who may be dark while another endpoint is known to live: where
   * the first choice was not heard lately, a hedged ping finds one that answers.
   */
  async #candidates(call: Call, signal: AbortSignal): Promise<Candidates> {
    const { endpoints } = this.#ports;
    const candidates = endpoints.candidates(traitsOf(call, this.#settings()));
    if (endpoints.count === 1 || candidates.first?.isProven) return candidates;
    try {
      const all = endpoints.sameTurn(traitsOf(ping, this.#settings()));
      const state = this.#newTries(ping);
      const round = { state, candidates: all, signal };
      const alive = await this.#hedge(round, this.#attempts(ping));
      if (alive) candidates.prefer(alive.endpoint);
    } catch (error) {
      // That is told once. Of anything else the call's own tries will tell.
      if (isHoldfastError(error, 'cluster-mismatch')) throw error;
    }
    return candidates;
  }

  /** Undefined: nobody is left to ask in this round, or nobody may be asked now. */
  #next(candidates: Candidates, state: Tries): Visit | undefined {
    const mayForce = !state.isRoundAnswered;
    return candidates.hasMore(mayForce) && state.mayAsk() ? candidates.next(mayForce) : undefined;
  }

  /**
   * Before the first write all are asked who they are, no longer than a read would wait: endpoints
   * of two clusters are told of (one-cluster-http.ts), and the silent ones are asked last.
   */
  async #lookAround(signal: AbortSignal): Promise<void> {
    const { endpoints, clock } = this.#ports;
    if (this.#hasLooked || endpoints.count === 1) return;
    this.#hasLooked = true;
    const late = new AbortController();
    const either = AbortSignal.any([signal, late.signal]);
    const timer = clock.schedule(this.#settings().hedgeMs, () =>
      late.abort(new HoldfastError('cancelled', 'it does not say who it is')),
    );
    const visits = endpoints.everyone(traitsOf(ping, this.#settings()));
    const results = await Promise.all(visits.map((one) => this.#attempt(ping, one, either)));
    timer.cancel();
    const mismatch = results.find((result) => isHoldfastError(result, 'cluster-mismatch'));
    if (mismatch) throw mismatch;
  }

  /** One try at each endpoint: the next begins when one fails or has been silent for `hedgeMs`. */
  async #hedge<T>(round: Round, attempt: Attempt<T>): Promise<T | undefined> {
    const { state, candidates, signal, isLook = false } = round;
    const { clock } = this.#ports;
    const race = new Race<T>({ clock, settings: this.#settings, signal });
    const enter = (visit: Visit | undefined): void => {
      if (visit) race.enter(visit, (own) => attempt(visit, own));
    };
    try {
      enter(this.#next(candidates, state));
      while (race.isOn) {
        const hasMore = candidates.hasMore(!state.isRoundAnswered);
        const ended = await race.first(hasMore || (isLook && state.isRoundAnswered));
        if (ended === undefined) {
          if (!hasMore) return undefined;
          if (state.mayHedge(race)) enter(candidates.next(!state.isRoundAnswered));
          continue;
        }
        if (!(ended instanceof HoldfastError)) return ended;
        state.failed(ended, signal);
        enter(this.#next(candidates, state));
      }
      return undefined;
    } finally {
      race.end();
    }
  }

  #attempts(call: Call): Attempt<Reply> {
    return (visit, own) => this.#attempt(call, visit, own.signal).finally(() => own.unlink());
  }

  /** Never rejects: a failure is a result, so that a loser of a race floats nowhere. */
  async #attempt(call: Call, visit: Visit, signal: AbortSignal): Promise<Result> {
    try {
      const answer = await this.#send(call, visit, signal);
      if (visit.isStray) return thrownAway(answer);
      const body = await bodyOf(answer);
      const { status, headers, response } = answer;
      const isRead = call.kind === 'read';
      const endpoint = visit.address;
      return { endpoint, status, headers, body, response, isRead, afterUnknown: false };
    } catch (error) {
      return asHoldfastError(error);
    }
  }

  /** The answer's head, with its body still to come; a refusal throws its error. */
  async #send(call: Call, visit: Visit, signal: AbortSignal): Promise<WireAnswer> {
    const wait = this.#startTry(call, visit, signal);
    try {
      const answer = await this.#ports.wires.ask(visit.address, call, wait.signal);
      visit.answered();
      const refusal = await refusalOf(answer, call);
      if (!refusal) return answer;
      if (isOutOfService(refusal, call)) visit.declined();
      throw refusal;
    } catch (error) {
      visit.failed(error);
      throw error;
    } finally {
      wait.answered();
    }
  }

  /** A signal that ends the try: by its parent always, by silence only until it is answered. */
  #startTry(call: Call, visit: Visit, parent: AbortSignal) {
    if (call.kind === 'once') return { signal: parent, answered: () => undefined };
    const either = new LinkedAbort(parent);
    const { firstByteMs } = this.#settings();
    const timer = fairTimer({
      clock: this.#ports.clock,
      silence: () => this.#settings().silence,
      delayMs: firstByteMs,
      action: () => either.abort(silent(visit.address, firstByteMs)),
    });
    return {
      signal: either.signal,
      answered: () => timer.cancel(),
    };
  }

  #newTries({ kind }: Call): Tries {
    return new Tries({ kind, budget: this.#ports.budget });
  }
}

/** Nobody waits for it any more. */
function thrownAway(answer: WireAnswer): HoldfastError {
  answer.discard();
  return new HoldfastError('cancelled', 'another endpoint answered first');
}

const silent = (endpoint: string, firstByteMs: number): TransportFailure =>
  new TransportFailure(endpoint, `no answer within ${firstByteMs} ms`, {
    outcome: 'unknown',
    reason: 'silent',
  });

const traitsOf = (call: Call, { slowness }: ClientSettings): CandidatesFor => ({
  isRead: call.kind === 'read',
  pace: paceOf(call, slowness.bodyBytesMax),
});

function paceOf({ path, isHeld, body }: Call, bodyBytesMax: number): Pace {
  if (path === pingPath) return 'ping';
  return isHeld || (body?.length ?? 0) > bodyBytesMax ? 'held' : 'quick';
}
