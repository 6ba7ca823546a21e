// How a recovered member comes to serve, in two steps that people and monitors can see (D-12):
// initialised, when everything that was known to be committed before the start is applied again;
// ready, when a first read barrier has passed, so that its state is at least as new as the start.
import { waitFor } from '@holdfast/base/deadline';
import { messageOf } from '@holdfast/base/errors';
import type { Index } from '@holdfast/base/ids';
import type { ConfirmedReads } from './confirmed-reads.ts';
import type { LeaderGate } from './leader-gate.ts';
import type { Recovered } from './recovery.ts';
import type { RecoveryPhases } from './recovery-phases.ts';

export type ReadinessOptions = {
  readonly phases: RecoveryPhases;
  readonly reads: ConfirmedReads;
  readonly gate: LeaderGate;
  readonly applied: () => Index;
  /** Whether this member has failed or ends: then nothing is waited for. */
  readonly hasEnded: () => boolean;
};

const retryMs = 50;

export class Readiness {
  readonly #options: ReadinessOptions;
  #isInitialised = false;
  #isReady = false;

  constructor(options: ReadinessOptions) {
    this.#options = options;
  }

  get isInitialised(): boolean {
    return this.#isInitialised;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** The phases of replay and serving begin; run() ends them. */
  begin({ applied: from, commit }: Pick<Recovered, 'applied' | 'commit'>): void {
    const { phases, applied } = this.#options;
    phases.begin('replay', () => ({
      unit: 'entries',
      done: Math.max(0, Math.min(applied(), commit) - from.index),
      total: commit - from.index,
    }));
  }

  /** Resolves when this member serves, or ends before it ever did. */
  async run(commit: Index, signal: AbortSignal): Promise<void> {
    const { phases, reads } = this.#options;
    try {
      await waitFor(reads.untilApplied(commit), signal);
    } catch {
      return; // Only a member that stops waits in vain.
    }
    this.#isInitialised = true;
    phases.end('replay', `applied ${commit}, all that was known to be committed`);
    phases.begin('serving');
    if (!(await this.#firstBarrier(signal))) return;
    this.#isReady = true;
    phases.end('serving', 'the first read barrier has passed');
  }

  /** False: this member stops before it ever served. */
  async #firstBarrier(signal: AbortSignal): Promise<boolean> {
    const { phases, reads, gate, hasEnded } = this.#options;
    while (!signal.aborted) {
      try {
        await reads.barrier(signal);
        return true;
      } catch (error) {
        // A member that stops is refused at once, for ever: trying on would hold the event loop.
        if (signal.aborted || hasEnded()) return false;
        phases.say('serving', messageOf(error));
        await gate.pause(retryMs, signal);
      }
    }
    return false;
  }
}
