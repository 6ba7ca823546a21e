// One rule for silent links (safety.md 17): after 4.5 s without a byte a ping; unanswered, again
// after 1 s and 2 s; at 3 s the third failure. Any byte is life. The event loop's own lag is never
// the peer's fault: after it the peer gets one fresh ping before it is judged (safety.md 18).
import type { Clock, Timer } from '@holdfast/base/clock';

export type SilenceSettings = {
  readonly silenceMs: number;
  readonly pingWaitMs: number;
  /** Pings without an answer that make a link dead. */
  readonly failuresMax: number;
  /** A timer that fires later than this tells that this process itself stood still. */
  readonly ownLagMs: number;
};

export const defaultSilenceSettings: SilenceSettings = {
  silenceMs: 4500,
  pingWaitMs: 1000,
  failuresMax: 3,
  ownLagMs: 250,
};

export interface SilenceHandler {
  ping(): void;
  /** It looked, and bytes had come lately. */
  onLife?(): void;
  /** Bytes came after a ping. */
  onAnswer(): void;
  /** The `failures`-th ping in a row had no answer; at `failuresMax` the watch has ended. */
  onFailure(failures: number): void;
}

type State =
  | { readonly name: 'listening' }
  | { readonly name: 'pinging'; readonly failures: number }
  | { readonly name: 'over' };

export class SilenceWatch {
  readonly #clock: Clock;
  readonly #settings: () => SilenceSettings;
  readonly #handler: SilenceHandler;
  #state: State = { name: 'listening' };
  #heardMs: number;
  #dueMs = 0;
  #timer: Timer | undefined;

  /** `settings` are asked for each time: a change holds from the next ping on. */
  constructor(clock: Clock, settings: () => SilenceSettings, handler: SilenceHandler) {
    this.#clock = clock;
    this.#settings = settings;
    this.#handler = handler;
    this.#heardMs = clock.monotonicMs();
    this.#arm(settings().silenceMs);
  }

  /** Asks for a sign of life now, unless that is under way. */
  ask(): void {
    if (this.#state.name === 'listening') this.#ping(0);
  }

  get heardMs(): number {
    return this.#heardMs;
  }

  /** Called for every chunk of bytes, so it moves no timer while nothing is amiss. */
  heard(): void {
    this.#heardMs = this.#clock.monotonicMs();
    if (this.#state.name !== 'pinging') return;
    this.#state = { name: 'listening' };
    this.#arm(this.#settings().silenceMs);
    this.#handler.onAnswer();
  }

  close(): void {
    this.#state = { name: 'over' };
    this.#timer?.cancel();
  }

  #arm(delayMs: number): void {
    this.#timer?.cancel();
    this.#dueMs = this.#clock.monotonicMs() + delayMs;
    this.#timer = this.#clock.schedule(delayMs, () => this.#fire());
  }

  #fire(): void {
    const state = this.#state;
    const lagMs = this.#clock.monotonicMs() - this.#dueMs;
    if (state.name === 'over') return;
    if (state.name === 'listening') this.#checkSilence();
    else if (lagMs > this.#settings().ownLagMs) this.#ping(0);
    else this.#countFailure(state.failures + 1);
  }

  #checkSilence(): void {
    const silentMs = this.#clock.monotonicMs() - this.#heardMs;
    const leftMs = this.#settings().silenceMs - silentMs;
    // A timer may fire a fraction early; below a millisecond nothing is worth another one.
    if (leftMs < 1) return this.#ping(0);
    this.#arm(leftMs);
    this.#handler.onLife?.();
  }

  #ping(failures: number): void {
    this.#state = { name: 'pinging', failures };
    this.#arm(this.#settings().pingWaitMs);
    this.#handler.ping();
  }

  #countFailure(failures: number): void {
    if (failures < this.#settings().failuresMax) this.#ping(failures);
    else this.close();
    this.#handler.onFailure(failures);
  }
}
