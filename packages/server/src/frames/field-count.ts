// A look at how many parts a frame has, before any of them is decoded: a frame of the largest size
// may be made of millions, each of which costs fifty times its bytes as an object.
import { HoldfastError } from '@holdfast/base/errors';

/** The shortest part: a tag and a length of zero. */
const fieldBytesMin = 2;

/** Throws `corrupt` where the message has more than `max` fields, all of which have a length. */
export function requireFewFields(payload: Uint8Array, max: number, what: string): void {
  // Nothing to count in the usual, small frame.
  if (payload.length <= max * fieldBytesMin) return;
  let count = 0;
  for (let at = 0; at < payload.length; ) {
    count += 1;
    if (count > max) throw new HoldfastError('corrupt', `more than ${max} ${what} in one frame`);
    at += 1;
    let length = 0;
    let scale = 1;
    for (; at < payload.length; at += 1, scale *= 0x80) {
      const byte = payload[at] as number;
      length += (byte & 0x7f) * scale;
      if (byte < 0x80) break;
    }
    at += 1 + length;
  }
}
