// The end of an image, the same in every format: how many records and bytes stood before it, and
// the checksum of all of them.
import type { ChunkReader } from './chunk-reader.ts';
import { checkImage, imageEndBytes } from './image-format.ts';

export type ImageTotals = { readonly records: number; readonly bytesBefore: number };

/** Reads the last bytes, and holds them against what was read. Throws `corrupt`. */
export async function readImageEnd(input: ChunkReader, read: ImageTotals): Promise<void> {
  await input.need(imageEndBytes);
  const checksum = input.checksumOf(imageEndBytes - 8);
  const end = input.take(imageEndBytes);
  const view = new DataView(end.buffer, end.byteOffset, end.byteLength);
  checkImage(
    view.getUint32(imageEndBytes - 8, true) === checksum,
    'its checksum does not fit its bytes',
  );
  checkImage(view.getUint32(imageEndBytes - 4, true) === 0, 'its last bytes are not zero');
  checkImage(view.getFloat64(0, true) === read.records, 'records are missing');
  checkImage(view.getFloat64(8, true) === read.bytesBefore, 'bytes are missing');
  checkImage(await input.ended(), 'bytes follow its end');
}
