// Looks through the data directory again and again, slowly, so that what rots at rest is found
// while the peers still have it (D-18). What it finds goes the way of a start: a snapshot is set
// aside and another is taken, a log is repaired from the peers by a new start of the engine.
import { type Clock, pause } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { StoredSnapshot } from '@holdfast/replica/ports';
import { TokenBucket } from '@holdfast/replica/token-bucket';
import { type ScrubbedFiles, type ScrubFinding, scrubSteps } from './directory-scrub.ts';
import type { ScrubSettings, ScrubStatus } from './integrity-status.ts';

export type ScrubberOptions = {
  readonly clock: Clock;
  readonly self: MemberId;
  readonly settings: ScrubSettings;
  readonly files: ScrubbedFiles;
  /** It is set aside: the older one is what is left, and another is due. */
  readonly onSnapshotLost: (snapshot: StoredSnapshot) => void;
  /** For a new start to find all of, and to repair. */
  readonly onLogRotten: (error: unknown) => void;
  readonly onFound: (what: string) => void;
  readonly onProblem: (what: string, error: unknown) => void;
};

const lookMs = 500;

export class Scrubber {
  readonly #options: ScrubberOptions;
  #dueMs: number;
  #running: { readonly startedMs: number; what: string; bytes: number; found: number } | undefined;
  #last: ScrubStatus['last'];
  #passes = 0;
  #found = 0;

  constructor(options: ScrubberOptions) {
    const { clock, self, settings } = options;
    this.#options = options;
    // Members that start together do not look together.
    const { intervalMs } = settings;
    const share = Number(self % 997n) / 997;
    this.#dueMs =
      intervalMs === 0
        ? Number.POSITIVE_INFINITY
        : clock.monotonicMs() + intervalMs * (0.5 + share / 2);
  }

  get status(): ScrubStatus {
    const running = this.#running && {
      what: this.#running.what,
      bytes: this.#running.bytes,
      sinceMs: this.#options.clock.monotonicMs() - this.#running.startedMs,
    };
    return { running, last: this.#last, passes: this.#passes, found: this.#found };
  }

  /** A pass begins at once, unless one is under way. */
  start(): void {
    this.#dueMs = this.#options.clock.monotonicMs();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { clock, settings } = this.#options;
    while (!signal.aborted) {
      await pause(clock, lookMs, signal);
      if (signal.aborted || clock.monotonicMs() < this.#dueMs) continue;
      this.#dueMs =
        settings.intervalMs === 0
          ? Number.POSITIVE_INFINITY
          : clock.monotonicMs() + settings.intervalMs;
      await this.#pass(signal);
    }
  }

  async #pass(signal: AbortSignal): Promise<void> {
    const { clock, settings, files } = this.#options;
    const bucket = new TokenBucket(clock, settings);
    const running = { startedMs: clock.monotonicMs(), what: '', bytes: 0, found: 0 };
    this.#running = running;
    let isWhole = true;
    for (const { what, run } of scrubSteps(files)) {
      running.what = what;
      const pace = async (bytes: number): Promise<void> => {
        await bucket.take(bytes, signal);
        running.bytes += bytes;
      };
      try {
        for (const finding of await run(pace)) this.#tell(finding);
      } catch (error) {
        if (signal.aborted) break;
        isWhole = false;
        this.#failed(what, error);
      }
    }
    this.#running = undefined;
    if (signal.aborted) return;
    this.#passes += 1;
    const { startedMs, bytes, found } = running;
    const tookMs = clock.monotonicMs() - startedMs;
    this.#last = { endedMs: clock.wallMs(), tookMs, bytes, found, isWhole };
  }

  #tell(finding: ScrubFinding): void {
    this.#count();
    this.#options.onFound(finding.what);
    if (finding.kind === 'snapshot') this.#options.onSnapshotLost(finding.snapshot);
  }

  #failed(what: string, error: unknown): void {
    if (!isHoldfastError(error, 'corrupt')) {
      this.#options.onProblem(`looking through the ${what}`, error);
      return;
    }
    this.#count();
    if (what === 'log') this.#options.onLogRotten(error);
    else this.#options.onProblem(`looking through the ${what}`, error);
  }

  #count(): void {
    this.#found += 1;
    if (this.#running) this.#running.found += 1;
  }
}
