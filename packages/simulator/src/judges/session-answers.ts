// A write that is repeated in its session answers as it did the first time (safety.md 21),
// whichever member is asked. That it takes effect once is single-effect.ts's claim. Owns the first
// answers.
import { Violation } from './violation.ts';

export class SessionAnswers {
  readonly #first = new Map<string, string>();
  #repeats = 0;

  get repeatCount(): number {
    return this.#repeats;
  }

  /** `answer`: everything that the client was told, as a text. */
  answered(session: bigint, sequence: number, answer: string): void {
    const name = `${session}/${sequence}`;
    const first = this.#first.get(name);
    if (first === undefined) {
      this.#first.set(name, answer);
      return;
    }
    this.#repeats += 1;
    if (first === answer) return;
    throw new Violation('session-answers', `${name} answered ${first}, and later ${answer}`);
  }
}
