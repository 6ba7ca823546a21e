// Reads a recording's segment files, frame by frame. A tail that a crash has torn is the end; bytes
// that have changed are `corrupt`, with their place.
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { version } from '@holdfast/base/product-version';
import { Frame } from '@holdfast/proto/recording';
import type { Disk, DiskFile } from '@holdfast/storage/disk';
import {
  decodeFileHead,
  decodeFrameHead,
  fileHeadBytes,
  frameHeadBytes,
  recordingFormat,
  segmentName,
  segmentNumbers,
} from './recording-frames.ts';

export type RecordedBody = NonNullable<Frame['body']>;

/** Paths of the segments in a directory, oldest first. */
export async function listSegments(disk: Disk, directory: string): Promise<readonly string[]> {
  const prefix = directory === '' ? '' : `${directory}/`;
  return segmentNumbers(await disk.list(directory)).map((one) => `${prefix}${segmentName(one)}`);
}

/** The simulator's members say so of themselves; its runs are kept for hours, not for releases. */
const simulatedVersion = 'simulated';

/**
 * Throws `corrupt` with the byte where it is damaged, `version-mismatch` for another format, or for
 * what another version recorded: only the same code goes on in the same way.
 */
export async function* readFrames(disk: Disk, path: string): AsyncGenerator<RecordedBody> {
  const file = await disk.open(path, { readOnly: true });
  try {
    const size = await file.size();
    checkFormat(decodeFileHead(await file.read(0, fileHeadBytes)), path);
    for (let at = fileHeadBytes; at + frameHeadBytes <= size; ) {
      const read = await readFrame(file, { path, at, size });
      if (!read) return;
      if (read.body.$case === 'head') checkRecorder(read.body.value.version, path);
      yield read.body;
      at = read.end;
    }
  } finally {
    await file.close();
  }
}

function checkFormat(format: number | undefined, path: string): void {
  if (format === recordingFormat) return;
  if (format === undefined) throw new HoldfastError('corrupt', `${path} is no recording`);
  throw new HoldfastError('version-mismatch', `${path} has format ${format}, not known here`);
}

function checkRecorder(found: string, path: string): void {
  if (found === version || found === simulatedVersion) return;
  throw new HoldfastError(
    'version-mismatch',
    `${path} was recorded by version ${found}, and this is ${version}, which may rightly go ` +
      `another way: replay it with version ${found}`,
    { details: { found, known: version } },
  );
}

type Place = { readonly path: string; readonly at: number; readonly size: number };

/** Undefined: the file ends in a torn frame. */
async function readFrame(
  file: DiskFile,
  { path, at, size }: Place,
): Promise<{ readonly body: RecordedBody; readonly end: number } | undefined> {
  const head = await file.read(at, frameHeadBytes);
  const known = decodeFrameHead(head);
  // A machine that lost its power may leave zeros where nothing was written.
  if (!known && head.every((byte) => byte === 0)) return undefined;
  if (!known) throw damaged(path, at);
  const end = at + frameHeadBytes + known.bytes;
  if (end > size) return undefined;
  const payload = await file.read(at + frameHeadBytes, known.bytes);
  if (crc32(payload) !== known.checksum) throw damaged(path, at);
  const { body } = Frame.decode(payload);
  if (!body) throw new HoldfastError('version-mismatch', `${path}: unknown frame at byte ${at}`);
  return { body, end };
}

const damaged = (path: string, at: number): HoldfastError =>
  new HoldfastError('corrupt', `${path} is damaged at byte ${at}`, { details: { at } });
