// Reads again what a running log has synced, and judges it as a start would (log-recovery.ts), so
// that rot is met while the peers can still mend it. Beside the log's own work: it takes nothing in
// and changes nothing; what is written, truncated or purged meanwhile is no damage.
import { HoldfastError } from '@holdfast/base/errors';
import { readTwice } from './file-steps.ts';
import type { LogPosition } from './log-group.ts';
import { LogIndex } from './log-index.ts';
import { type ScanState, scanSegment, truncateTo } from './log-scan.ts';
import type { LogSegment } from './log-segment.ts';
import { decodeSegmentHeader, segmentDataOffset } from './segment-header.ts';

/** Asked before so many bytes are read; rejects to end the pass. */
export type Pace = (bytes: number) => Promise<void>;

/** The files went away under the pass: a purge or a reset. */
class Overtaken extends Error {}

/** A log that is purged faster than it is read has nothing old enough to rot. */
const triesMax = 5;

/**
 * Resolves when all is as it was written, up to `durable`; throws `corrupt`. `live` is asked again
 * for each try.
 */
export async function scrubLog(
  live: () => { readonly log: LogIndex; readonly durable: LogPosition },
  pace: Pace,
): Promise<void> {
  for (let tries = 0; tries < triesMax; tries += 1) {
    try {
      await scrubOnce(live(), pace);
      return;
    } catch (error) {
      if (!(error instanceof Overtaken)) throw error;
    }
  }
}

async function scrubOnce(
  { log, durable }: { readonly log: LogIndex; readonly durable: LogPosition },
  pace: Pace,
): Promise<void> {
  const segments = log.segments.filter(({ sequence }) => sequence <= durable.segment);
  const { start } = log.base;
  const own = new LogIndex(log.base);
  const state: ScanState = { log: own, durable, commitHint: 0, configurations: [] };
  for (const [at, segment] of segments.entries()) {
    const paced = { read: readerOf(segment, pace) } as LogSegment;
    await checkHeader(segment, paced);
    if (at > 0) truncateTo(state, segment.header.previous.index);
    own.addSegment(segment);
    const from = segment.sequence === start.segment ? start.offset : segmentDataOffset;
    const until = segments[at + 1]?.header.previousEnd ?? durable.offset;
    const { damage } = await scanSegment(paced, { from, until }, state);
    if (damage) throw rotten(segment, damage.reason, damage.at);
  }
}

const readerOf =
  (segment: LogSegment, pace: Pace): LogSegment['read'] =>
  async (offset, length, into) => {
    // A read goes far beyond the end of a small file.
    await pace(Math.max(0, Math.min(length, segment.header.size - offset)));
    if (segment.isGone) throw new Overtaken('the segment is gone');
    return await segment.read(offset, length, into);
  };

async function checkHeader(segment: LogSegment, paced: LogSegment): Promise<void> {
  const header = await readTwice(async () =>
    decodeSegmentHeader(await paced.read(0, segmentDataOffset)),
  );
  if (header?.sequence !== segment.sequence) throw rotten(segment, 'its header is damaged', 0);
}

const rotten = ({ path }: LogSegment, reason: string, offset: number): HoldfastError =>
  new HoldfastError('corrupt', `${path} has rotten at rest, at byte ${offset}: ${reason}`, {
    details: { segment: path, offset },
  });
