// `holdfast simulate --replay`: replays every segment that is found, and says for each whether it
// came to the same state, or where it first went another way.
import { isHoldfastError, messageOf } from '@holdfast/base/errors';
import { formatId, memberId } from '@holdfast/base/ids';
import { recordingDirectory } from '@holdfast/engine/recorder';
import { listSegments } from '@holdfast/engine/recording-reader';
import { formatConfiguration } from '@holdfast/raft/configuration';
import type { TraceEvent } from '@holdfast/raft/core';
import type { Disk } from '@holdfast/storage/disk';
import { diskErrorCode } from '@holdfast/storage/disk-error';
import { type ReplayReport, replaySegment } from './recording-replay.ts';

type Write = (line: string) => void;

export type ReplayCommand = {
  /** Rooted where the recording, a data directory or one segment is. */
  readonly disk: Disk;
  /** One segment; undefined: all that are found. */
  readonly segment: string | undefined;
  /** Prints what the core did. */
  readonly trace: boolean;
  readonly yieldNow: () => Promise<void>;
  readonly write: Write;
};

/** The exit code: 0, 1 if a segment differs or is damaged, 2 if there is none. */
export async function replayAll(command: ReplayCommand): Promise<number> {
  const paths = command.segment === undefined ? await find(command.disk) : [command.segment];
  if (paths.length === 0) {
    command.write(await nothingText(command.disk));
    return 2;
  }
  let isSame = true;
  for (const path of paths) isSame = (await replayOne(command, path)) && isSame;
  return isSame ? 0 : 1;
}

async function find(disk: Disk): Promise<readonly string[]> {
  const inside = await listSegments(disk, recordingDirectory);
  return inside.length > 0 ? inside : await listSegments(disk, '');
}

/** The folder above several recordings is often given, as --record was told it. */
async function nothingText(disk: Disk): Promise<string> {
  const names: string[] = [];
  for (const name of await disk.list('')) if (await hasRecording(disk, name)) names.push(name);
  if (names.length === 0) return 'no recording is there: a member records with --recording on';
  return `there are recordings in its folders ${names.join(', ')}: name one of them`;
}

async function hasRecording(disk: Disk, name: string): Promise<boolean> {
  try {
    return (await listSegments(disk, `${name}/${recordingDirectory}`)).length > 0;
  } catch (error) {
    // A file, or a folder that is not for us: no recording to name.
    if (['ENOTDIR', 'EACCES'].includes(diskErrorCode(error) ?? '')) return false;
    throw error;
  }
}

async function replayOne(command: ReplayCommand, path: string): Promise<boolean> {
  const { disk, trace, yieldNow, write } = command;
  try {
    const report = await replaySegment({
      disk,
      path,
      yieldNow,
      ...(trace ? { onTrace: (...at) => write(traceLine(...at)) } : {}),
    });
    for (const line of linesOf(path, report)) write(line);
    return report.difference === undefined;
  } catch (error) {
    // A member that was killed early leaves such a segment: nothing in it can be wrong.
    const isCutShort = isHoldfastError(error, 'failed-precondition');
    write(isCutShort ? `${messageOf(error)}: nothing to replay` : `FAILED  ${messageOf(error)}`);
    return isCutShort;
  }
}

function linesOf(path: string, report: ReplayReport): readonly string[] {
  const { inputs, proofs, spanMs, entriesApplied, appliedIndex, gap, difference } = report;
  const who = `member ${formatId(memberId(report.member))}, version ${report.version}`;
  const hash = report.stateHash.toString(16).padStart(16, '0');
  const end = difference
    ? `FAILED  after input ${difference.input}: ${difference.what}`
    : `same state hash ${hash} at index ${appliedIndex}`;
  return [
    `${path}  ${who}`,
    `  ${inputs} inputs in ${(spanMs / 1000).toFixed(3)} s, ${entriesApplied} entries applied, ` +
      `${proofs} proofs`,
    ...(gap === undefined ? [] : [`  ends in a gap: ${gap}`]),
    `  ${end}`,
  ];
}

function traceLine(nowMs: number, input: number, event: TraceEvent): string {
  const seconds = (nowMs / 1000).toFixed(6).padStart(16);
  return `${seconds}  input ${String(input).padEnd(8)} ${event.type.padEnd(13)} ${detail(event)}`;
}

function detail(event: TraceEvent): string {
  switch (event.type) {
    case 'role':
      return `${event.role} in term ${event.term}: ${event.why}`;
    case 'commit':
      return String(event.commit);
    case 'lost-log':
      return `${formatId(event.peer)} ends at ${event.last}`;
    case 'configuration':
      return `${event.placed.index}: ${formatConfiguration(event.placed.configuration)}`;
  }
}
