// The recorder of a member that was started with `--recording on` (docs/recording.md): where it
// writes, and what is said when it can not.
import type { Clock } from '@holdfast/base/clock';
import { version } from '@holdfast/base/product-version';
import { Recorder } from '@holdfast/engine/recorder';
import type { Disk } from '@holdfast/storage/disk';
import type { Log } from './log.ts';
import type { MemberSettings } from './settings.ts';

/** Undefined: nothing is recorded, and nothing is spent on it. */
export function memberRecorder(options: {
  readonly settings: Pick<MemberSettings, 'recording'>;
  readonly disk: Disk;
  readonly clock: Clock;
  readonly log: Log;
}): Recorder | undefined {
  const { settings, disk, clock, log } = options;
  if (!settings.recording) return undefined;
  const onProblem = (what: string, error: unknown): void => log.warn({ err: error }, what);
  return new Recorder({ ...settings.recording, disk, clock, version, onProblem });
}
