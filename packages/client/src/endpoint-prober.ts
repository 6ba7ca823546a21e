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
  /** Nobody has used the client for so long that nobody waits for this endpoint. */
  readonly isUnused: () => boolean;
  readonly onAnswer: () => void;
};

type State =
  | { readonly name: 'stopped' }
  | { readonly name: 'resting' }
  | { readonly name: 'looking'; readonly timer: Timer };

export class EndpointProber {
  readonly #options: EndpointProberOptions;
  #state: State = { name: 'stopped' };
  #backoff: Backoff | undefined;
  /** The ping that is on its way: the next one takes its place, so that each is looked at soon. */
  #asking: AbortController | undefined;

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
    const { http, address, isUnused, onAnswer } = this.#options;
    this.#asking?.abort(new Error('another ping takes its place'));
    if (isUnused()) return this.#rest({ name: 'resting' });
    this.#asking = new AbortController();
    const { signal } = this.#asking;
    this.#arm();
    void ping(http, address, signal).then((end) => {
      if (!signal.aborted && end.name === 'answered') onAnswer();
    });
  }

  #rest(state: State): void {
    if (this.#state.name === 'looking') this.#state.timer.cancel();
    this.#asking?.abort(new Error('nobody looks any more'));
    this.#asking = undefined;
    this.#state = state;
  }
}
