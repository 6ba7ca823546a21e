// One try of a call at one endpoint, and what it says about that endpoint when it ends; its first
// word counts. Only the transport's failures speak against an endpoint: what a member
// answers, whatever its status, proves that it lives.
import type { Clock, Timer } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';
import type { CircuitBreaker, Permit } from '@holdfast/transport/circuit-breaker';

import type { ClientSettings } from './client-settings.ts';
import { fairTimer } from './fair-timer.ts';
import { TransportFailure } from './http-port.ts';

/** An endpoint as far as a try goes. */
export interface VisitedEndpoint {
  readonly address: string;
  readonly breaker: CircuitBreaker;
  readonly slowBreaker: CircuitBreaker;
  /** When its last byte came. */
  readonly heardMs: number | undefined;
  /** How many of its failures have been counted: what was under way together fails as one. */
  readonly failuresSeen: number;
  /** Tries whose calls were answered elsewhere, and that go on. */
  readonly strays: Set<Visit>;
  answered(): void;
  refused(reason: string): void;
  failed(reason: string): void;
  /** It owes a sign of life. */
  doubt(): void;
  /** Its member can serve nobody now. */
  rest(): void;
}

/**
 * What its answer tells by its time: `quick` waits for nothing but its member's work, `held` as
 * long as the member likes. A `ping` tells of life alone, and makes good no call that had none.
 */
export type Pace = 'quick' | 'held' | 'ping';

/** What the gates said. Without a permit it is tried all the same, because nobody else is left. */
export type Admission = {
  readonly permit: Permit | undefined;
  readonly slow: Permit | undefined;
  readonly pace: Pace;
};

export type VisitPorts = { readonly clock: Clock; readonly settings: () => ClientSettings };

export class Visit {
  readonly #endpoint: VisitedEndpoint;
  readonly #admission: Admission;
  readonly #ports: VisitPorts;
  readonly #sentMs: number;
  readonly #failuresSeen: number;
  readonly #slowTimer: Timer | undefined;
  #isSlow = false;
  #isStray = false;
  #isOver = false;

  constructor(endpoint: VisitedEndpoint, admission: Admission, ports: VisitPorts) {
    this.#endpoint = endpoint;
    this.#admission = admission;
    this.#ports = ports;
    this.#sentMs = this.#nowMs;
    this.#failuresSeen = endpoint.failuresSeen;
    this.#slowTimer = admission.pace === 'quick' ? this.#startSlowTimer() : undefined;
  }

  get address(): string {
    return this.#endpoint.address;
  }

  /** Not one byte has come from its endpoint since it began: it may be dark. */
  get isSilent(): boolean {
    return (this.#endpoint.heardMs ?? Number.NEGATIVE_INFINITY) <= this.#sentMs;
  }

  get isStray(): boolean {
    return this.#isStray;
  }

  /** Its call was answered elsewhere. True: it goes on, and tells how slow its endpoint is. */
  mayGoOn(): boolean {
    const { strays } = this.#endpoint;
    const { slowBreaker } = this.#ports.settings();
    // As many as it takes to set the endpoint aside.
    if (this.#isOver || !this.#admission.slow || strays.size >= slowBreaker.failuresMax) {
      return false;
    }
    this.#isStray = true;
    strays.add(this);
    this.#maybeDoubt();
    return true;
  }

  /** The head of an answer, of any status. */
  answered(): void {
    if (!this.#end()) return;
    const { permit, pace } = this.#admission;
    const { breaker } = this.#endpoint;
    this.#endpoint.answered();
    // Who was asked in spite of its mark has lost it by this: that is as good as a probe.
    if (!permit) breaker.close();
    else if (pace === 'ping' && breaker.state.name === 'closed') permit.released();
    else permit.succeeded();
    if (pace === 'quick') this.#tellSlow();
  }

  /** Its member says that it can serve nobody now: it lives, and others are asked before it. */
  declined(): void {
    this.#endpoint.rest();
  }

  /** No answer; an error that is not the transport's says nothing, or that it was given up. */
  failed(error: unknown): void {
    if (!this.#end()) return;
    if (!(error instanceof TransportFailure)) this.#givenUp();
    else if (error.isSilence && !this.#isTelling) this.#givenUp();
    else if (error.isSilence && !this.isSilent) this.#tooSlow(error);
    else this.#unreachable(error);
  }

  get #nowMs(): number {
    return this.#ports.clock.monotonicMs();
  }

  get #tookMs(): number {
    return this.#nowMs - this.#sentMs;
  }

  get #tookS(): string {
    return (this.#tookMs / 1000).toFixed(1);
  }

  /**
   * Silence speaks against an endpoint from the time on that pings would wait: who stands still for
   * a moment has done nothing wrong. A timer may fire a fraction early.
   */
  get #isTelling(): boolean {
    const { pingWaitMs, failuresMax } = this.#ports.settings().silence;
    return this.#tookMs + 1 >= pingWaitMs * failuresMax;
  }

  /** False: it has ended before. */
  #end(): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#slowTimer?.cancel();
    this.#endpoint.strays.delete(this);
    return true;
  }

  #startSlowTimer(): Timer {
    const { clock, settings } = this.#ports;
    return fairTimer({
      clock,
      silence: () => settings().silence,
      delayMs: settings().slowness.slowMs,
      action: () => {
        this.#isSlow = true;
      },
    });
  }

  #tellSlow(): void {
    const { slow } = this.#admission;
    if (this.#isSlow) slow?.failed(`it answered after ${this.#tookS} s`);
    else if (slow) slow.succeeded();
    else this.#endpoint.slowBreaker.close();
  }

  #tooSlow(error: TransportFailure): void {
    this.#admission.permit?.released();
    this.#admission.slow?.failed(`${error.message}, and lives`);
  }

  /** Its asker went another way, or waits no more. */
  #givenUp(): void {
    const { permit, slow } = this.#admission;
    permit?.released();
    if (this.#isSlow && !this.isSilent) slow?.failed(`no answer after ${this.#tookS} s`);
    else slow?.released();
    this.#maybeDoubt();
  }

  /** So long without a byte, the endpoint may be dark. */
  #maybeDoubt(): void {
    const { hedgeMs } = this.#ports.settings();
    if (this.isSilent && this.#tookMs >= hedgeMs) this.#endpoint.doubt();
  }

  #unreachable(error: TransportFailure): void {
    const { permit, slow } = this.#admission;
    slow?.released();
    if (this.#failuresSeen !== this.#endpoint.failuresSeen) return permit?.released();
    permit?.failed(messageOf(error));
    if (error.isRefused) this.#endpoint.refused(error.message);
    else this.#endpoint.failed(error.message);
  }
}
