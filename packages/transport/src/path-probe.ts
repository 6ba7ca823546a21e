// Whether the way to a peer that says nothing was dark, and is lit again. TCP does not tell: what
// was lost it sends again after 0.2 s, then after twice as long each time, so that a connection
// over a way that was dark for 4 s may stand still for another 3 s. A connection that is asked for
// now tells at once, and whoever hears of it dials anew instead of waiting (safety.md 18).
//
// A way that answers the first request was never in question: then the peer itself stands still
// and a new connection would be no better than the old one. A single request that is lost
// proves nothing, either: it takes two in a row, and one after them that is answered in time.
//
// The kernel itself sends a lost request again, too, so an answer may be one to an old request and
// late, as each is over a way that is only long. Then one more request tells the two apart.
import { sleep } from '@holdfast/base/clock';
import { isRefused } from './link.ts';
import { type Dialled, dialSteadily, type SteadyDial } from './steady-dial.ts';

/** `lit`: what stood still is better dialled anew. `open`: the way was never dark. */
export type PathVerdict = 'lit' | 'open';

export type PathProbeOptions = Omit<SteadyDial, 'signal'> & {
  /** Once, unless it was closed before. */
  readonly onVerdict: (verdict: PathVerdict) => void;
};

const lostMin = 2;

export class PathProbe {
  readonly #options: PathProbeOptions;
  readonly #end = new AbortController();

  constructor(options: PathProbeOptions) {
    this.#options = options;
    void this.#look();
  }

  close(): void {
    this.#end.abort();
  }

  async #look(): Promise<void> {
    let verdict: PathVerdict | undefined;
    while (verdict === undefined && !this.#end.signal.aborted) verdict = await this.#ask();
    if (verdict !== undefined && !this.#end.signal.aborted) this.#options.onVerdict(verdict);
  }

  /** Undefined: nothing is known yet. */
  async #ask(): Promise<PathVerdict | undefined> {
    const { signal } = this.#end;
    const { clock, againMs } = this.#options;
    try {
      const first = await this.#dial();
      if (first.requests <= lostMin) return 'open';
      const { tookMs } = first.tookMs < againMs ? first : await this.#dial();
      return tookMs < againMs ? 'lit' : 'open';
    } catch (error) {
      // The machine answers, and the process is gone: the dial anew finds that out.
      if (isRefused(error)) return 'lit';
      // No route, no name, no file descriptor: that says nothing of the peer.
      await sleep(clock, againMs, signal).catch(() => undefined);
      return undefined;
    }
  }

  async #dial(): Promise<Dialled> {
    const dialled = await dialSteadily({ ...this.#options, signal: this.#end.signal });
    dialled.link.destroy();
    return dialled;
  }
}
