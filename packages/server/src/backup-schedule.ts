// Scheduled backups: the cluster makes one when the last is old enough, by whichever member has a
// directory for them and claims it first. A follower does; the leader, who has enough to do, only
// if nobody else has for a while. What fails is told, counted, and tried again later and later; no
// failure here ever harms the member.
import { resolve } from 'node:path';

import { type Clock, pause } from '@holdfast/base/clock';
import { HoldfastError, isHoldfastError, messageOf } from '@holdfast/base/errors';
import { BackupClaim, type ClaimedBackup, type LastBackup } from '@holdfast/engine/backup-claim';
import type { OpenBackup } from '@holdfast/engine/backups';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';

import { BackupDirectory, type KeptBackup } from './backup-directory.ts';
import type { Log } from './log.ts';
import type { Figure, Metrics } from './metrics.ts';
import type { MemberSettings } from './settings.ts';

export type BackupScheduleOptions = {
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'warn' | 'debug'>;
  readonly name: string;
  readonly intervalMs: number;
  readonly directory: Pick<BackupDirectory, 'prepare' | 'keep' | 'drop' | 'retain'>;
  /** Undefined while there is none. */
  readonly engine: () => BackupEngine | undefined;
};

type BackupEngine = Pick<
  EmbeddedEngine,
  'range' | 'txn' | 'leaseGrant' | 'leaseKeepAlive' | 'leaseRevoke' | 'status' | 'backups'
>;

/** What the member says of itself when it is asked how it is. */
export type BackupReport = {
  /** Since the last one was due, if it is late; null: none is. */
  readonly lateMs: number | null;
  readonly failure: string | null;
};

const lookMsMax = 10_000;
const graceMsMax = 60_000;
const retryMsMin = 60_000;

/** As the settings have it; undefined: this member makes none. */
export function scheduleOf(of: {
  readonly settings: Pick<MemberSettings, 'name' | 'backupSchedule'>;
  readonly clock: Clock;
  readonly log: BackupScheduleOptions['log'];
  /** Absolute: where the data is. */
  readonly root: string;
  readonly engine: BackupScheduleOptions['engine'];
  readonly metrics: Pick<Metrics, 'show'>;
}): BackupSchedule | undefined {
  const { name, backupSchedule } = of.settings;
  if (!backupSchedule) return undefined;
  const { directory: path, intervalMs, kept } = backupSchedule;
  const directory = new BackupDirectory({ path: resolve(path), dataDir: of.root, kept });
  const schedule = new BackupSchedule({ ...of, name, intervalMs, directory });
  of.metrics.show(...schedule.figures);
  return schedule;
}

export class BackupSchedule {
  readonly #options: BackupScheduleOptions;
  #last: LastBackup = { record: undefined, modRevision: 0 };
  /** When the next one was first seen to be due; undefined: it is not. */
  #dueMs: number | undefined;
  /** Since when this member could make it; a leader lets the others go first. */
  #waitingSinceMs: number | undefined;
  #notBeforeMs = 0;
  #failuresInARow = 0;
  #failures = 0;
  #failure: string | undefined;
  #durationMs: number | undefined;

  constructor(options: BackupScheduleOptions) {
    this.#options = options;
  }

  get figures(): readonly Figure[] {
    const seconds = (ms: number | undefined) => ms && ms / 1000;
    return [
      {
        name: 'backup_last_success_timestamp_seconds',
        help: "When the cluster's last scheduled backup that was read back whole was made",
        read: () => seconds(this.#last.record?.atMs),
      },
      {
        name: 'backup_last_size_bytes',
        help: 'How large it was',
        read: () => this.#last.record?.bytes,
      },
      {
        name: 'backup_last_duration_seconds',
        help: 'How long the last scheduled backup of this member took, with its check',
        read: () => seconds(this.#durationMs),
      },
      {
        name: 'backup_failures_total',
        help: 'Scheduled backups that failed at this member',
        read: () => this.#failures,
      },
      {
        name: 'backup_late_seconds',
        help: 'For how long a scheduled backup has been due; 0: none is',
        read: () => this.#lateMs / 1000,
      },
    ];
  }

  report(): BackupReport {
    const lateMs = Math.floor(this.#lateMs);
    return {
      lateMs: lateMs > this.#options.intervalMs ? lateMs : null,
      failure: this.#failuresInARow > 0 ? (this.#failure ?? null) : null,
    };
  }

  /** Until the signal aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { clock, intervalMs } = this.#options;
    while (!signal.aborted) {
      await this.look(signal);
      await pause(clock, Math.min(lookMsMax, intervalMs / 10), signal);
    }
  }

  /** Makes one if it is due and nobody else does. Never rejects. */
  async look(signal: AbortSignal): Promise<void> {
    const engine = this.#options.engine();
    if (!engine) return;
    const beganMs = this.#nowMs;
    try {
      const claim = new BackupClaim({ ...this.#options, engine });
      this.#last = await claim.last(signal);
      if (!this.#isTurn(engine)) return;
      const work = (until: AbortSignal) => this.#make(engine, until);
      if (!(await claim.hold(this.#last, work, signal))) return;
      this.#last = await claim.last(signal);
      this.#succeeded(beganMs);
    } catch (error) {
      if (!signal.aborted) this.#failed(error);
    }
  }

  get #nowMs(): number {
    return this.#options.clock.monotonicMs();
  }

  get #lateMs(): number {
    return this.#dueMs === undefined ? 0 : this.#nowMs - this.#dueMs;
  }

  /** Whether one is due, and this member's to make. */
  #isTurn(engine: BackupEngine): boolean {
    const { clock, intervalMs } = this.#options;
    const { record } = this.#last;
    const ageMs = record && clock.wallMs() - record.atMs;
    // One of the future is of a clock that was wrong: it must not keep the next away for years.
    const isDue = ageMs === undefined || ageMs >= intervalMs || ageMs < -intervalMs;
    if (!isDue) {
      this.#dueMs = undefined;
      this.#waitingSinceMs = undefined;
      return false;
    }
    this.#dueMs ??= this.#nowMs - Math.max(0, (ageMs ?? 0) - intervalMs);
    this.#waitingSinceMs ??= this.#nowMs;
    if (this.#nowMs < this.#notBeforeMs) return false;
    const { role, ready } = engine.status();
    if (!ready) return false;
    const graceMs = Math.min(graceMsMax, intervalMs / 4);
    return role !== 'leader' || this.#nowMs - this.#waitingSinceMs >= graceMs;
  }

  async #make(engine: BackupEngine, signal: AbortSignal): Promise<ClaimedBackup> {
    const { directory, name } = this.#options;
    await directory.prepare(engine.status().bytes);
    const backup = await engine.backups.open({ actor: `member:${name}`, signal }, signal);
    try {
      return this.#claimed(backup, await directory.keep(backup, signal));
    } finally {
      await backup.close();
    }
  }

  /** Older ones go only when the cluster knows of this one, and that is still to be trusted. */
  #claimed(backup: OpenBackup, { file, summary }: KeptBackup): ClaimedBackup {
    const { directory, name, log } = this.#options;
    const { revision, createdAtMs, clusterId } = summary.head;
    const { bytes } = summary;
    return {
      record: { atMs: createdAtMs, member: name, file, revision, bytes },
      onRecorded: async () => {
        backup.requireSound();
        log.info({ file, revision, bytes }, 'a scheduled backup was made, and read back');
        await directory.retain(clusterId);
      },
      onRefused: async (error) => {
        // One that may be the cluster's last stays, if it is as good as it was.
        if (!mayStand(error) || !isSound(backup)) await directory.drop(file);
      },
    };
  }

  #succeeded(beganMs: number): void {
    this.#durationMs = this.#nowMs - beganMs;
    this.#failuresInARow = 0;
    this.#failure = undefined;
    this.#dueMs = undefined;
    this.#waitingSinceMs = undefined;
  }

  #failed(error: unknown): void {
    const { log, intervalMs } = this.#options;
    this.#failures += 1;
    this.#failure = messageOf(error);
    const waitMs = Math.min(retryMsMin, intervalMs / 4) * 2 ** Math.min(this.#failuresInARow, 20);
    this.#failuresInARow += 1;
    this.#notBeforeMs = this.#nowMs + Math.min(waitMs, intervalMs);
    const code = error instanceof HoldfastError ? error.code : 'internal';
    log.warn({ code, reason: this.#failure }, 'a scheduled backup failed; it is tried again');
  }
}

/** Whether what failed so may have been done all the same. */
const mayStand = (error: unknown): boolean =>
  !isHoldfastError(error) || error.outcome !== 'not-applied';

function isSound(backup: OpenBackup): boolean {
  try {
    backup.requireSound();
    return true;
  } catch {
    return false; // That it is not is an answer here, not a failure.
  }
}
