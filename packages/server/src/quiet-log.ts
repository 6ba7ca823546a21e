// Says a thing once, and again only when it has changed, after a while, or when it comes back:
// peers that are away are dialled several times a second, and every try fails alike.
import type { Clock } from '@holdfast/base/clock';

export type QuietLogOptions = {
  readonly clock: Clock;
  /** What still holds is said again after so long. Default: 30 s. */
  readonly repeatAfterMs?: number;
  /** Nothing heard of a subject for so long: what comes then is news. Default: as above. */
  readonly newsAfterMs?: number;
  /** `unsaid`: how often the same was told and not said since the last time. */
  readonly say?: (subject: string, text: string, unsaid: number) => void;
};

/** Subjects remembered; strangers choose theirs, so that their number is bounded. */
const subjectsMax = 256;

type Said = { readonly text: string; readonly saidMs: number; toldMs: number; unsaid: number };

export class QuietLog {
  readonly #options: QuietLogOptions & Required<Omit<QuietLogOptions, 'say'>>;
  readonly #said = new Map<string, Said>();

  constructor(options: QuietLogOptions) {
    const { repeatAfterMs = 30_000 } = options;
    this.#options = { newsAfterMs: repeatAfterMs, ...options, repeatAfterMs };
  }

  /** `say`: for a line that holds more than its text. */
  tell(subject: string, text: string, say?: (unsaid: number) => void): void {
    const nowMs = this.#options.clock.monotonicMs();
    const last = this.#said.get(subject);
    const isSame = last !== undefined && withoutNumbers(last.text) === withoutNumbers(text);
    if (isSame && this.#isFresh(last, nowMs)) {
      last.toldMs = nowMs;
      last.unsaid += 1;
      return;
    }
    this.#said.delete(subject);
    this.#said.set(subject, { text, saidMs: nowMs, toldMs: nowMs, unsaid: 0 });
    if (this.#said.size > subjectsMax) this.#said.delete([...this.#said.keys()][0] as string);
    const unsaid = isSame ? last.unsaid : 0;
    if (say) say(unsaid);
    else this.#options.say?.(subject, text, unsaid);
  }

  /** What was last said of a subject. */
  last(subject: string): string | undefined {
    return this.#said.get(subject)?.text;
  }

  /** The subject is well again: the next word about it is news. */
  forget(subject: string): void {
    this.#said.delete(subject);
  }

  #isFresh({ saidMs, toldMs }: Said, nowMs: number): boolean {
    const { repeatAfterMs, newsAfterMs } = this.#options;
    return nowMs - saidMs < repeatAfterMs && nowMs - toldMs < newsAfterMs;
  }
}

/** How long or how much changes with every try, and is no news. */
const withoutNumbers = (text: string): string => text.replaceAll(/\d+/g, '0');
