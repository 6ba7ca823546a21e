// The rolling hash of the state (safety.md 10): 64 bits over every mutation in order. Equal logs
// give equal hashes whatever the batching, the reclaiming or the images in between. It finds
// members that have drifted apart; it does not guard against somebody who means harm.

/** What is mixed in beside records, so that no two kinds of change look alike. */
export const hashTags = {
  revision: 1,
  compact: 2,
  member: 3,
  clusterVersion: 4,
  leaseGranted: 5,
  leaseEnded: 6,
  leaseCheckpointed: 7,
  sessionRegistered: 8,
  sessionTouched: 9,
  sessionEntered: 10,
  sessionEnded: 11,
  leaseGrantedAt: 12,
  memberRetired: 13,
  quotaSet: 14,
  /** Of digests alone. */
  links: 15,
  damage: 16,
  section: 17,
  parts: 18,
} as const;

const multiplierA = 0x85ebca6b;
const multiplierB = 0xc2b2ae35;

export class StateHash {
  #a: number;
  #b: number;

  constructor(value = 0n) {
    this.#a = Number(value & 0xffffffffn) | 0;
    this.#b = Number(value >> 32n) | 0;
  }

  get value(): bigint {
    return (BigInt(this.#b >>> 0) << 32n) | BigInt(this.#a >>> 0);
  }

  /** Takes in words [lo, hi), two at a time; their number is even. */
  mixWords(words: Uint32Array, lo: number, hi: number): void {
    // Each lane's step is a bijection of its state, so one changed word always changes the hash.
    let a = this.#a;
    let b = this.#b;
    for (let at = lo; at < hi; at += 2) {
      a = Math.imul(a ^ (words[at] as number), multiplierA);
      b = Math.imul(b ^ (words[at + 1] as number), multiplierB);
      a ^= b >>> 15;
      b ^= a >>> 13;
    }
    this.#a = a;
    this.#b = b;
  }

  /** Takes in a natural number, with a tag that says what it is. */
  mixNumber(tag: number, value: number): void {
    this.#a = Math.imul(this.#a ^ (value | 0), multiplierA);
    this.#b = Math.imul(this.#b ^ (Math.floor(value / 4294967296) | 0), multiplierB);
    this.#a ^= Math.imul(tag ^ (this.#b >>> 15), multiplierB);
    this.#b ^= this.#a >>> 13;
  }

  /** Takes in 64 bits, signed or not, with a tag that says what they are. */
  mixId(tag: number, id: bigint): void {
    this.mixNumber(tag, Number(id & 0xffffffffn));
    this.mixNumber(tag, Number((id >> 32n) & 0xffffffffn));
  }

  /** Takes in bytes of any length. */
  mixBytes(bytes: Uint8Array): void {
    this.mixNumber(bytes.length, bytes.length);
    for (const byte of bytes) {
      this.#a = Math.imul(this.#a ^ byte, multiplierA);
      this.#b = Math.imul(this.#b ^ (this.#a >>> 15), multiplierB);
    }
  }
}
