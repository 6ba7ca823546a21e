// Bytes that come in pieces and are wanted in one. The first piece is kept as it is, because most
// are the only one; from the second on all are copied into room that doubles, so that pieces of a
// byte each, as a client may send them, cost no more than their bytes.

/** Room to begin with. */
const roomMin = 1024;

const empty = Buffer.alloc(0);

export class GrowingBytes {
  /** With room behind what is filled, once there was a second piece. */
  #bytes: Buffer = empty;
  #filled = 0;

  get length(): number {
    return this.#filled;
  }

  push(piece: Uint8Array): void {
    if (this.#filled === 0) {
      this.#bytes = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
      this.#filled = piece.length;
      return;
    }
    this.#makeRoom(this.#filled + piece.length);
    this.#bytes.set(piece, this.#filled);
    this.#filled += piece.length;
  }

  /** All of them, which are forgotten here. */
  take(): Buffer {
    const bytes = this.#bytes.subarray(0, this.#filled);
    this.#bytes = empty;
    this.#filled = 0;
    return bytes;
  }

  #makeRoom(bytes: number): void {
    if (bytes <= this.#bytes.length) return;
    const room = Buffer.allocUnsafeSlow(Math.max(roomMin, bytes, 2 * this.#filled));
    room.set(this.#bytes.subarray(0, this.#filled));
    this.#bytes = room;
  }
}
