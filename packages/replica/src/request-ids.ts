// Names for this member's proposals and reads, each used once.
import { type RequestId, requestId } from '@holdfast/base/ids';

export class RequestIds {
  #last = 0n;

  next(): RequestId {
    this.#last += 1n;
    return requestId(this.#last);
  }
}
