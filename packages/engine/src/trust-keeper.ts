// The trust of a member in its own state, in memory and on the disk. One that can not be saved
// ends the member, since a restart would forget it; only a full disk is waited for.
import { type Clock, pause } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { Quarantine, StateTrust } from '@holdfast/storage/quarantine-file';
import type { TrustStore } from './integrity-status.ts';

export type TrustKeeperOptions = {
  readonly clock: Clock;
  readonly quarantine: TrustStore;
  /** Its failure is the member's. */
  readonly tasks: TaskGroup;
  readonly onProblem: (what: string, error: unknown) => void;
};

/** Until what found no room on the disk is saved again. */
const saveAgainMs = 1000;

export class TrustKeeper {
  readonly #options: TrustKeeperOptions;
  #trust: StateTrust = { quarantine: undefined, isUnproven: false };
  /** Saves take turns. */
  #saving: Promise<void> = Promise.resolve();

  constructor(options: TrustKeeperOptions) {
    this.#options = options;
  }

  get current(): Quarantine | undefined {
    return this.#trust.quarantine;
  }

  /** The quarantine of a state that waits for another to take its place. */
  get overwritable(): Quarantine | undefined {
    return this.current?.isReplaced ? undefined : this.current;
  }

  get isUnproven(): boolean {
    return this.#trust.isUnproven;
  }

  async open(): Promise<void> {
    this.#trust = await this.#options.quarantine.open();
  }

  async close(): Promise<void> {
    // The member has heard of a failure.
    await this.#saving.catch(() => undefined);
    await this.#options.quarantine.close();
  }

  /** Counts at once; durable when resolved. */
  set(change: Partial<StateTrust>): Promise<void> {
    const trust = { ...this.#trust, ...change };
    this.#trust = trust;
    const saving = this.#saving.then(() => this.#save(trust));
    this.#saving = saving;
    this.#options.tasks.run(() => saving);
    return saving;
  }

  async #save(trust: StateTrust): Promise<void> {
    const { clock, tasks, onProblem } = this.#options;
    let last: unknown;
    for (;;) {
      try {
        return await this.#options.quarantine.save(trust);
      } catch (error) {
        // The very same one again: the file has failed for good, and tries no more.
        if (!isHoldfastError(error, 'disk-full') || error === last) throw error;
        if (last === undefined) onProblem('saving the trust in the state', error);
        last = error;
      }
      await pause(clock, saveAgainMs, tasks.signal);
      if (tasks.signal.aborted) return;
    }
  }
}
