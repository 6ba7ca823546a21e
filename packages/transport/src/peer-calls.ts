// Questions to one peer: each goes through the gate, waits no longer than its deadline
// lets it, and tells the gate how it ended. They travel on the control connections, which stand
// while the peer lives: nobody dials for a call, and where there is no connection it ends at once.
//
// Two breakers make the gate. One counts calls that had no answer while nothing at all was heard of
// the peer. The other counts slow answers of a peer that lives: that one is not dead, but
// whoever waits for it would be as badly off.
import type { Clock, Timer } from '@holdfast/base/clock';
import { type ErrorCode, HoldfastError } from '@holdfast/base/errors';
import { formatId, type MemberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import { encode } from '@holdfast/proto/encode';
import { AskRequest, AskResponse } from '@holdfast/proto/peer';
import { type CircuitBreaker, type Permit, setAside } from './circuit-breaker.ts';
import { decodePayload } from './decode-payload.ts';
import { frameKinds } from './frame.ts';
import { features, type Hello } from './handshake.ts';
import { isTransportFailure, transportFailure } from './transport-failure.ts';

export type CallSettings = {
  /** An answer that takes so long is a slow one. */
  readonly slowMs: number;
  /** To one peer at a time. */
  readonly inFlightMax: number;
  /** Of a question, and of an answer. */
  readonly bodyBytesMax: number;
  /**
   * A deadline that passes speaks against the peer if it was at least so long: who stands still for
   * a moment (A-14: 2 s) has done nothing wrong. As long as pings wait.
   */
  readonly tellingMs: number;
};

/** a peer that answers in 4 s is slow. */
export const defaultCallSettings: CallSettings = {
  slowMs: 2000,
  inFlightMax: 64,
  bodyBytesMax: 256 * 1024,
  tellingMs: 3000,
};

/** What was seen of the peer; it belongs to the peer's link. */
export type Presence = {
  /** Monotonic time of the last byte from it, on any connection. */
  lastHeardMs: number | undefined;
  /** As it introduced itself last; undefined: never, or it would be refused by now. */
  hello: Hello | undefined;
};

export type PeerCallsOptions = {
  readonly clock: Clock;
  readonly random: Random;
  readonly peer: MemberId;
  readonly settings: () => CallSettings;
  readonly breaker: CircuitBreaker;
  readonly slowBreaker: CircuitBreaker;
  /** Questions go out on it; false: there is no connection now. */
  readonly control: { sendNow(kind: number, payload: Uint8Array): boolean };
  readonly presence: Readonly<Presence>;
};

export type AskOptions = { readonly timeoutMs: number; readonly signal?: AbortSignal | undefined };

/** Ends the wait for an answer. */
type Settle = (outcome: Uint8Array | HoldfastError) => void;

export class PeerCalls {
  readonly #options: PeerCallsOptions;
  /** Made with the first call: a link should weigh little. */
  #pending: Map<number, Settle> | undefined;
  /** Not from one on: the answer to an earlier boot must not be taken for one to this. */
  #nextId: number;
  /** All calls on a connection that breaks are one failure, not many. */
  #lastBreak: HoldfastError | undefined;

  constructor(options: PeerCallsOptions) {
    this.#options = options;
    this.#nextId = options.random.integer(0, 2 ** 48);
  }

  /**
   * Rejects with `unavailable` (set aside, not connected, broken off), `deadline-exceeded`,
   * `version-mismatch` where the peer's version answers none, the peer's own error, or the signal's
   * reason.
   */
  async ask(body: Uint8Array, options: AskOptions): Promise<Uint8Array> {
    const { peer, breaker, slowBreaker } = this.#options;
    this.#checkWorth(body);
    const slow = slowBreaker.admit();
    const permit = slow && breaker.admit();
    if (!slow || !permit) {
      slow?.released();
      throw setAside(peer, (slow ? breaker : slowBreaker).state);
    }
    const sentMs = this.#nowMs;
    try {
      const answer = await this.#send(body, options);
      permit.succeeded();
      this.#tellSlow(slow, sentMs);
      return answer;
    } catch (error) {
      this.#tellFailed({ permit, slow, sentMs }, error, options);
      throw error;
    }
  }

  /** An answer has come; one that nobody waits for any more is dropped. Throws `corrupt`. */
  answered(payload: Uint8Array): void {
    const { id, code, message, body } = decodePayload(AskResponse, payload, 'an answer');
    const outcome = code === '' ? body : new HoldfastError(code as ErrorCode, message);
    this.#pending?.get(id)?.(outcome);
  }

  /** The connection is over, and with it what was asked on it. */
  lost(reason: string): void {
    const broken = transportFailure(reason);
    for (const settle of [...(this.#pending?.values() ?? [])]) settle(broken);
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #checkWorth(body: Uint8Array): void {
    const { presence, settings, peer } = this.#options;
    const { bodyBytesMax, inFlightMax } = settings();
    if (presence.hello && (presence.hello.features & features.asks) === 0) {
      const text = `member ${formatId(peer)} runs an older version, which answers no questions`;
      throw new HoldfastError('version-mismatch', text);
    }
    if (body.length > bodyBytesMax) throw new HoldfastError('too-large', 'a question is too long');
    if ((this.#pending?.size ?? 0) < inFlightMax) return;
    const text = `${inFlightMax} questions to member ${formatId(peer)} are under way already`;
    throw new HoldfastError('resource-exhausted', text);
  }

  #send(body: Uint8Array, { timeoutMs, signal }: AskOptions): Promise<Uint8Array> {
    const { clock, control, peer } = this.#options;
    signal?.throwIfAborted();
    const id = this.#nextId;
    this.#nextId += 1;
    this.#pending ??= new Map();
    const pending = this.#pending;
    return new Promise((resolve, reject) => {
      const settle: Settle = (outcome) => {
        pending.delete(id);
        timer?.cancel();
        signal?.removeEventListener('abort', onAbort);
        if (outcome instanceof HoldfastError) reject(outcome);
        else resolve(outcome);
      };
      const onAbort = (): void => {
        settle(new HoldfastError('cancelled', 'nobody waits for the answer any more'));
      };
      let timer: Timer | undefined;
      pending.set(id, settle);
      const payload = encode(AskRequest, { id, body });
      if (!control.sendNow(frameKinds.askRequest, payload)) {
        return settle(notConnected(peer));
      }
      timer = clock.schedule(timeoutMs, () => settle(silent(peer, timeoutMs)));
      signal?.addEventListener('abort', onAbort, { once: true });
    });
  }

  #tellSlow(slow: Permit, sentMs: number): void {
    const tookMs = this.#nowMs - sentMs;
    if (tookMs < this.#options.settings().slowMs) slow.succeeded();
    else slow.failed(`it answered after ${(tookMs / 1000).toFixed(1)} s`);
  }

  #tellFailed(
    call: { readonly permit: Permit; readonly slow: Permit; readonly sentMs: number },
    error: unknown,
    { timeoutMs, signal }: AskOptions,
  ): void {
    const { permit, slow, sentMs } = call;
    if (signal?.aborted || !(error instanceof HoldfastError)) return release(permit, slow);
    if (!isTransportFailure(error)) {
      // The peer itself has said so: it lives.
      permit.succeeded();
      return this.#tellSlow(slow, sentMs);
    }
    if (error.code === 'deadline-exceeded') {
      if (timeoutMs < this.#options.settings().tellingMs) return release(permit, slow);
      if (this.#wasHeardSince(sentMs)) {
        permit.released();
        return slow.failed(`it did not answer within ${timeoutMs / 1000} s, and lives`);
      }
    } else if (error.details['connected'] === false || error === this.#lastBreak) {
      // Nothing left; whether it can be dialled is the prober's to find.
      return release(permit, slow);
    }
    this.#lastBreak = error;
    permit.failed(error.message);
    slow.released();
  }

  #wasHeardSince(sinceMs: number): boolean {
    return (this.#options.presence.lastHeardMs ?? Number.NEGATIVE_INFINITY) > sinceMs;
  }
}

function release(...permits: readonly Permit[]): void {
  for (const permit of permits) permit.released();
}

const notConnected = (peer: MemberId): HoldfastError =>
  transportFailure(`no connection to member ${formatId(peer)} stands now`, {
    details: { connected: false },
  });

const silent = (peer: MemberId, timeoutMs: number): HoldfastError => {
  const text = `member ${formatId(peer)} did not answer within ${timeoutMs} ms`;
  return new HoldfastError('deadline-exceeded', text, { outcome: 'unknown' });
};
