// A session with the cluster in which every write takes effect once, however often it has to be
// sent (safety.md 21). Registers itself with the first write, numbers the writes, keeps itself
// alive while it is idle. A write whose outcome is unknown is sent again under its number until the
// caller's deadline; a session that has expired meanwhile leaves it unknown, and says so: what may
// have been applied in one session is never sent in another.
import { type Clock, pause } from '@holdfast/base/clock';
import { startDeadline, waitFor } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';

import type { Call, Caller, Reply } from './caller.ts';
import type { FrameRequest } from './frame-calls.ts';
import { areNatural, inSession, writeFrame } from './frame-forms.ts';
import type { RetryBudget } from './retry-budget.ts';
import { WriteNumbers } from './write-numbers.ts';

export type ExactlyOnceOptions = {
  /** How long the cluster remembers an idle session. */
  readonly ttlMs: number;
  /** For a write with all its tries, where the call names none. */
  readonly timeoutMs: number;
};

export type ExactlyOncePorts = {
  readonly caller: Pick<Caller, 'call'> & { readonly budget: Pick<RetryBudget, 'take'> };
  readonly clock: Clock;
  readonly random: Random;
};

/** One registration; writes that were sent in it are bound to it. */
type Registered = {
  readonly id: bigint;
  readonly numbers: WriteNumbers;
  readonly done: Promise<void>;
};

const retryMs = 100;
/** A session that nobody could be told to close expires by itself. */
const goodbyeMs = 2000;
/** Keep-alives in one time to live. */
const beatsPerLife = 3;
/** Numbers that one write may try; each refusal of the one before proves that it did nothing. */
const attemptsMax = 16;
/** Refusals with which the first proposal under that number was answered, and is again. */
const firstAnswers: ReadonlySet<string> = new Set([
  'already-exists',
  'conflict',
  'failed-precondition',
  'not-found',
]);

export class ExactlyOnce {
  readonly #options: ExactlyOnceOptions;
  readonly #ports: ExactlyOncePorts;
  readonly #closed = new AbortController();
  #registered: Registered | undefined;
  #beating: Promise<void> | undefined;
  #writtenMs = 0;

  constructor(options: ExactlyOnceOptions, ports: ExactlyOncePorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** Sends a write in the session; its kind is of no matter. Waits while 64 are in flight. */
  async write(call: Call): Promise<Reply> {
    const timeoutMs = call.timeoutMs ?? this.#options.timeoutMs;
    const deadline = startDeadline(this.#ports.clock, timeoutMs, call.signal);
    try {
      return await this.#inSomeSession(call, deadline.signal);
    } finally {
      deadline.dispose();
    }
  }

  /** Forgets the session, here and in the cluster; writes in flight end first. Never rejects. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort(new HoldfastError('cancelled', 'the session was closed'));
    const registered = this.#registered;
    await this.#beating;
    if (!registered) return;
    try {
      await registered.done;
      await registered.numbers.idle();
      const { id } = registered;
      const frame = writeFrame({ $case: 'sessionClose', value: { id } });
      const call = { kind: 'repeatable', method: 'DELETE', path: sessionPath(id), frame } as const;
      await this.#send({ ...call, timeoutMs: goodbyeMs });
    } catch {
      // It expires by itself.
    }
  }

  async #inSomeSession(call: Call, signal: AbortSignal): Promise<Reply> {
    for (let attempt = 1; ; attempt += 1) {
      const registered = await this.#register(signal);
      const number = await registered.numbers.take(signal);
      try {
        return await this.#insist(call, { registered, number, signal });
      } catch (error) {
        if (isHoldfastError(error, 'session-expired')) this.#forget(registered);
        else if (!isHoldfastError(error, 'conflict')) throw error;
        // It has certainly not been applied: another number may be, in another session if need be.
        if (error.outcome !== 'not-applied' || attempt >= attemptsMax) throw error;
      } finally {
        registered.numbers.giveBack(number);
      }
      await pause(this.#ports.clock, retryMs * this.#ports.random.fraction(), signal);
    }
  }

  /** The same write under the same number, until it is answered. */
  async #insist(
    call: Call,
    place: {
      readonly registered: Registered;
      readonly number: bigint;
      readonly signal: AbortSignal;
    },
  ): Promise<Reply> {
    const { registered, number, signal } = place;
    let isUncertain = false;
    for (;;) {
      try {
        this.#writtenMs = this.#ports.clock.monotonicMs();
        const headers = { ...call.headers, ...this.#headersOf(registered, number) };
        const frame = this.#placed(call.frame, registered, number);
        const reply = await this.#send({ ...call, kind: 'repeatable', headers, frame, signal });
        return { ...reply, afterUnknown: false };
      } catch (error) {
        if (!(error instanceof HoldfastError)) throw error;
        if (firstAnswers.has(error.code)) throw certain(error);
        if (error.outcome === 'unknown') isUncertain = true;
        if (!error.retryable || signal.aborted) throw isUncertain ? uncertain(error) : error;
        await this.#turn(signal);
      }
    }
  }

  /** A repetition counts as any other does (retry-budget.ts), and waits for its turn. */
  async #turn(signal: AbortSignal): Promise<void> {
    const { clock, caller } = this.#ports;
    do await pause(clock, retryMs, signal);
    while (!signal.aborted && !caller.budget.take());
  }

  #headersOf({ id, numbers }: Registered, number: bigint): Record<string, string> {
    return {
      'holdfast-session': id.toString(),
      'holdfast-sequence': number.toString(),
      'holdfast-lowest-pending': numbers.lowest.toString(),
    };
  }

  /** The same in frames. */
  #placed(
    frame: Call['frame'],
    { id, numbers }: Registered,
    sequence: bigint,
  ): FrameRequest | undefined {
    if (frame === undefined || frame === 'ping') return undefined;
    return inSession(frame, { id, sequence, lowestPending: numbers.lowest });
  }

  async #register(signal: AbortSignal): Promise<Registered> {
    this.#closed.signal.throwIfAborted();
    const registered = this.#registered ?? this.#begin();
    this.#registered = registered;
    try {
      await waitFor(registered.done, signal);
    } catch (error) {
      if (!signal.aborted) this.#forget(registered);
      // Whatever became of the session: the write has not been sent.
      throw error instanceof HoldfastError ? withOutcome(error, 'not-applied') : error;
    }
    return registered;
  }

  /** With an id of its own the registration may be repeated. */
  #begin(): Registered {
    const id = this.#ports.random.identity();
    const done = this.#sendRegistration(id);
    done.catch(() => undefined); // Whoever waits for it is told, and there may be nobody any more.
    return { id, numbers: new WriteNumbers(), done };
  }

  async #sendRegistration(id: bigint): Promise<void> {
    const { ttlMs } = this.#options;
    const text = JSON.stringify({ ttlMs, id: id.toString() });
    await this.#send({
      kind: 'repeatable',
      method: 'POST',
      path: '/v1/sessions',
      headers: { 'content-type': 'application/json' },
      body: new TextEncoder().encode(text),
      frame: registerFrame(id, ttlMs),
    });
    this.#beating ??= this.#beat();
  }

  #forget(registered: Registered): void {
    if (this.#registered === registered) this.#registered = undefined;
  }

  /** While nothing is written, somebody has to say that the session is still wanted. */
  async #beat(): Promise<void> {
    const { clock } = this.#ports;
    const { signal } = this.#closed;
    const everyMs = this.#options.ttlMs / beatsPerLife;
    while (!signal.aborted) {
      await pause(clock, everyMs, signal);
      const registered = this.#registered;
      const isIdle = clock.monotonicMs() - this.#writtenMs >= everyMs;
      if (signal.aborted || !registered || !isIdle) continue;
      try {
        const { id } = registered;
        const path = `${sessionPath(id)}/keep-alive`;
        const frame = writeFrame({ $case: 'sessionKeepAlive', value: { id } });
        await this.#send({ kind: 'repeatable', method: 'POST', path, signal, frame });
      } catch (error) {
        // The next write registers anew; anything else is tried again at the next beat.
        if (isHoldfastError(error, 'session-expired')) this.#forget(registered);
      }
    }
  }

  #send(call: Call): Promise<Reply> {
    return this.#ports.caller.call(call);
  }
}

/** What is no time to live, the member refuses over HTTP. */
const registerFrame = (id: bigint, ttlMs: number): FrameRequest | undefined =>
  areNatural(ttlMs) ? writeFrame({ $case: 'sessionRegister', value: { id, ttlMs } }) : undefined;

const sessionPath = (id: bigint): string => `/v1/sessions/${id}`;

/** A repeated write is answered as the first one was: an unknown try before it is of no matter. */
const certain = (error: HoldfastError): HoldfastError =>
  error.outcome === 'unknown' ? withOutcome(error, 'not-applied') : error;

const uncertain = (error: HoldfastError): HoldfastError =>
  error.outcome === 'not-applied' ? withOutcome(error, 'unknown') : error;

function withOutcome(error: HoldfastError, outcome: 'not-applied' | 'unknown'): HoldfastError {
  const { code, message, details } = error;
  return new HoldfastError(code, message, { outcome, details, cause: error });
}
