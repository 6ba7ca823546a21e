// Looks at every link from time to time and ends the connections that should not be kept: a
// second pair of eyes beside the ping rule. After the own process slept it asks once before it
// judges (safety.md 18): what looks old may only have been waiting for this process.
import type { Clock, Timer } from '@holdfast/base/clock';
import {
  type CheckerSettings,
  type EvictionReason,
  type LinkRecord,
  reasonToEvict,
} from './link-record.ts';

/** A link as far as the checker goes. */
export interface CheckedLink {
  readonly record: LinkRecord;
  /** Asks for a sign of life now. */
  ping(): void;
  evict(reason: EvictionReason): void;
}

export type ConnectionCheckerOptions = {
  readonly clock: Clock;
  readonly settings: () => CheckerSettings;
  /** A look that comes later than this tells that this process itself stood still. */
  readonly ownLagMs: () => number;
  /** How long an answer to a fresh ping is waited for. */
  readonly pingWaitMs: () => number;
  readonly links: () => Iterable<CheckedLink>;
};

export class ConnectionChecker {
  readonly #options: ConnectionCheckerOptions;
  #timer: Timer | undefined;

  constructor(options: ConnectionCheckerOptions) {
    this.#options = options;
  }

  /** Again also after a change of the settings: the next look is one interval from now. */
  start(): void {
    this.#timer?.cancel();
    this.#arm(this.#options.settings().checkMs);
  }

  close(): void {
    this.#timer?.cancel();
  }

  #arm(delayMs: number): void {
    const { clock } = this.#options;
    const dueMs = clock.monotonicMs() + delayMs;
    this.#timer = clock.schedule(delayMs, () => this.#look(dueMs));
  }

  #look(dueMs: number): void {
    const { clock, ownLagMs, pingWaitMs, settings } = this.#options;
    if (clock.monotonicMs() - dueMs > ownLagMs()) {
      for (const { link } of this.#doomed()) link.ping();
      this.#arm(pingWaitMs());
      return;
    }
    for (const { link, reason } of this.#doomed()) link.evict(reason);
    this.#arm(settings().checkMs);
  }

  #doomed(): { readonly link: CheckedLink; readonly reason: EvictionReason }[] {
    const { clock, settings, links } = this.#options;
    const nowMs = clock.monotonicMs();
    const all = [...links()].map((link) => {
      return { link, reason: reasonToEvict(link.record, nowMs, settings()) };
    });
    return all.filter(isDoomed);
  }
}

const isDoomed = (one: {
  readonly link: CheckedLink;
  readonly reason: EvictionReason | undefined;
}): one is { readonly link: CheckedLink; readonly reason: EvictionReason } =>
  one.reason !== undefined;
