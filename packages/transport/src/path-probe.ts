// Whether the way to a peer that says nothing was dark, and is lit again. TCP does not tell: what
// was lost it sends again after 0.2 s, then after twice as long each time, so that a connection
// over a way that was dark for 4 s may stand still for another 3 s. A connection that is asked for
// now tells at once, and whoever hears of it dials anew instead of waiting (safety.md 18).
//
// A way that answers the very first request was never in question: then the peer itself stands
// still, and a new connection would be no better than the old one.
import { dialSteadily, type SteadyDial } from './steady-dial.ts';

export type PathProbeOptions = Omit<SteadyDial, 'signal'> & { readonly onLit: () => void };

export class PathProbe {
  readonly #end = new AbortController();

  constructor(options: PathProbeOptions) {
    void this.#look(options);
  }

  close(): void {
    this.#end.abort();
  }

  async #look(options: PathProbeOptions): Promise<void> {
    const { againMs, onLit } = options;
    try {
      const { link, request, tookMs } = await dialSteadily({
        ...options,
        signal: this.#end.signal,
      });
      link.destroy();
      // Over a way that is only long, the first request is answered first, however late.
      if (request === 1 || tookMs >= againMs) return;
    } catch {
      // Closed; or refused, and then the machine answers: the dial anew finds out what is there.
    }
    if (!this.#end.signal.aborted) onLit();
  }
}
