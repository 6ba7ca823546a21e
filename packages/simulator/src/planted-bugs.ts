// Rules broken on purpose, one at a time, by wrapping a port of a member. They exist so that the
// judges can be seen to find what they are for; no other code may use them.
import type { Clock } from '@holdfast/base/clock';
import type { Random } from '@holdfast/base/random';
import type { ReadOptions } from '@holdfast/engine/engine';
import type { LogStore, StatusStore } from '@holdfast/replica/ports';

export type PlantedBug =
  /** The log store says "synced" before it syncs (safety.md 1). */
  | 'acknowledge-before-sync'
  /** A status save is acknowledged and never written (safety.md 4). */
  | 'skip-status-save'
  /** Linearizable reads are answered without a barrier (safety.md 13). */
  | 'read-without-barrier'
  /** Every answer says that it is fresh (safety.md 19). */
  | 'understate-age'
  /** One member skips some entries as it applies (safety.md 10). */
  | 'skip-apply'
  /** A watch starts one revision late (safety.md 22). */
  | 'watch-one-late';

export const plantedBugs: readonly PlantedBug[] = [
  'acknowledge-before-sync',
  'skip-status-save',
  'read-without-barrier',
  'understate-age',
  'skip-apply',
  'watch-one-late',
];

export type BugTools = { readonly clock: Clock; readonly random: Random };

/** Acknowledges everything accepted at once, and lets the real sync follow a good while later. */
export function acknowledgeBeforeSync(log: LogStore, { clock, random }: BugTools): LogStore {
  let running: Promise<unknown> = Promise.resolve();
  const later = (): Promise<void> =>
    new Promise((resolve) => void clock.schedule(random.integer(20, 400), resolve));
  return wrapLog(log, {
    sync: async (commitHint) => {
      const { accepted } = log.marks;
      running = running.then(later).then(() => log.sync(commitHint));
      return accepted;
    },
  });
}

export function skipStatusSave(status: StatusStore, { random }: BugTools): StatusStore {
  return {
    open: () => status.open(),
    save: async (stored) => {
      if (random.fraction() < 0.5) await status.save(stored);
    },
    close: () => status.close(),
  };
}

/** A log store whose methods are those of `log`, but for some. */
export function wrapLog(log: LogStore, changes: Partial<LogStore>): LogStore {
  return {
    open: (watch) => log.open(watch),
    accept: (entries) => log.accept(entries),
    sync: (commitHint) => log.sync(commitHint),
    read: (lo, hi, bytesMax) => log.read(lo, hi, bytesMax),
    purge: (through) => log.purge(through),
    reset: (last) => log.reset(last),
    get marks() {
      return log.marks;
    },
    close: () => log.close(),
    ...changes,
  };
}

/** What a member with this bug makes of a read. */
export const readOptionsWith = (options: ReadOptions, bug: PlantedBug | undefined): ReadOptions =>
  bug === 'read-without-barrier' && options.consistency?.level === 'linearizable'
    ? { ...options, consistency: { level: 'stale' } }
    : options;
