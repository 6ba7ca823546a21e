// Linearizable reads as a caller sees them: one call that ends when this member has applied
// everything that was acknowledged before it, or is refused in time.
import type { Clock } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import type { Index, Term } from '@holdfast/base/ids';
import type { Raft } from '@holdfast/raft/raft';
import type { LeaderGate } from './leader-gate.ts';
import type { ReadBarriers } from './read-barriers.ts';
import type { ReplicaSettings } from './settings.ts';

export type ConfirmedReadsOptions = {
  readonly clock: Clock;
  readonly settings: ReplicaSettings;
  readonly gate: LeaderGate;
  readonly barriers: ReadBarriers;
  readonly applied: () => Index;
  /** The core; there is one, for it is only asked once the member has started. */
  readonly core: () => Raft;
  readonly askTurn: () => void;
};

const retryMs = 50;

type Joined = Promise<Index | undefined>;

type Shared = {
  readonly joined: Joined;
  readonly signal: AbortSignal | undefined;
  readonly met: Promise<void>;
};

export class ConfirmedReads {
  readonly #options: ConfirmedReadsOptions;
  /** What the last who asked wait with: the next may join them until the request leaves. */
  #shared: Shared | undefined;

  constructor(options: ConfirmedReadsOptions) {
    this.#options = options;
  }

  /** Those who ask in one turn under one signal wait with one promise. */
  barrier(signal?: AbortSignal): Promise<void> {
    const { clock, settings, gate, barriers, askTurn } = this.#options;
    const untilMs = clock.monotonicMs() + settings.leaderWaitMs;
    if (!gate.isOpen || signal?.aborted) return this.#barrierByTries(untilMs, signal);
    const joined = barriers.join();
    if (this.#shared?.joined === joined && this.#shared.signal === signal) return this.#shared.met;
    askTurn();
    const met = this.#firstTry(joined, untilMs, signal);
    this.#shared = { joined, signal, met };
    return met;
  }

  async #firstTry(joined: Joined, untilMs: number, signal?: AbortSignal): Promise<void> {
    if (await this.#isMet(joined, signal)) return;
    await this.#waitToRetry(untilMs, signal);
    await this.#barrierByTries(untilMs, signal);
  }

  async #barrierByTries(untilMs: number, signal?: AbortSignal): Promise<void> {
    const { gate, barriers, askTurn } = this.#options;
    signal?.throwIfAborted();
    for (;;) {
      if (!gate.isOpen) await gate.pass(untilMs, signal);
      const joined = barriers.join();
      askTurn();
      if (await this.#isMet(joined, signal)) return;
      await this.#waitToRetry(untilMs, signal);
    }
  }

  /** Whether a leader has confirmed an index; resolves when it is applied here. */
  async #isMet(joined: Joined, signal: AbortSignal | undefined): Promise<boolean> {
    const readIndex = await waitFor(joined, signal);
    if (readIndex === undefined) return false;
    await waitFor(this.untilApplied(readIndex), signal);
    return true;
  }

  async #waitToRetry(untilMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, gate } = this.#options;
    gate.throwIfShut();
    if (clock.monotonicMs() >= untilMs) throw gate.refusal();
    await gate.pause(retryMs, signal);
  }

  /**
   * Whether this very member was the leader of its present term when it was asked, proved by a
   * round that began after that (safety.md 13); resolves when it has also applied everything that
   * was acknowledged before. One try: undefined where nobody confirmed it.
   */
  async confirmLeadership(signal?: AbortSignal): Promise<Term | undefined> {
    const { barriers, core, askTurn } = this.#options;
    const { role, term } = core();
    if (role !== 'leader') return undefined;
    const joined = barriers.join();
    askTurn();
    const readIndex = await waitFor(joined, signal);
    // Who leads in the same term before and after has led all the time: the round was its own.
    if (readIndex === undefined || !this.#leadsIn(term)) return undefined;
    await waitFor(this.untilApplied(readIndex), signal);
    return this.#leadsIn(term) ? term : undefined;
  }

  #leadsIn(term: Term): boolean {
    const core = this.#options.core();
    return core.role === 'leader' && core.term === term;
  }

  untilApplied(through: Index): Promise<void> {
    return this.#options.barriers.untilApplied(through, this.#options.applied());
  }
}
