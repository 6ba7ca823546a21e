// Names for this member's proposals and reads, each used once. They begin at a random place, so
// that an answer to what an earlier boot of this member asked can never be taken for one to this
// boot.
import { type RequestId, requestId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';

export class RequestIds {
  #last: bigint;

  constructor(random: Random) {
    this.#last = random.identity();
  }

  next(): RequestId {
    this.#last = BigInt.asUintN(64, this.#last + 1n);
    return requestId(this.#last);
  }
}
