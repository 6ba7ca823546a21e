// Opens a log directory (D-08), read downwards: find the files, walk the segments from the base,
// judge where the walk stopped, then make true on disk what is going to be said about it. Nothing
// that was found is trusted in place beyond the durable mark: it may be in the cache only, of a
// process that saw its sync fail (safety.md 1), so it is copied into a new segment and synced.
import { assert, must } from '@holdfast/base/assert';
import { HoldfastError, messageOf } from '@holdfast/base/errors';
import { type Index, index } from '@holdfast/base/ids';
import type { RepairGoal } from '@holdfast/raft/ready';
import type { DurableMark } from './durable-mark.ts';
import { makeDurableDirectory } from './file-steps.ts';
import { findDurableEnd } from './log-durable-end.ts';
import { baseOfHeader, type FoundSegment, type LogFiles, originBase } from './log-files.ts';
import { isBefore, type LogPosition, laterOf } from './log-group.ts';
import { type LogBase, LogIndex } from './log-index.ts';
import {
  type ScanRange,
  type ScanState,
  type ScanStop,
  scanSegment,
  truncateTo,
} from './log-scan.ts';
import type { LogSegment } from './log-segment.ts';
import type { LogRot, OpenWatch } from './log-store.ts';
import { segmentDataOffset } from './segment-header.ts';
import { contentFrom } from './tail-content.ts';
import { moveTail, replaceDamaged } from './tail-repair.ts';
import { judgeTail } from './tail-verdict.ts';

export type RecoveredLog = {
  readonly log: LogIndex;
  readonly configurations: ScanState['configurations'];
  readonly commitHint: number;
  readonly tornBytes: number;
  readonly rot: LogRot | undefined;
};

/** A walk that went wrong: the first segment that cannot be used as it is. */
type BadSegment = {
  readonly sequence: number;
  readonly reason: string;
  /** The first byte that is not what must stand there, where it is one place. */
  readonly at?: number | undefined;
};

type Walk = {
  readonly state: ScanState;
  readonly found: readonly FoundSegment[];
  readonly mark: DurableMark | undefined;
  /** What the purge mark says; undefined if it is lost, or was never written. */
  readonly savedBase: LogBase | undefined;
  /** The purge mark was there and could not be read. */
  readonly isBaseLost: boolean;
  readonly watch: OpenWatch;
};

/** What was read, and what the end of it means. */
export type LogSurvey = { readonly walk: Walk; readonly outcome: Tail | BadSegment };

/**
 * Synced, verified, and ready to go on. Throws `version-mismatch` for what a newer version wrote.
 */
export async function recoverLog(files: LogFiles, watch: OpenWatch = {}): Promise<RecoveredLog> {
  await makeDurableDirectory(files.disk, files.directory);
  const survey = await surveyLog(files, watch);
  if (!survey) return watch.mustExist ? startAgain(files) : startLog(files);
  try {
    return await makeTrue(files, survey);
  } catch (error) {
    // The failure is the one to tell.
    for (const { segment } of survey.walk.found) await segment.close().catch(() => undefined);
    throw error;
  }
}

/** What is going to be said is true on disk, and synced, when this resolves. */
async function makeTrue(files: LogFiles, { walk, outcome }: LogSurvey): Promise<RecoveredLog> {
  const { state } = walk;
  const rot =
    'reason' in outcome
      ? await repair(files, walk, outcome)
      : await finishTail(files, walk, outcome);
  // There from the first start on: a purge frees room on a full disk, so it may not need any.
  if (!walk.savedBase) await files.base.save(state.log.base);
  await files.disk.syncDirectory(files.directory);
  return {
    log: state.log,
    configurations: state.configurations,
    commitHint: Math.min(state.commitHint, state.log.last.index),
    tornBytes: 'reason' in outcome ? 0 : outcome.tornBytes,
    rot: standing(rot ?? files.note.found, state),
  };
}

/**
 * Reads everything and judges it; undefined where no log was ever begun. Changes nothing but to
 * finish what a crash interrupted. Throws `version-mismatch`.
 */
export async function surveyLog(
  files: LogFiles,
  watch: OpenWatch = {},
): Promise<LogSurvey | undefined> {
  const noted = await files.note.open();
  const mark = await files.mark.open();
  const saved = await files.base.open();
  const all = await files.findSegments();
  if (all.length === 0 && !mark && !saved.base && !saved.lost && !noted) return undefined;
  try {
    const base = chooseBase(saved, all);
    const found = await dropOlder(files, all, base);
    const durable = markedEnd(mark, base, found);
    const log = new LogIndex(base);
    const state: ScanState = { log, durable, commitHint: 0, configurations: [] };
    const { base: savedBase, lost: isBaseLost } = saved;
    const walk: Walk = { state, found, mark, savedBase, isBaseLost, watch };
    const outcome = await walkSegments(walk);
    // The mark may know of commits behind the damage: what these replaced is in the log again, and
    // was never committed.
    const hinted = 'reason' in outcome ? 0 : (mark?.commitHint ?? 0);
    state.commitHint = Math.max(state.commitHint, hinted);
    return { walk, outcome };
  } catch (error) {
    for (const { segment } of all) await segment.close();
    throw error;
  }
}

/** Somebody took it away, and with it what this member has acknowledged: noted first of all. */
async function startAgain(files: LogFiles): Promise<RecoveredLog> {
  const reason = 'the log is gone: no file of it is left';
  const rot = await files.note.save({ from: index(1), reason, goal: undefined });
  return { ...(await startLog(files)), rot };
}

async function startLog(files: LogFiles): Promise<RecoveredLog> {
  const { id, chain, start } = originBase;
  const segment = await files.maker.make({
    sequence: start.segment,
    previousEnd: 0,
    previous: id,
    previousChain: chain,
    startsLog: true,
    bytesMin: 0,
  });
  const log = new LogIndex(originBase);
  log.addSegment(segment);
  await files.base.save(originBase);
  return { log, configurations: [], commitHint: 0, tornBytes: 0, rot: undefined };
}

/**
 * The purge mark, or a segment behind it that starts the log (a reset), whichever is newer. Only
 * where a purge mark was and is unreadable may the oldest segment left be the first: else it is
 * missing.
 */
function chooseBase(
  saved: { readonly base: LogBase | undefined; readonly lost: boolean },
  found: readonly FoundSegment[],
): LogBase {
  const start = found.findLast(({ header }) => header?.startsLog)?.header;
  if (start && start.sequence > (saved.base?.start.segment ?? 0)) return baseOfHeader(start);
  if (saved.base) return saved.base;
  const oldest = saved.lost ? found[0]?.header : undefined;
  return oldest ? baseOfHeader(oldest) : originBase;
}

/** Finishes a purge or a reset that a crash interrupted. */
async function dropOlder(
  files: LogFiles,
  all: readonly FoundSegment[],
  base: LogBase,
): Promise<readonly FoundSegment[]> {
  for (const { sequence, segment } of all) {
    if (sequence < base.start.segment) await segment.remove(files.disk);
  }
  return all.filter(({ sequence }) => sequence >= base.start.segment);
}

/** What is known to have been synced before any group header is read. */
function markedEnd(
  mark: DurableMark | undefined,
  base: LogBase,
  found: readonly FoundSegment[],
): LogPosition {
  // A segment is made only after everything before it is synced.
  const newest = { segment: found.at(-1)?.sequence ?? 0, offset: segmentDataOffset };
  const durable = laterOf(base.start, newest);
  return mark ? laterOf(durable, mark.end) : durable;
}

type Tail = {
  readonly stop: ScanStop;
  /** Nothing but zeros behind the last group, in a file of the right length. */
  readonly clean: boolean;
  readonly tornBytes: number;
};

async function walkSegments(walk: Walk): Promise<Tail | BadSegment> {
  const { found, state } = walk;
  let stop: ScanStop | undefined;
  for (const [at, segment] of found.entries()) {
    const sequence = state.log.base.start.segment + at;
    const reason = joinFlaw(walk, segment, { sequence, end: stop?.end });
    if (reason) return { sequence, reason };
    if (at > 0) truncateTo(state, segment.segment.header.previous.index);
    state.log.addSegment(segment.segment);
    stop = await scanSegment(segment.segment, watchedRange(walk, at), state);
    segment.segment.end = stop.end;
    if (at === found.length - 1) return judgeEnd(walk, segment, stop);
    if (stop.damage) return { sequence, reason: stop.damage.reason, at: stop.damage.at };
  }
  return { sequence: state.log.base.start.segment, reason: 'the first segment is missing' };
}

/** Why this file is not the segment that must come next, or undefined. */
function joinFlaw(
  { state, found }: Walk,
  { sequence, header, fileBytes }: FoundSegment,
  expected: { readonly sequence: number; readonly end: number | undefined },
): string | undefined {
  const { log } = state;
  if (sequence !== expected.sequence) return `segment ${expected.sequence} is missing`;
  if (!header) return `segment ${sequence} has a damaged header`;
  const isNewest = found.at(-1)?.sequence === sequence;
  const bytesMin = isNewest ? segmentDataOffset : (scanEnd(found, sequence) ?? segmentDataOffset);
  if (fileBytes > header.size || fileBytes < bytesMin)
    return `segment ${sequence} has a wrong size`;
  if (expected.end === undefined) return undefined;
  const { previous } = header;
  const isInside = previous.index >= log.base.id.index && previous.index <= log.last.index;
  const follows =
    isInside &&
    log.termAt(previous.index) === previous.term &&
    log.chainAt(previous.index) === header.previousChain &&
    header.previousEnd === expected.end;
  return follows ? undefined : `segment ${sequence} does not follow the one before`;
}

/** Where the log leaves a segment, as the one after it says. */
function scanEnd(found: readonly FoundSegment[], sequence: number): number | undefined {
  const next = found.find((one) => one.sequence === sequence + 1);
  return next?.header?.previousEnd;
}

/** The range of one segment, each of its reads told, as part of all. */
function watchedRange(walk: Walk, at: number): ScanRange {
  const { signal, onProgress } = walk.watch;
  const ranges = walk.found.map((_, place) => scanRange(walk, place));
  const lengthOf = ({ from, until }: ScanRange): number => until - from;
  const range = must(ranges[at], 'the segment is there');
  const totalBytes = sum(ranges.map(lengthOf));
  const beforeBytes = sum(ranges.slice(0, at).map(lengthOf)) - range.from;
  const onRead = (offset: number): void => {
    signal?.throwIfAborted();
    onProgress?.(beforeBytes + offset, totalBytes);
  };
  return { ...range, onRead };
}

const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);

function scanRange({ state, found }: Walk, at: number): ScanRange {
  const { segment } = must(found[at], 'the segment is there');
  const { start } = state.log.base;
  const from = segment.sequence === start.segment ? start.offset : segmentDataOffset;
  return { from, until: scanEnd(found, segment.sequence) ?? segment.header.size };
}

/** The walk came to the newest segment: is its end the end of the log? */
async function judgeEnd(
  walk: Walk,
  found: FoundSegment,
  stop: ScanStop,
): Promise<Tail | BadSegment> {
  const { state, mark } = walk;
  const { segment, sequence, fileBytes } = found;
  if (state.durable.segment > sequence) {
    return { sequence: sequence + 1, reason: 'the log ends before its durable mark' };
  }
  const verdict = judgeTail({
    segment: sequence,
    end: stop.end,
    content: stop.damage ? await contentFrom(segment, stop.end, fileBytes) : new Uint8Array(0),
    damage: stop.damage ?? { at: stop.end, reason: 'the segment is full' },
    fileBytes,
    expectedBytes: segment.header.size,
    durable: state.durable,
  });
  if (verdict.kind === 'rot') return { sequence, reason: verdict.reason, at: stop.damage?.at };
  if (!stop.boundaries.has(state.durable.offset)) {
    return { sequence, reason: 'the durable mark lies inside of a group' };
  }
  if (contradictsMark(walk, stop, mark)) {
    return { sequence, reason: 'the log does not end in the entry that its mark names' };
  }
  const tornBytes = verdict.kind === 'torn' ? verdict.bytes : 0;
  return { stop, clean: verdict.kind === 'clean', tornBytes };
}

function contradictsMark({ state }: Walk, stop: ScanStop, mark: DurableMark | undefined): boolean {
  const { log } = state;
  if (!mark || mark.end.segment !== log.current.sequence || mark.end.offset !== stop.end)
    return false;
  // Records of a torn group behind the mark have been taken in already.
  if (stop.damage && log.last.index !== mark.last.id.index) return false;
  return log.last.index !== mark.last.id.index || log.chainAt(log.last.index) !== mark.last.chain;
}

/** Goes on in place if everything is synced, else in a new segment that holds what was not. */
async function finishTail(files: LogFiles, walk: Walk, tail: Tail): Promise<undefined> {
  const { log, durable, commitHint } = walk.state;
  const end = { segment: log.current.sequence, offset: tail.stop.end };
  assert(!isBefore(end, durable), 'a log that ends before its durable mark is rotten');
  const { lo, hi } = log.liveFrom(durable.offset);
  if (tail.clean && tail.stop.end === durable.offset) await syncInPlace(log.current);
  else {
    const contentEnd = tail.stop.end + tail.tornBytes;
    await moveTail(files, log, { lo, hi, cutAt: durable.offset, contentEnd, commitHint });
  }
  saveMark(files, walk);
  await files.mark.sync();
  return undefined;
}

/** Whatever it fails with, no later sync of these pages is believed (safety.md 1). */
async function syncInPlace({ file }: LogSegment): Promise<void> {
  try {
    await file.sync();
  } catch (cause) {
    const message = `syncing what was found in the log: ${messageOf(cause)}`;
    throw new HoldfastError('unavailable', message, { outcome: 'unknown', cause });
  }
}

/** Notes the rot, sets the damaged files aside, and leaves a log that ends before the damage. */
async function repair(files: LogFiles, walk: Walk, bad: BadSegment): Promise<LogRot> {
  const { state, found } = walk;
  const { log } = state;
  const from: Index = index(log.last.index + 1);
  const rot = await files.note.save({
    from,
    reason: `segment ${bad.sequence}: ${bad.reason}`,
    goal: await findGoal(walk),
  });
  const damaged = found.filter(({ sequence }) => sequence >= bad.sequence);
  await replaceDamaged(files, log, { sequence: bad.sequence, damaged, state });
  saveMark(files, walk);
  await files.mark.sync();
  return rot;
}

function saveMark(files: LogFiles, { state }: Walk): void {
  const { log } = state;
  files.mark.writeNow({
    end: { segment: log.current.sequence, offset: log.current.end },
    last: { id: log.last, chain: log.chainAt(log.last.index) },
    commitHint: Math.min(state.commitHint, log.last.index),
    clean: false,
  });
}

/** From the last good entry to the durable end, if the files tell that one for certain. */
async function findGoal({ state, found, mark }: Walk): Promise<RepairGoal | undefined> {
  const { log } = state;
  const after = { id: log.last, chain: log.chainAt(log.last.index) };
  const end = await findDurableEnd(found, mark);
  return end && end.id.index > after.id.index ? { after, end } : undefined;
}

/**
 * A note from an earlier start counts as long as nothing before the damage that it tells of was
 * lost since; a log that was begun anew behind that place has taken nothing away.
 */
function standing(noted: LogRot | undefined, { log }: ScanState): LogRot | undefined {
  const after = noted?.goal?.after;
  if (!noted || !after) return noted;
  const at = after.id.index;
  const isBehind = at < log.base.id.index;
  const holds = isBehind || (at <= log.last.index && log.chainAt(at) === after.chain);
  return holds ? noted : { ...noted, goal: undefined };
}
