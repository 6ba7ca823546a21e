// How far a long command has come: a bar for a person, a plain line every few seconds for a log.
import type { Clock, Timer } from '@holdfast/base/clock';
import cliProgress from 'cli-progress';

import type { Terminal } from '../terminal.ts';

const plainEveryMs = 5_000;

export interface Progress {
  /** Undefined: not known yet. */
  total(count: number | undefined): void;
  done(count: number, note: string): void;
  stop(): void;
}

export function startProgress(terminal: Terminal, clock: Clock, verb: string): Progress {
  return terminal.isErrTty ? new BarProgress(verb) : new PlainProgress(terminal, clock, verb);
}

class BarProgress implements Progress {
  readonly #bar: cliProgress.SingleBar;
  #done = 0;
  #isTotalKnown = false;

  constructor(verb: string) {
    this.#bar = new cliProgress.SingleBar(
      {
        format: `${verb} {bar} {value}/{total} · {note}`,
        hideCursor: true,
        clearOnComplete: true,
        stream: process.stderr,
      },
      cliProgress.Presets.shades_classic,
    );
    this.#bar.start(1, 0, { note: 'looking' });
  }

  total(count: number | undefined): void {
    this.#isTotalKnown = count !== undefined;
    this.#bar.setTotal(Math.max(count ?? this.#done, 1));
  }

  done(count: number, note: string): void {
    this.#done = count;
    if (!this.#isTotalKnown) this.#bar.setTotal(count + 1);
    this.#bar.update(count, { note });
  }

  stop(): void {
    this.#bar.stop();
  }
}

class PlainProgress implements Progress {
  readonly #terminal: Terminal;
  readonly #clock: Clock;
  readonly #verb: string;
  #timer: Timer;
  #total: number | undefined;
  #line = '';
  #said = '';

  constructor(terminal: Terminal, clock: Clock, verb: string) {
    this.#terminal = terminal;
    this.#clock = clock;
    this.#verb = verb;
    this.#timer = this.#clock.schedule(plainEveryMs, () => this.#say());
  }

  total(count: number | undefined): void {
    this.#total = count;
  }

  done(count: number, note: string): void {
    const of = this.#total === undefined ? '' : ` of ${this.#total}`;
    this.#line = `${this.#verb} ${count}${of} · ${note}\n`;
  }

  stop(): void {
    this.#timer.cancel();
  }

  #say(): void {
    if (this.#line !== this.#said) this.#terminal.err(this.#line);
    this.#said = this.#line;
    this.#timer = this.#clock.schedule(plainEveryMs, () => this.#say());
  }
}
