// What happened in a run, one fixed-width line an event. Owns a rolling hash over all lines, so
// that two runs can be compared without keeping them, and the last lines, which a failing run
// shows.
import { utf8 } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import type { EventQueue } from './event-queue.ts';

/** Columns: seconds, who, what, details. */
export type TimelineOptions = {
  readonly queue: EventQueue;
  /** How many lines are kept; a trace keeps all. */
  readonly linesMax: number;
};

export class Timeline {
  readonly #queue: EventQueue;
  readonly #linesMax: number;
  #lines: string[] = [];
  #hash = 0;
  #count = 0;

  constructor({ queue, linesMax }: TimelineOptions) {
    this.#queue = queue;
    this.#linesMax = linesMax;
  }

  note(who: string, what: string, detail: string): void {
    const seconds = (this.#queue.nowMs / 1000).toFixed(6).padStart(12);
    const line = `${seconds}  ${who.padEnd(5)} ${what.padEnd(11)} ${detail}`;
    this.#hash = crc32(utf8(line), this.#hash);
    this.#count += 1;
    this.#lines.push(line);
    if (this.#lines.length > 2 * this.#linesMax) this.#lines = this.lines.slice();
  }

  /** Equal for equal runs; of all lines, kept or not. */
  get hash(): number {
    return this.#hash;
  }

  get count(): number {
    return this.#count;
  }

  get lines(): readonly string[] {
    return this.#lines.slice(-this.#linesMax);
  }
}
