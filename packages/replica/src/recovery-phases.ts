// A start as one visible line of phases: each timed, each with its progress and a sentence (D-01).
import type { Clock } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';

export const phaseNames = [
  'status',
  'snapshot-scan',
  'snapshot-load',
  'log',
  'checks',
  'replay',
  'serving',
] as const;

export type PhaseName = (typeof phaseNames)[number];

export type Phase = {
  readonly name: PhaseName;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly durationMs: number | undefined;
  /** 0 to 1 while running, where it can be known. */
  readonly progress: number | undefined;
  readonly detail: string;
};

export class RecoveryPhases {
  readonly #clock: Clock;
  readonly #phases = new Map<PhaseName, Phase & { readonly startedMs: number | undefined }>();

  constructor(clock: Clock) {
    this.#clock = clock;
    for (const name of phaseNames) {
      this.#phases.set(name, {
        name,
        state: 'waiting',
        durationMs: undefined,
        progress: undefined,
        detail: '',
        startedMs: undefined,
      });
    }
  }

  begin(name: PhaseName, detail = ''): void {
    this.#change(name, { state: 'running', startedMs: this.#clock.monotonicMs(), detail });
  }

  progress(name: PhaseName, progress: number, detail: string): void {
    this.#change(name, { progress, detail });
  }

  end(name: PhaseName, detail: string): void {
    this.#finish(name, 'done', detail);
  }

  /** Runs one phase; its sentence comes from its result. */
  async run<T>(name: PhaseName, work: () => Promise<T>, tell: (result: T) => string): Promise<T> {
    this.begin(name);
    try {
      const result = await work();
      this.#finish(name, 'done', tell(result));
      return result;
    } catch (error) {
      this.#finish(name, 'failed', messageOf(error));
      throw error;
    }
  }

  list(): readonly Phase[] {
    return phaseNames.map((name) => {
      const { startedMs, ...phase } = this.#get(name);
      const isRunning = phase.state === 'running' && startedMs !== undefined;
      return isRunning ? { ...phase, durationMs: this.#clock.monotonicMs() - startedMs } : phase;
    });
  }

  #finish(name: PhaseName, state: 'done' | 'failed', detail: string): void {
    const { startedMs } = this.#get(name);
    const durationMs = this.#clock.monotonicMs() - (startedMs ?? this.#clock.monotonicMs());
    this.#change(name, { state, durationMs, detail, progress: undefined });
  }

  #get(name: PhaseName): Phase & { readonly startedMs: number | undefined } {
    return this.#phases.get(name) as Phase & { readonly startedMs: number | undefined };
  }

  #change(name: PhaseName, change: Partial<Phase & { startedMs: number }>): void {
    this.#phases.set(name, { ...this.#get(name), ...change });
  }
}
