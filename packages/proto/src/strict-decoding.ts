// What the generated decoders ask at the ends of fields and messages (typescript-plugin.mjs puts it
// there): a message in which no field can begin, or that ends in the middle of one, is refused as a
// whole, and never taken for a shorter one.
import type { BinaryReader } from '@bufbuild/protobuf/wire';

const endGroup = 4;

/** Steps over a field of a newer release. Throws where no field can begin. */
export function skipUnknown(reader: BinaryReader, tag: number): void {
  const field = tag >>> 3;
  const wireType = tag & 7;
  if (field === 0 || wireType === endGroup) throw new RangeError(`no field begins with ${tag}`);
  reader.skip(wireType, field);
}

/** Throws where a known field is not of its own type. */
export function requireTag(tag: number, wanted: number): void {
  if (tag === wanted) return;
  throw new RangeError(`field ${wanted >>> 3} begins with ${tag}, not with ${wanted}`);
}

/** Throws where the last field went past the end of its message. */
export function requireEnd(reader: BinaryReader, end: number): void {
  if (reader.pos !== end) throw new RangeError('the last field ends behind its message');
}
