// The memory twin of the status store. It keeps what was saved; it can have lost both copies.
import type { StatusRecovery, StatusStore, StoredStatus } from './ports.ts';

export type MemoryStatusStoreOptions = {
  /** Runs before a save takes effect; what it throws is the save's failure. */
  readonly beforeSave?: (status: StoredStatus) => Promise<void> | void;
};

export class MemoryStatusStore implements StatusStore {
  readonly #options: MemoryStatusStoreOptions;
  #status: StoredStatus | undefined;
  #isLost = false;

  constructor(options: MemoryStatusStoreOptions = {}) {
    this.#options = options;
  }

  /** What the next open() would find. */
  get saved(): StoredStatus | undefined {
    return this.#status;
  }

  /** Both copies become unreadable (safety.md 4). */
  lose(): void {
    this.#status = undefined;
    this.#isLost = true;
  }

  async open(): Promise<StatusRecovery> {
    return { status: this.#status, lost: this.#isLost, copiesBad: this.#isLost ? 2 : 0 };
  }

  async save(status: StoredStatus): Promise<void> {
    await this.#options.beforeSave?.(status);
    this.#status = status;
    this.#isLost = false;
  }

  async close(): Promise<void> {}
}
