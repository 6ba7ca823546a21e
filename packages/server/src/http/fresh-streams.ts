// Event streams whose readers want nothing that is older than they say. A member that has lost the
// others goes on with its streams in good faith, and has nothing to tell; its readers would wait
// with it, beside members that know more. It owns the timer that looks for that.
import type { Clock, Timer } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';

export type FreshStreamsOptions = {
  readonly clock: Clock;
  /** Of this member's state (safety.md 19); undefined: it is not known. Must not throw. */
  readonly ageMs: () => number | undefined;
};

type Guarded = { readonly maxAgeMs: number; readonly end: (reason: HoldfastError) => void };

/** A reader waits so much longer than it said, at most. */
const lookMs = 500;

export class FreshStreams {
  readonly #options: FreshStreamsOptions;
  readonly #guarded = new Set<Guarded>();
  #timer: Timer | undefined;

  constructor(options: FreshStreamsOptions) {
    this.#options = options;
  }

  /** Throws `stale-unknown` where this member may know of nothing as young. */
  require(maxAgeMs: number): void {
    const stale = stalenessOf(this.#options.ageMs(), maxAgeMs);
    if (stale) throw stale;
  }

  /** Throws `stale-unknown` where it is too late already; answers how to be let go of. */
  guard(maxAgeMs: number, end: Guarded['end']): () => void {
    this.require(maxAgeMs);
    const guarded = { maxAgeMs, end };
    this.#guarded.add(guarded);
    this.#timer ??= this.#schedule();
    return () => {
      this.#guarded.delete(guarded);
      if (this.#guarded.size > 0) return;
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  #schedule(): Timer {
    return this.#options.clock.schedule(lookMs, () => this.#look());
  }

  #look(): void {
    this.#timer = this.#schedule();
    const ageMs = this.#options.ageMs();
    for (const { maxAgeMs, end } of [...this.#guarded]) {
      const stale = stalenessOf(ageMs, maxAgeMs);
      if (stale) end(stale);
    }
  }
}

function stalenessOf(ageMs: number | undefined, maxAgeMs: number): HoldfastError | undefined {
  if (ageMs !== undefined && ageMs <= maxAgeMs) return undefined;
  const known = ageMs === undefined ? 'is not known' : `is ${Math.ceil(ageMs)} ms`;
  const text =
    `the age of this member's state ${known}, and the stream was to end beyond ${maxAgeMs} ms: ` +
    'watch on another member';
  return new HoldfastError('stale-unknown', text, { details: { ageMs: ageMs ?? null } });
}
