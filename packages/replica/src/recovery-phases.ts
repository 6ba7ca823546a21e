// A start as one visible line of phases: each timed, each with how much of what is done, and with a
// sentence (D-01). Watches nothing and cancels nothing: who runs a phase tells it here.
import type { Clock } from '@holdfast/base/clock';
import { messageOf } from '@holdfast/base/errors';

export const phaseNames = [
  'status',
  'snapshot-scan',
  'membership',
  'snapshot-load',
  'log',
  'checks',
  'replay',
  'serving',
] as const;

export type PhaseName = (typeof phaseNames)[number];

/** How much of a phase is done; the total may be an estimate, and `done` never exceeds it. */
export type PhaseAmount = {
  readonly unit: 'bytes' | 'entries';
  readonly done: number;
  readonly total: number;
};

export type Phase = {
  readonly name: PhaseName;
  readonly state: 'waiting' | 'running' | 'done' | 'failed';
  readonly durationMs: number | undefined;
  /** 0 to 1 while running, where it can be known. */
  readonly progress: number | undefined;
  /** Stays when the phase has ended: what it went through. */
  readonly amount: PhaseAmount | undefined;
  /** Milliseconds to the end of this phase, if it goes on as it went so far. */
  readonly etaMs: number | undefined;
  readonly detail: string;
};

type Record = {
  readonly state: Phase['state'];
  readonly startedMs: number | undefined;
  readonly durationMs: number | undefined;
  readonly amount: PhaseAmount | undefined;
  readonly detail: string;
};

const waiting: Record = {
  state: 'waiting',
  startedMs: undefined,
  durationMs: undefined,
  amount: undefined,
  detail: '',
};

/** Before that much is done, an estimate of the rest is a guess. */
const progressForEta = 0.02;

export class RecoveryPhases {
  readonly #clock: Clock;
  readonly #records = new Map<PhaseName, Record>();
  /** Asked whenever the phase is looked at, while it runs. */
  readonly #measures = new Map<PhaseName, () => PhaseAmount>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(name: PhaseName, measure?: () => PhaseAmount): void {
    this.#change(name, { state: 'running', startedMs: this.#clock.monotonicMs() });
    if (measure) this.#measures.set(name, measure);
  }

  advance(name: PhaseName, amount: PhaseAmount): void {
    this.#change(name, { amount });
  }

  /** What is going on in the phase, or what it waits for. */
  say(name: PhaseName, detail: string): void {
    this.#change(name, { detail });
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
    const nowMs = this.#clock.monotonicMs();
    return phaseNames.map((name) => this.#view(name, nowMs));
  }

  #view(name: PhaseName, nowMs: number): Phase {
    const { startedMs, ...record } = this.#get(name);
    if (record.state !== 'running' || startedMs === undefined) {
      return { name, ...record, progress: undefined, etaMs: undefined };
    }
    const amount = this.#measures.get(name)?.() ?? record.amount;
    const progress = amount && progressOf(amount);
    const durationMs = nowMs - startedMs;
    const etaMs = progress === undefined ? undefined : etaOf(durationMs, progress);
    return { name, ...record, durationMs, amount, progress, etaMs };
  }

  #finish(name: PhaseName, state: 'done' | 'failed', detail: string): void {
    const nowMs = this.#clock.monotonicMs();
    const { startedMs = nowMs, amount } = this.#get(name);
    const measured = this.#measures.get(name)?.() ?? amount;
    this.#measures.delete(name);
    this.#change(name, { state, durationMs: nowMs - startedMs, detail, amount: measured });
  }

  #get(name: PhaseName): Record {
    return this.#records.get(name) ?? waiting;
  }

  #change(name: PhaseName, change: Partial<Record>): void {
    this.#records.set(name, { ...this.#get(name), ...change });
  }
}

const progressOf = ({ done, total }: PhaseAmount): number =>
  total <= 0 ? 1 : Math.min(1, Math.max(0, done / total));

const etaOf = (durationMs: number, progress: number): number | undefined =>
  progress < progressForEta ? undefined : (durationMs * (1 - progress)) / progress;
