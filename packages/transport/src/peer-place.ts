// Where a peer may be: as its cluster knows it, as this member was told at its start, as it says
// itself. One of them holds at a time, and the next is tried where nobody is found.

export class PeerPlace {
  #address: string;
  #known: readonly string[] = [];

  constructor(address: string) {
    this.#address = address;
  }

  /** Where it is looked for now. */
  get address(): string {
    return this.#address;
  }

  /** Answers whether it is looked for elsewhere now: not while where it is found is one of them. */
  mayBeAt(known: readonly string[]): boolean {
    this.#known = known;
    const [first] = known;
    return first !== undefined && !known.includes(this.#address) && this.isAt(first);
  }

  /** Answers whether that is another place. */
  isAt(address: string): boolean {
    const isOther = address !== this.#address;
    this.#address = address;
    return isOther;
  }

  /** It was not to be had there. */
  lookElsewhere(): void {
    const at = this.#known.indexOf(this.#address);
    this.#address = this.#known[(at + 1) % this.#known.length] ?? this.#address;
  }
}
