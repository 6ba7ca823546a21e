// Keys in turn, written as digits into requests that are copies of one template.
export const keyDigits = 8;

export class KeySequence {
  readonly #keys: number;
  #next: number;

  constructor(keys: number, first: number) {
    this.#keys = keys;
    this.#next = first % keys;
  }

  /** The digits of the next key, from `at` on. */
  write(bytes: Buffer, at: number): void {
    let key = this.#next;
    this.#next = (key + 1) % this.#keys;
    for (let digit = at + keyDigits - 1; digit >= at; digit -= 1) {
      bytes[digit] = 0x30 + (key % 10);
      key = Math.floor(key / 10);
    }
  }
}
