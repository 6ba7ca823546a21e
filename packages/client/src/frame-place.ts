// What is known of the frames at one endpoint: its connection, made when it is first wanted and let
// go when nobody has wanted it for a while; or that no frames are spoken there, which is looked at
// again now and then, without letting a call wait for it.
import type { Clock, Timer } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import { HoldfastError, isHoldfastError } from '@holdfast/base/errors';
import type { ClusterId } from '@holdfast/base/ids';

import type { ClientUser } from './authorized-http.ts';
import type { ClientSettings } from './client-settings.ts';
import { FrameConnection, OtherLanguage } from './frame-connection.ts';
import type { FrameNetwork } from './frame-network.ts';
import { TransportFailure } from './http-port.ts';
import { connectTimeout, dialFailure } from './transport-words.ts';

/** An endpoint that speaks another language is tried again so much later: it may be upgraded. */
const otherLanguageMs = 60_000;
/** One with which no word was exchanged may be behind something that lets no frames through. */
const wordlessMs = 10_000;

export type FramePlaceOptions = {
  readonly network: FrameNetwork;
  /** It keeps no process from its end. */
  readonly clock: Clock;
  /** Who asks, for the history; empty: not said. */
  readonly actor: string;
  /** Who asks, where access control is on; not left out by mistake. */
  readonly user: ClientUser | undefined;
  readonly settings: () => Pick<ClientSettings, 'connectTimeoutMs' | 'connectionIdleMs'>;
  /** Before anything is asked there. What it throws ends the connection, and is told. */
  readonly onGreeted: (endpoint: string, cluster: ClusterId) => void;
  readonly onHeard: (endpoint: string) => void;
};

export class FramePlace {
  readonly #endpoint: string;
  readonly #options: FramePlaceOptions;
  #closed: HoldfastError | undefined;
  #dialling: AbortController | undefined;
  #connection: FrameConnection | undefined;
  #opening: Promise<FrameConnection | undefined> | undefined;
  /** Until then nobody waits for frames here. */
  #silentUntilMs: number | undefined;
  #idleSinceMs = 0;
  #timer: Timer | undefined;

  constructor(endpoint: string, options: FramePlaceOptions) {
    this.#endpoint = endpoint;
    this.#options = options;
  }

  /** That stands. */
  get connection(): FrameConnection | undefined {
    return this.#connection;
  }

  /**
   * Undefined: HTTP has to be spoken here. Rejects with a TransportFailure of a request that has
   * not left, with what the member or `onGreeted` refuses it with, or with the signal's reason.
   */
  async opened(signal: AbortSignal): Promise<FrameConnection | undefined> {
    if (this.#connection) return this.#connection;
    if (this.#closed) throw this.#closed;
    if (this.#silentUntilMs === undefined) return waitFor(this.#open(), signal);
    if (this.#nowMs >= this.#silentUntilMs) void this.#open(); // For those that come later.
    return undefined;
  }

  /** Whoever waits is told this reason; the next one finds a new connection. */
  drop(reason: HoldfastError): void {
    this.#connection?.close(reason);
    this.#dialling?.abort(reason);
  }

  close(reason: HoldfastError): void {
    this.#closed = reason;
    this.drop(reason);
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  #open(): Promise<FrameConnection | undefined> {
    if (this.#opening) return this.#opening;
    const opening = this.#dial().finally(() => {
      this.#opening = undefined;
    });
    opening.catch(() => undefined); // Whoever waits is told, and nobody may.
    this.#opening = opening;
    return opening;
  }

  async #dial(): Promise<FrameConnection | undefined> {
    const { network, clock, actor, user, settings, onGreeted, onHeard } = this.#options;
    const address = this.#endpoint;
    const dialling = new AbortController();
    this.#dialling = dialling;
    try {
      const connection = await FrameConnection.open({
        ...{ network, clock, address, actor, user, timeoutMs: settings().connectTimeoutMs },
        signal: dialling.signal,
        onHeard: () => onHeard(address),
        onBusy: () => this.#noteBusy(),
        onEnd: () => this.#left(),
      });
      this.#greeted(connection, onGreeted);
      return connection;
    } catch (error) {
      if (dialling.signal.aborted) throw dialling.signal.reason;
      return this.#notOpened(error);
    } finally {
      this.#dialling = undefined;
    }
  }

  #greeted(connection: FrameConnection, onGreeted: FramePlaceOptions['onGreeted']): void {
    try {
      if (connection.ended) throw connection.ended;
      onGreeted(this.#endpoint, connection.clusterId);
    } catch (error) {
      connection.close();
      throw error;
    }
    this.#silentUntilMs = undefined;
    this.#connection = connection;
    this.#noteBusy();
    this.#timer = this.#schedule(this.#options.settings().connectionIdleMs);
    this.#options.onHeard(this.#endpoint);
  }

  /** Throws why, unless HTTP may be spoken instead. */
  #notOpened(error: unknown): undefined {
    if (error instanceof OtherLanguage) {
      this.#silentUntilMs = this.#nowMs + otherLanguageMs;
      return undefined;
    }
    const failure = failureOf(this.#endpoint, error);
    const isWordless = failure instanceof TransportFailure && !failure.isRefused;
    this.#silentUntilMs = isWordless ? this.#nowMs + wordlessMs : undefined;
    throw failure;
  }

  #left(): void {
    this.#connection = undefined;
    this.#timer?.cancel();
  }

  #noteBusy(): void {
    this.#idleSinceMs = this.#nowMs;
  }

  #schedule(delayMs: number): Timer {
    return this.#options.clock.schedule(delayMs, () => this.#maybeLetGo());
  }

  #maybeLetGo(): void {
    const { connectionIdleMs } = this.#options.settings();
    const idleMs = this.#connection?.isBusy ? 0 : this.#nowMs - this.#idleSinceMs;
    if (idleMs < connectionIdleMs) this.#timer = this.#schedule(connectionIdleMs - idleMs);
    else this.#connection?.close();
  }
}

/** As the way to an endpoint fails; what a member refuses stays what it is. */
function failureOf(endpoint: string, error: unknown): HoldfastError {
  if (isHoldfastError(error, 'deadline-exceeded')) return connectTimeout(endpoint);
  const isMembers = error instanceof HoldfastError && error.code !== 'unavailable';
  if (isMembers || error instanceof TransportFailure) return error;
  return dialFailure(endpoint, error);
}
