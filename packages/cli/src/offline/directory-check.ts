// One data directory, checked from end to end (D-18): small files, snapshots, log, the chain
// between them, and a rehearsal of the start. Each part over an overlay of its own, so that what
// one of them would put right is still wrong for the next. Changes nothing.
import { formatId } from '@holdfast/base/ids';
import type { Disk } from '@holdfast/storage/disk';
import { OverlayDisk } from '@holdfast/storage/overlay-disk';

import { type ChainLink, chainOf } from './chain.ts';
import { checkRemains, checkTwinFiles, logDirectory } from './file-check.ts';
import { type Finding, type Verdict, verdictOf } from './finding.ts';
import { checkLog, type LogView } from './log-check.ts';
import { type Rehearsal, type RehearsalOptions, rehearse } from './rehearsal.ts';
import { checkSnapshots, type SnapshotView } from './snapshot-check.ts';

export type DirectoryReport = {
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
  readonly snapshots: readonly SnapshotView[];
  readonly log: LogView | undefined;
  readonly chain: readonly ChainLink[];
  readonly rehearsal: Rehearsal;
};

export type CheckOptions = Omit<RehearsalOptions, 'disk'> & {
  readonly disk: Disk;
  /** Told of the bytes that were read, of each reading. */
  readonly onRead: (bytes: number) => void;
};

export async function checkDirectory(options: CheckOptions): Promise<DirectoryReport> {
  const { disk, signal } = options;
  const overlaid = <T>(work: (overlay: OverlayDisk) => Promise<T>): Promise<T> =>
    withOverlay(options, work);
  const files = [...(await checkTwinFiles(disk)), ...(await checkRemains(disk))];
  const snapshots = await overlaid((overlay) => checkSnapshots(overlay, signal));
  const log = await overlaid((overlay) => checkLog(overlay, signal));
  const rehearsal = await overlaid((overlay) => rehearse({ ...options, disk: overlay }));
  const findings = [
    ...files,
    ...snapshots.findings,
    ...log.findings,
    ...rehearsalFindings(rehearsal),
    ...shortLogFindings(snapshots.snapshots, log.view, rehearsal),
  ];
  return {
    verdict: verdictOf(findings),
    findings,
    snapshots: snapshots.snapshots,
    log: log.view,
    chain: chainOf(snapshots.snapshots, log.view, rehearsal.recovered),
    rehearsal,
  };
}

async function withOverlay<T>(
  { disk, onRead }: CheckOptions,
  work: (overlay: OverlayDisk) => Promise<T>,
): Promise<T> {
  const overlay = new OverlayDisk({ inner: disk, onRead });
  try {
    return await work(overlay);
  } finally {
    await overlay.close();
  }
}

/** A crash between an install and the log's new beginning leaves it so: the snapshot stands. */
function shortLogFindings(
  [newest]: readonly SnapshotView[],
  log: LogView | undefined,
  { recovered }: Rehearsal,
): readonly Finding[] {
  if (!newest || !log || !recovered || newest.last.index <= log.last.index) return [];
  const what = `the log ends at entry ${log.last.index}, before the newest snapshot`;
  const means = 'a start begins it anew behind the snapshot, which holds all of it';
  return [{ severity: 'note', file: logDirectory, what, means }];
}

/** What only the start as a whole can tell. */
function rehearsalFindings(rehearsal: Rehearsal): readonly Finding[] {
  const { refusal, refusedIn, recovered, identity } = rehearsal;
  if (refusal) {
    const where = refusedIn === undefined ? '' : ` in phase ${refusedIn}`;
    const means = `a start ends here${where}, with this sentence`;
    return [{ severity: 'fatal', file: '.', what: refusal.message, means }];
  }
  if (!identity) {
    const means = 'a start settles a new member in';
    return [{ severity: 'note', file: 'identity', what: 'nobody has lived here yet', means }];
  }
  if (!recovered?.state.repairing) return [];
  return [
    {
      severity: 'damage',
      file: '.',
      what: `member ${identity.name} (${formatId(identity.memberId)}) is to repair its log`,
      means: 'it does not vote until it has, from the others; if it is the only one, from a backup',
    },
  ];
}
