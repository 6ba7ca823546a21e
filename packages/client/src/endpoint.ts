// What is known of one endpoint, and what follows: the health record and the two breakers that
// peers have too (safety.md 17, 18), pings while anything is under way, and a prober while it is
// set aside. It owns these, and ends what is under way when the endpoint is dead; whom a call asks
// is decided in candidates.ts.
import type { Clock } from '@holdfast/base/clock';
import type { HoldfastError } from '@holdfast/base/errors';
import type { Random } from '@holdfast/base/random';
import { type BreakerState, CircuitBreaker } from '@holdfast/transport/circuit-breaker';
import {
  consecutiveFailures,
  type LinkHealth,
  newLinkHealth,
  withFailure,
  withLife,
  withRefusal,
  withSilence,
  withSuccess,
} from '@holdfast/transport/link-health';

import type { ClientSettings } from './client-settings.ts';
import type { EndpointView } from './endpoint-api.ts';
import { EndpointPings } from './endpoint-pings.ts';
import { EndpointProber } from './endpoint-prober.ts';
import { Exchange } from './exchange.ts';
import { type HttpPort, TransportFailure } from './http-port.ts';
import { type Admission, type Pace, Visit, type VisitedEndpoint } from './visit.ts';

export type EndpointOptions = {
  readonly address: string;
  readonly http: HttpPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: () => ClientSettings;
  /** Nobody has used the client for a long time. */
  readonly isUnused: () => boolean;
  /** Its health or one of its breakers has another name now. */
  readonly onChange: (endpoint: Endpoint) => void;
  /** What is under way there in frames ends with this reason. */
  readonly onEnd: (reason: HoldfastError) => void;
};

export class Endpoint implements VisitedEndpoint {
  readonly address: string;
  readonly breaker: CircuitBreaker;
  readonly slowBreaker: CircuitBreaker;
  readonly strays = new Set<Visit>();
  readonly #options: EndpointOptions;
  readonly #pings: EndpointPings;
  readonly #prober: EndpointProber;
  readonly #underWay = new Set<Exchange>();
  /** As many more are under way in frames, which have one end: that of their connection. */
  #framed = 0;
  #health: LinkHealth;
  #heardMs: number | undefined;
  #isDoubtful = false;
  #restUntilMs = Number.NEGATIVE_INFINITY;
  #failuresSeen = 0;
  #closed: HoldfastError | undefined;

  constructor(options: EndpointOptions) {
    const { address, clock, settings } = options;
    this.#options = options;
    this.address = address;
    this.#health = newLinkHealth(address);
    this.breaker = new CircuitBreaker({
      clock,
      settings: () => settings().breaker,
      onChange: (_, to) => this.#breakerChanged(to),
    });
    this.slowBreaker = new CircuitBreaker({
      clock,
      settings: () => settings().slowBreaker,
      onChange: () => options.onChange(this),
    });
    this.#pings = this.#newPings();
    this.#prober = this.#newProber();
  }

  get heardMs(): number | undefined {
    return this.#heardMs;
  }

  get failuresSeen(): number {
    return this.#failuresSeen;
  }

  /** It was asked, others have answered meanwhile, and not one byte has come since. */
  get isDoubtful(): boolean {
    return this.#isDoubtful;
  }

  /** Its member has said lately that it can serve nobody: it starts, ends, or has no majority. */
  get isResting(): boolean {
    return this.#nowMs < this.#restUntilMs;
  }

  /** A byte came lately, so that a write may go there without asking first. */
  get isProven(): boolean {
    if (this.#heardMs === undefined || this.#isDoubtful) return false;
    return this.breaker.state.name === 'closed' && this.#silentMs < this.#provenMs;
  }

  get isBusy(): boolean {
    return this.#underWay.size + this.#framed > 0;
  }

  get view(): EndpointView {
    const { address, lastCheckMs, state } = this.#health;
    const ageOf = (ms: number | undefined) => (ms === undefined ? undefined : this.#nowMs - ms);
    return {
      address,
      state: state.name,
      reason: state.name === 'healthy' ? undefined : state.reason,
      failures: consecutiveFailures(this.#health),
      lastSuccessAgeMs: ageOf(this.#heardMs),
      lastCheckAgeMs: ageOf(latest(lastCheckMs, this.#heardMs)),
      breaker: this.breaker.state,
      slowBreaker: this.slowBreaker.state,
      underWay: this.#underWay.size + this.#framed,
    };
  }

  /** A try that its gates let through, or none. */
  visit({ pace }: { readonly pace: Pace }): Visit | undefined {
    const slow = pace === 'quick' ? this.slowBreaker.admit() : undefined;
    if (pace === 'quick' && !slow) return undefined;
    if (this.slowBreaker.state.name === 'open') return undefined;
    const permit = this.breaker.admit();
    if (permit) return this.#newVisit({ permit, slow, pace });
    slow?.released();
    return undefined;
  }

  /** A try past the gates: a mark is a memory, never a wall. */
  force({ pace }: { readonly pace: Pace }): Visit {
    return this.#newVisit({ permit: undefined, slow: undefined, pace });
  }

  /** A request leaves for it. It is ended by its asker's signal, or by the endpoint's death. */
  begin(parent: AbortSignal): Exchange {
    const exchange = new Exchange({
      parent,
      onHeard: () => this.#heard(),
      onEnd: (one) => {
        this.#underWay.delete(one);
        this.#pings.end();
      },
    });
    this.#underWay.add(exchange);
    this.#began();
    if (this.#closed) exchange.abort(this.#closed);
    return exchange;
  }

  /** The same for what goes in frames: `onEnd` ends it. */
  beginFramed(): void {
    this.#framed += 1;
    this.#began();
  }

  /** Once for each beginning. */
  endFramed(): void {
    this.#framed -= 1;
    this.#pings.end();
  }

  /** A byte has come from there. */
  heard(): void {
    this.#heard();
  }

  answered(): void {
    this.#heard();
    this.#prober.forgive();
    this.#judge(withSuccess(this.#health, this.#nowMs));
  }

  refused(reason: string): void {
    this.#failuresSeen += 1;
    this.#judge(withRefusal(this.#health, { nowMs: this.#nowMs, reason }));
  }

  failed(reason: string): void {
    this.#failuresSeen += 1;
    this.#judge(withFailure(this.#health, { nowMs: this.#nowMs, reason }));
    this.doubt();
  }

  doubt(): void {
    this.#isDoubtful = true;
    // Where it is open, the prober asks.
    if (this.breaker.state.name === 'closed' && !this.#closed) this.#pings.ask();
  }

  rest(): void {
    this.#restUntilMs = this.#nowMs + this.#options.settings().restMs;
  }

  /** The client is used again. */
  wake(): void {
    this.#prober.wake();
  }

  /** What is under way, and what is still begun, ends with this reason. */
  close(reason: HoldfastError): void {
    this.#closed = reason;
    this.#prober.stop();
    this.#pings.stop();
    this.#endAll(reason);
  }

  #began(): void {
    this.#pings.begin();
    // Of one that is set aside the truth is wanted in 3 s, not in 7.5.
    if (!this.#closed && this.breaker.state.name !== 'closed') this.#pings.ask();
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  get #silentMs(): number {
    return this.#nowMs - (this.#heardMs ?? Number.NEGATIVE_INFINITY);
  }

  get #provenMs(): number {
    return this.#options.settings().provenMs;
  }

  #newVisit(admission: Admission): Visit {
    return new Visit(this, admission, this.#options);
  }

  #newPings(): EndpointPings {
    const { address, http, clock, settings } = this.#options;
    return new EndpointPings({
      address,
      http,
      clock,
      settings: () => settings().silence,
      handler: {
        onHeard: () => this.#heard(),
        onLife: () => {
          const heardMs = this.#heardMs ?? this.#nowMs;
          this.#judge(withLife(this.#health, this.#nowMs, heardMs));
        },
        onAnswer: () => this.#judge(withSuccess(this.#health, this.#nowMs)),
        onFailure: (failures) => this.#unanswered(failures),
        // What is under way may still be answered: a member that ends listens no more.
        onRefused: (reason) => this.refused(reason),
      },
    });
  }

  #newProber(): EndpointProber {
    const { settings } = this.#options;
    return new EndpointProber({
      ...this.#options,
      settings: () => settings().probe,
      pingWaitMs: () => settings().silence.pingWaitMs,
      onAnswer: () => {
        this.#heard();
        this.#judge(withSuccess(this.#health, this.#nowMs));
        this.breaker.close();
      },
    });
  }

  #heard(): void {
    this.#heardMs = this.#nowMs;
    this.#isDoubtful = false;
    this.#pings.heard();
  }

  #unanswered(failures: number): void {
    const deadAt = this.#options.settings().silence.failuresMax;
    const reason = `${failures} pings in a row without an answer`;
    const failure = { nowMs: this.#nowMs, reason, deadAt };
    this.#isDoubtful = true;
    if (failures >= deadAt) this.#died(withSilence(this.#health, failures, failure));
    // One lost ping makes nothing better, either.
    else if (this.#health.state.name !== 'dead') {
      this.#judge(withSilence(this.#health, failures, failure));
    }
  }

  /** What is under way there ends; whether it has left and been done, nobody knows. */
  #died(health: LinkHealth): void {
    this.#failuresSeen += 1;
    this.#pings.stop();
    this.#judge(health);
    const why = health.state.name === 'healthy' ? '' : health.state.reason;
    const options = { outcome: 'unknown', reason: 'dead' } as const;
    this.#endAll(new TransportFailure(this.address, why, options));
  }

  #endAll(reason: HoldfastError): void {
    for (const exchange of [...this.#underWay]) exchange.abort(reason);
    this.#options.onEnd(reason);
  }

  #judge(health: LinkHealth): void {
    const before = this.#health.state.name;
    this.#health = health;
    const { state } = health;
    if (state.name === before) return;
    if (state.name === 'dead') this.breaker.trip(state.reason);
    this.#options.onChange(this);
  }

  #breakerChanged(to: BreakerState): void {
    if (to.name === 'open' && !this.#closed) this.#prober.start();
    if (to.name === 'closed') this.#prober.stop();
    this.#options.onChange(this);
  }
}

const latest = (a: number | undefined, b: number | undefined): number | undefined =>
  a === undefined || b === undefined ? (a ?? b) : Math.max(a, b);
