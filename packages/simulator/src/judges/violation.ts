// What a judge throws: the run is over, and the seed that led here is a bug's name.

/** A property that must hold for every run did not hold in this one. */
export class Violation extends Error {
  override readonly name = 'Violation';
  readonly judge: string;

  constructor(judge: string, detail: string) {
    super(`${judge}: ${detail}`);
    this.judge = judge;
  }
}
