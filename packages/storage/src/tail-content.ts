// What lies behind the last intact group. By these bytes alone rot is told from the end of the log
// (safety.md 3), and there is no checksum over them: a disk that answers one read with the bytes of
// another place could make damage look like the end. So each piece is read until two readings
// agree.
import { equalBytes } from '@holdfast/base/bytes';
import { HoldfastError } from '@holdfast/base/errors';
import { endOfContent } from './byte-codec.ts';
import { bulkBytes } from './file-steps.ts';
import type { LogSegment } from './log-segment.ts';

/** So many readings, each unlike the one before, are no accident. */
const readingsMax = 6;

/** The bytes from `from` to the last one in the file that is not zero. */
export async function contentFrom(
  segment: LogSegment,
  from: number,
  fileBytes: number,
): Promise<Uint8Array> {
  const pieceBytes = Math.max(0, Math.min(bulkBytes, fileBytes - from));
  const memories = [new Uint8Array(pieceBytes), new Uint8Array(pieceBytes)] as const;
  let end = from;
  for (let at = from; at < fileBytes; at += bulkBytes) {
    const length = Math.min(bulkBytes, fileBytes - at);
    const bytes = await agreed((reading) => segment.read(at, length, memories[reading % 2]));
    const contentBytes = endOfContent(bytes);
    if (contentBytes > 0) end = at + contentBytes;
  }
  return agreed(() => segment.read(from, end - from));
}

async function agreed(read: (reading: number) => Promise<Uint8Array>): Promise<Uint8Array> {
  let before = await read(0);
  for (let reading = 1; reading < readingsMax; reading += 1) {
    const bytes = await read(reading);
    if (equalBytes(bytes, before)) return bytes;
    before = bytes;
  }
  throw new HoldfastError('unavailable', 'the disk answers the same read of the log differently');
}
