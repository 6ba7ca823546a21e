// The log of a data directory, judged: where it ends, whether it is damaged and where, and what
// lies behind the damage. Reads through an overlay, so that nothing is put right on the way.
import { LogInspection } from '@holdfast/storage/log-inspection';
import type { OverlayDisk } from '@holdfast/storage/overlay-disk';

import { logDirectory } from './file-check.ts';
import type { Finding } from './finding.ts';

export type LogView = {
  /** The index before the first entry. */
  readonly purged: number;
  readonly last: { readonly index: number; readonly term: number };
  /** Known to be committed; more may be. */
  readonly commit: number;
  readonly files: number;
  /** Behind the durable mark: a start copies and syncs them before they count. */
  readonly unsynced: number;
};

export type LogCheck = {
  readonly view: LogView | undefined;
  readonly findings: readonly Finding[];
};

export async function checkLog(disk: OverlayDisk, signal: AbortSignal): Promise<LogCheck> {
  const log = await LogInspection.of({ disk, directory: logDirectory, watch: { signal } });
  if (!log) return { view: undefined, findings: [] };
  try {
    const view = {
      purged: log.purged.index,
      last: log.last,
      commit: log.commitHint,
      files: log.segments.length,
      unsynced: log.unsyncedCount,
    };
    return { view, findings: [...markFindings(log), ...(await endFindings(log))] };
  } finally {
    await log.close();
  }
}

function markFindings(log: LogInspection): readonly Finding[] {
  const findings: Finding[] = [];
  const file = `${logDirectory}/mark`;
  if (log.markSlotsBad > 0) {
    findings.push({
      severity: 'note',
      file,
      what: `${log.markSlotsBad} of 2 places of the durable mark are unreadable`,
      means:
        'an unfinished write does that: the group headers of the log say how far it was synced',
    });
  }
  if (log.notedRot) {
    const { from, reason } = log.notedRot;
    findings.push({
      severity: 'damage',
      file: `${logDirectory}/rot`,
      index: from,
      what: `an earlier start has found damage: ${reason}`,
      means: 'the member repairs its log from the others',
    });
  }
  return findings;
}

async function endFindings(log: LogInspection): Promise<readonly Finding[]> {
  const { end } = log;
  switch (end.kind) {
    case 'clean':
      return [];
    case 'torn':
      return [
        {
          severity: 'note',
          file: end.place.path,
          offset: end.place.offset,
          index: log.last.index + 1,
          what: `an unfinished write of ${end.bytes} bytes: ${end.reason}`,
          means: 'a start cuts it: it was never synced, so nobody was told that it is there',
        },
      ];
    case 'rotten':
      return [
        {
          severity: 'damage',
          file: end.path,
          offset: end.offset,
          index: end.from,
          what: `${end.reason}; behind it ${await salvageText(log)}`,
          means:
            'the member starts as repairing: it does not vote, and fetches the entries from ' +
            `${end.from} on from the others`,
        },
      ];
  }
}

async function salvageText(log: LogInspection): Promise<string> {
  let count = 0;
  let last = 0;
  for await (const { entry } of log.salvaged()) {
    count += 1;
    last = Math.max(last, entry.index);
  }
  return count === 0 ? 'nothing is intact' : `${count} records are intact, up to entry ${last}`;
}
