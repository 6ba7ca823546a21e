// The doubt of a member about its own state, in memory and on the disk. One that can not be saved
// ends the member, since a restart would forget it; only a full disk is waited for.
import { type Clock, pause } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { Quarantine } from '@holdfast/storage/quarantine-file';
import type { QuarantineStore } from './integrity-status.ts';

export type QuarantineKeeperOptions = {
  readonly clock: Clock;
  readonly quarantine: QuarantineStore;
  /** Its failure is the member's. */
  readonly tasks: TaskGroup;
  readonly onProblem: (what: string, error: unknown) => void;
};

/** Until what found no room on the disk is saved again. */
const saveAgainMs = 1000;

export class QuarantineKeeper {
  readonly #options: QuarantineKeeperOptions;
  #current: Quarantine | undefined;
  /** Saves take turns. */
  #saving: Promise<void> = Promise.resolve();

  constructor(options: QuarantineKeeperOptions) {
    this.#options = options;
  }

  get current(): Quarantine | undefined {
    return this.#current;
  }

  async open(): Promise<void> {
    this.#current = await this.#options.quarantine.open();
  }

  async close(): Promise<void> {
    // The member has heard of a failure.
    await this.#saving.catch(() => undefined);
    await this.#options.quarantine.close();
  }

  /** Counts at once; durable when resolved. */
  set(quarantine: Quarantine | undefined): Promise<void> {
    this.#current = quarantine;
    const saving = this.#saving.then(() => this.#save(quarantine));
    this.#saving = saving;
    this.#options.tasks.run(() => saving);
    return saving;
  }

  async #save(quarantine: Quarantine | undefined): Promise<void> {
    const { clock, tasks, onProblem } = this.#options;
    let last: unknown;
    for (;;) {
      try {
        return await this.#options.quarantine.save(quarantine);
      } catch (error) {
        // The very same one again: the file has failed for good, and tries no more.
        if (!isHoldfastError(error, 'disk-full') || error === last) throw error;
        if (last === undefined) onProblem('saving the quarantine', error);
        last = error;
      }
      await pause(clock, saveAgainMs, tasks.signal);
      if (tasks.signal.aborted) return;
    }
  }
}
