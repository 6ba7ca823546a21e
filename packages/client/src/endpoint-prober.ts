// Looks for a sign of life of an endpoint that is set aside, so that no call has to (safety.md 18):
// one ping after the other, with backoff and jitter. It rests while nobody uses the client, which
// may be kept for days, and goes on with the next call.
import { Backoff } from '@holdfast/base/backoff';
import type { Clock, Timer } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';

import type { ProbeSettings } from './client-settings.ts';
import type { HttpPort } from './http-port.ts';
import { ping } from './ping.ts';

export type EndpointProberOptions = {
  readonly address: string;
  readonly http: HttpPort;
  readonly clock: Clock;
  readonly random: Random;
  readonly settings: () => ProbeSettings;
  readonly pingWaitMs: () => number;
  /** Nobody has used the client for so long that nobody waits for this endpoint. */
  readonly isUnused: () => boolean;
  readonly onAnswer: () => void;
};

type Asking = { readonly controller: AbortController; readonly timer: Timer };

type State =
  | { readonly name: 'stopped' }
  | { readonly name: 'resting' }
  | { readonly name: 'looking'; readonly timer: Timer };

export class EndpointProber {
  readonly #options: EndpointProberOptions;
  #state: State = { name: 'stopped' };
  #backoff: Backoff | undefined;
  /** The ping that is on its way; the next one takes its place, so that a return is seen soon. */
  #asking: Asking | undefined;

  constructor(options: EndpointProberOptions) {
    this.#options = options;
  }

  start(): void {
    if (this.#state.name === 'stopped') this.#arm();
  }

  /** The client is used again. */
  wake(): void {
    if (this.#state.name !== 'resting') return;
    this.#backoff = undefined;
    this.#arm();
  }

  stop(): void {
    this.#rest({ name: 'stopped' });
  }

  /** A call was answered. One that answers pings alone is set aside for longer each time. */
  forgive(): void {
    if (this.#state.name === 'stopped') this.#backoff = undefined;
  }

  #arm(): void {
    const { clock, random, settings } = this.#options;
    this.#backoff ??= new Backoff(settings(), random);
    const timer = clock.schedule(this.#backoff.nextMs(), () => this.#look());
    this.#state = { name: 'looking', timer };
  }

  #look(): void {
    const { isUnused } = this.#options;
    this.#giveUp();
    if (isUnused()) return this.#rest({ name: 'resting' });
    this.#arm();
    this.#ask();
  }

  /** No longer than a ping may take: an open socket keeps a process alive that is done. */
  #ask(): void {
    const { http, address, clock, pingWaitMs, onAnswer } = this.#options;
    const controller = new AbortController();
    const { signal } = controller;
    this.#asking = { controller, timer: clock.schedule(pingWaitMs(), () => this.#giveUp()) };
    void ping(http, address, signal).then((end) => {
      if (signal.aborted) return;
      this.#giveUp();
      if (end.name === 'answered') onAnswer();
    });
  }

  #giveUp(): void {
    this.#asking?.timer.cancel();
    this.#asking?.controller.abort(new Error('no answer is waited for any more'));
    this.#asking = undefined;
  }

  #rest(state: State): void {
    if (this.#state.name === 'looking') this.#state.timer.cancel();
    this.#giveUp();
    this.#state = state;
  }
}
