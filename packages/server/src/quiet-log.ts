// Says a thing once, and again only when it has changed or half a minute has passed: peers that are
// away are dialled several times a second, and every try fails alike.
import type { Clock } from '@holdfast/base/clock';

const repeatAfterMs = 30_000;
/** Subjects remembered; strangers choose theirs, so that their number is bounded. */
const subjectsMax = 256;

type Said = { readonly text: string; readonly atMs: number };

export class QuietLog {
  readonly #clock: Clock;
  readonly #say: (subject: string, text: string) => void;
  readonly #said = new Map<string, Said>();

  constructor(clock: Clock, say: (subject: string, text: string) => void) {
    this.#clock = clock;
    this.#say = say;
  }

  tell(subject: string, text: string): void {
    const atMs = this.#clock.monotonicMs();
    const last = this.#said.get(subject);
    if (last?.text === text && atMs - last.atMs < repeatAfterMs) return;
    this.#said.delete(subject);
    this.#said.set(subject, { text, atMs });
    if (this.#said.size > subjectsMax) this.#said.delete([...this.#said.keys()][0] as string);
    this.#say(subject, text);
  }

  /** What was last said of a subject. */
  last(subject: string): string | undefined {
    return this.#said.get(subject)?.text;
  }

  /** The subject is well again: the next word about it is news. */
  forget(subject: string): void {
    this.#said.delete(subject);
  }
}
