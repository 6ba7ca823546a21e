// A bar on standard error; without a terminal a line for each piece of work, for whoever reads the
// log.

const barWidth = 30;

export class Progress {
  readonly #total: number;
  #done = 0;
  #what = '';

  /** `total`: of the weights, which are about seconds. */
  constructor(total: number) {
    this.#total = total;
  }

  /** Before a piece of work. */
  begin(what: string): void {
    this.#what = what;
    if (process.stderr.isTTY) this.#draw();
    else process.stderr.write(`${what}\n`);
  }

  done(weight: number): void {
    this.#done += weight;
    if (process.stderr.isTTY) this.#draw();
  }

  /** A line that stays. */
  say(text: string): void {
    this.close();
    process.stderr.write(`${text}\n`);
    if (process.stderr.isTTY) this.#draw();
  }

  close(): void {
    if (process.stderr.isTTY) process.stderr.write('\r\x1b[K');
  }

  #draw(): void {
    const part = Math.min(1, this.#done / this.#total);
    const bar = '='.repeat(Math.round(part * barWidth)).padEnd(barWidth);
    process.stderr.write(`\r\x1b[K[${bar}] ${Math.round(part * 100)} % ${this.#what}`);
  }
}
