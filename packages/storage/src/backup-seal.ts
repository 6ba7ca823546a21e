// What follows a backup that etcd's tools are to keep: zeros up to a whole sector, and the SHA-256
// of all before. By its length alone they tell a snapshot that came whole: it has 32 bytes more
// than a multiple of 512.
import { Sha256 } from '@holdfast/base/sha256';

const sectorBytes = 512;
const digestBytes = 32;

export class BackupSeal {
  readonly #hash = new Sha256();
  #bytes = 0;

  /** In the order of the file. */
  add(bytes: Uint8Array): void {
    this.#hash.update(bytes);
    this.#bytes += bytes.length;
  }

  /** Of the seal, if nothing more is added. */
  get length(): number {
    return this.#padding + digestBytes;
  }

  /** Once, when all is added. */
  take(): Uint8Array {
    const seal = new Uint8Array(this.length);
    const padding = this.#padding;
    this.#hash.update(seal.subarray(0, padding));
    seal.set(this.#hash.digest(), padding);
    return seal;
  }

  get #padding(): number {
    return (sectorBytes - (this.#bytes % sectorBytes)) % sectorBytes;
  }
}
