// Makes things durable, one at a time and in the order that safety.md asks for: status before log
// (a term is synced before its first entry), everything that was accepted meanwhile in one sync,
// and snapshot installs alone. There is no timer: a batch is what arrived while the last sync ran.
// A full disk only puts entries and installs off: the status needs no room, and votes must go on
// (safety.md 9).
import type { Clock, Timer } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { Index } from '@holdfast/base/ids';
import type { LogId } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type { HardState } from '@holdfast/raft/ready';
import type { LogStore, SpaceReserve, StatusStore } from './ports.ts';
import type { ReplicaSettings } from './settings.ts';

export type PersistOptions = {
  readonly clock: Clock;
  readonly log: LogStore;
  readonly status: StatusStore;
  readonly commitIndex: () => Index;
  readonly onStatus: (sequence: number) => void;
  readonly onLog: (persisted: LogId) => void;
  readonly install: (snapshot: SnapshotMeta) => Promise<void>;
  /** Given up when the disk is full, before anything is put off. */
  readonly reserve?: SpaceReserve | undefined;
  /** The disk is full: nothing was lost, nothing more can be written for now. */
  readonly onDiskFull: () => void;
  readonly settings: Pick<ReplicaSettings, 'diskRetryMs'>;
};

type StatusSave = { readonly sequence: number; readonly state: HardState };

export class PersistLoop {
  readonly #options: PersistOptions;
  #status: StatusSave | undefined;
  #install: SnapshotMeta | undefined;
  #hasEntries = false;
  #wake: (() => void) | undefined;
  /** Runs while the disk is full. */
  #retry: Timer | undefined;
  #isDiskFull = false;
  /** Counts all that was begun, and all that has ended. */
  #begun = 0;
  #ended = 0;
  #isClosed = false;
  #syncs = 0;
  #entriesSynced = 0;

  constructor(options: PersistOptions) {
    this.#options = options;
  }

  /** Syncs of the log, and entries that they covered: their ratio is the batch size. */
  get counters(): { readonly syncs: number; readonly entries: number } {
    return { syncs: this.#syncs, entries: this.#entriesSynced };
  }

  /**
   * Which save or sync is under way, by a number of its own; undefined: none. An install, which is
   * long by its nature, is not told.
   */
  get writing(): number | undefined {
    return this.#begun > this.#ended ? this.#begun : undefined;
  }

  saveStatus(save: StatusSave): void {
    this.#status = save;
    this.#wakeUp();
  }

  /** Entries were accepted by the log store. */
  syncLog(): void {
    this.#hasEntries = true;
    this.#wakeUp();
  }

  installSnapshot(snapshot: SnapshotMeta): void {
    this.#install = snapshot;
    this.#wakeUp();
  }

  /** Runs until close(); what was asked for before it is still done, where there is room. Rejects
   * if the disk fails. */
  async run(): Promise<void> {
    for (;;) {
      if (this.#status) await this.#saveStatus(this.#status);
      else if (this.#install && !this.#retry) await this.#installNow(this.#install);
      else if (this.#hasEntries && !this.#retry) await this.#syncNow();
      else if (this.#isClosed) return;
      else await new Promise<void>((resolve) => this.#sleepUntil(resolve));
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#retry?.cancel();
    this.#wakeUp();
  }

  async #saveStatus(save: StatusSave): Promise<void> {
    this.#status = undefined;
    await this.#timed(() => this.#options.status.save({ state: save.state, installing: false }));
    this.#options.onStatus(save.sequence);
  }

  async #installNow(snapshot: SnapshotMeta): Promise<void> {
    this.#install = undefined;
    this.#hasEntries = false;
    try {
      await this.#options.install(snapshot);
      this.#isDiskFull = false;
    } catch (error) {
      await this.#waitForRoom(error);
      this.#install = snapshot;
    }
  }

  async #syncNow(): Promise<void> {
    this.#hasEntries = false;
    const { log } = this.#options;
    const before = log.marks.persisted.index;
    try {
      const persisted = await this.#timed(() => log.sync(this.#options.commitIndex()));
      this.#isDiskFull = false;
      this.#syncs += 1;
      this.#entriesSynced += Math.max(0, persisted.index - before);
      this.#options.onLog(persisted);
    } catch (error) {
      await this.#waitForRoom(error);
      this.#hasEntries = true;
    }
  }

  /** Throws what is no full disk: that one ends the member. */
  async #waitForRoom(error: unknown): Promise<void> {
    if (!isHoldfastError(error, 'disk-full')) throw error;
    if (await this.#options.reserve?.giveUp()) return;
    this.#isDiskFull = true;
    const { clock, settings, onDiskFull } = this.#options;
    this.#retry = clock.schedule(settings.diskRetryMs, () => {
      this.#retry = undefined;
      this.#wakeUp();
    });
    if (this.#isClosed) this.#retry.cancel();
    else onDiskFull();
  }

  async #timed<T>(write: () => Promise<T>): Promise<T> {
    this.#begun += 1;
    try {
      return await write();
    } finally {
      this.#ended = this.#begun;
    }
  }

  /** The last try to sync found no room. */
  get isDiskFull(): boolean {
    return this.#isDiskFull;
  }

  #sleepUntil(resolve: () => void): void {
    this.#wake = resolve;
  }

  #wakeUp(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
