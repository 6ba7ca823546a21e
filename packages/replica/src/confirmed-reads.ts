// Linearizable reads as a caller sees them: one call that ends when this member has applied
// everything that was acknowledged before it, or is refused in time.
import type { Clock } from '@holdfast/base/clock';
import { waitFor } from '@holdfast/base/deadline';
import type { Index } from '@holdfast/base/ids';
import type { LeaderGate } from './leader-gate.ts';
import type { ReadBarriers } from './read-barriers.ts';
import type { ReplicaSettings } from './settings.ts';

export type ConfirmedReadsOptions = {
  readonly clock: Clock;
  readonly settings: ReplicaSettings;
  readonly gate: LeaderGate;
  readonly barriers: ReadBarriers;
  readonly applied: () => Index;
  readonly askTurn: () => void;
};

const retryMs = 50;

export class ConfirmedReads {
  readonly #options: ConfirmedReadsOptions;

  constructor(options: ConfirmedReadsOptions) {
    this.#options = options;
  }

  async barrier(signal?: AbortSignal): Promise<void> {
    const { clock, settings, gate, barriers, askTurn } = this.#options;
    const untilMs = clock.monotonicMs() + settings.leaderWaitMs;
    signal?.throwIfAborted();
    for (;;) {
      if (!gate.isOpen) await gate.pass(untilMs, signal);
      const joined = barriers.join();
      askTurn();
      const readIndex = await waitFor(joined, signal);
      if (readIndex !== undefined) {
        await waitFor(this.untilApplied(readIndex), signal);
        return;
      }
      gate.throwIfShut();
      if (clock.monotonicMs() >= untilMs) throw gate.refusal();
      await gate.pause(retryMs, signal);
    }
  }

  untilApplied(through: Index): Promise<void> {
    return this.#options.barriers.untilApplied(through, this.#options.applied());
  }
}
