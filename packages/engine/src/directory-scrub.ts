// Reads again what lies at rest in a data directory, piece by piece, and mends what it can by
// itself: a spoiled copy of a small file from its twin. What only the replica can mend it answers.
import type { StoredSnapshot } from '@holdfast/replica/ports';
import type { IdentityFile } from '@holdfast/storage/identity-file';
import type { Pace } from '@holdfast/storage/log-scrub';
import type { QuarantineFile } from '@holdfast/storage/quarantine-file';
import type { SegmentedLog } from '@holdfast/storage/segmented-log';
import type { SnapshotFiles } from '@holdfast/storage/snapshot-files';
import type { StatusFile } from '@holdfast/storage/status-file';

export type ScrubbedFiles = {
  readonly log: Pick<SegmentedLog, 'scrub'>;
  readonly snapshots: Pick<SnapshotFiles, 'scrub'>;
  readonly status: Pick<StatusFile, 'scrub'>;
  readonly quarantine: Pick<QuarantineFile, 'scrub'>;
  readonly identity: Pick<IdentityFile, 'scrub'>;
};

export type ScrubFinding =
  /** What was mended in place. */
  | { readonly kind: 'mended'; readonly what: string }
  | { readonly kind: 'snapshot'; readonly what: string; readonly snapshot: StoredSnapshot };

export type ScrubStep = {
  readonly what: 'small files' | 'snapshots' | 'log';
  /** Throws `corrupt` for what a new start must find, and mend from the peers. */
  readonly run: (pace: Pace) => Promise<readonly ScrubFinding[]>;
};

/** The small files first: they say who this is, and what it has promised. */
export const scrubSteps = (files: ScrubbedFiles): readonly ScrubStep[] => [
  { what: 'small files', run: (pace) => scrubSmall(files, pace) },
  {
    what: 'snapshots',
    run: async (pace) =>
      (await files.snapshots.scrub(pace)).map((snapshot) => ({
        kind: 'snapshot',
        what: `snapshot ${snapshot.last.index}`,
        snapshot,
      })),
  },
  {
    what: 'log',
    run: async (pace) =>
      (await files.log.scrub(pace)) ? [{ kind: 'mended', what: 'base of the log' }] : [],
  },
];

/** Two copies of a sector each. */
const twinBytes = 8192;

async function scrubSmall(files: ScrubbedFiles, pace: Pace): Promise<readonly ScrubFinding[]> {
  const found: ScrubFinding[] = [];
  for (const what of ['identity', 'status', 'quarantine'] as const) {
    await pace(twinBytes);
    if (await files[what].scrub()) found.push({ kind: 'mended', what: `${what} file` });
  }
  return found;
}
