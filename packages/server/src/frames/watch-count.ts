// How many watches all clients that speak frames have open on this member.

export class WatchCount {
  readonly max: number;
  #count = 0;

  constructor(max: number) {
    this.max = max;
  }

  get count(): number {
    return this.#count;
  }

  get isFull(): boolean {
    return this.#count >= this.max;
  }

  add(count: number): void {
    this.#count += count;
  }
}
