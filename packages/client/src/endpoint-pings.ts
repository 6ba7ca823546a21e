// The ping rule of one endpoint (safety.md 17): while anything is under way there, and while it
// owes a sign of life, silence is asked about, three times in 3 s. An endpoint of which nobody
// wants anything is left in peace: the idle clients of a cluster are many.
import type { Clock } from '@holdfast/base/clock';
import { type SilenceSettings, SilenceWatch } from '@holdfast/transport/silence-watch';

import type { HttpPort } from './http-port.ts';
import { ping } from './ping.ts';

export interface EndpointPingsHandler {
  /** A ping was answered: to be told to heard(), as every other byte. */
  onHeard(): void;
  /** It looked, and bytes had come lately. */
  onLife(): void;
  /** Bytes came after a ping. */
  onAnswer(): void;
  /** So many pings in a row had no answer. */
  onFailure(failures: number): void;
  onRefused(reason: string): void;
}

export type EndpointPingsOptions = {
  readonly address: string;
  readonly http: HttpPort;
  readonly clock: Clock;
  readonly settings: () => SilenceSettings;
  readonly handler: EndpointPingsHandler;
};

export class EndpointPings {
  readonly #options: EndpointPingsOptions;
  #watch: SilenceWatch | undefined;
  #underWay = 0;
  /** Of the pings in a row that have had no answer yet. */
  #asking: AbortController | undefined;

  constructor(options: EndpointPingsOptions) {
    this.#options = options;
  }

  begin(): void {
    this.#underWay += 1;
    this.#watch ??= this.#newWatch();
  }

  end(): void {
    this.#underWay -= 1;
    this.#maybeRest();
  }

  /** Wants a sign of life now, whether anything is under way or not. */
  ask(): void {
    this.#watch ??= this.#newWatch();
    this.#watch.ask();
  }

  heard(): void {
    this.#watch?.heard();
  }

  /** The verdict is spoken, or not wanted any more. */
  stop(): void {
    this.#watch?.close();
    this.#watch = undefined;
    this.#stopAsking();
  }

  #newWatch(): SilenceWatch {
    const { clock, settings, handler } = this.#options;
    return new SilenceWatch(clock, settings, {
      ping: () => this.#ping(),
      onLife: () => handler.onLife(),
      onAnswer: () => {
        this.#stopAsking();
        handler.onAnswer();
        this.#maybeRest();
      },
      onFailure: (failures) => handler.onFailure(failures),
    });
  }

  #ping(): void {
    const { http, address, handler } = this.#options;
    this.#asking ??= new AbortController();
    const { signal } = this.#asking;
    // The row may be over when the answer comes: then it says nothing any more.
    void ping(http, address, signal).then((end) => {
      if (signal.aborted) return;
      if (end.name === 'answered') handler.onHeard();
      if (end.name === 'refused') handler.onRefused(end.reason);
    });
  }

  #maybeRest(): void {
    if (this.#underWay === 0 && !this.#asking) this.stop();
  }

  #stopAsking(): void {
    this.#asking?.abort(new Error('no answer is waited for any more'));
    this.#asking = undefined;
  }
}
