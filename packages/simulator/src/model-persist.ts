// The disk's queue of one boot of a core-only member, as a model: one operation at a time, the
// status before the entries (safety.md 4), an installed snapshot in its turn. Owns what waits for
// the disk.
import { assert } from '@holdfast/base/assert';
import { index } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { LogId } from '@holdfast/raft/entry';
import type { Input } from '@holdfast/raft/input';
import type { HardState, Ready } from '@holdfast/raft/ready';
import type { DiskMood } from './member-disk.ts';
import type { ModelSnapshot, ModelStorage } from './model-storage.ts';
import type { VirtualClock } from './virtual-clock.ts';

export type ModelPersistOptions = {
  readonly storage: ModelStorage;
  readonly clock: VirtualClock;
  readonly random: Random;
  /** An operation ended: the input that says so. */
  readonly onDone: (input: Input) => void;
  readonly onInstalled: (snapshot: ModelSnapshot) => void;
  readonly onStatusSaved: () => void;
};

type StatusOrder = { readonly sequence: number; readonly state: HardState };

export class ModelPersist {
  readonly #options: ModelPersistOptions;
  #mood: DiskMood = 'fine';
  #isBusy = false;
  #stalled: (() => void) | undefined;
  #status: StatusOrder | undefined;
  #install: ModelSnapshot | undefined;
  #committed = index(0);

  constructor(options: ModelPersistOptions) {
    this.#options = options;
  }

  setMood(mood: DiskMood): void {
    this.#mood = mood;
    if (mood === 'stuck') return;
    const stalled = this.#stalled;
    this.#stalled = undefined;
    stalled?.();
  }

  /** What a Ready wants to be durable; its entries were accepted by the storage before. */
  take(ready: Ready, received: ModelSnapshot | undefined): void {
    if (ready.status) this.#status = ready.status;
    if (ready.install) {
      const isReceived = received?.last.index === ready.install.last.index;
      assert(isReceived, 'an installed snapshot was received');
      this.#install = received;
    }
    if (ready.committed) this.#committed = index(ready.committed.hi - 1);
    this.#beginNext();
  }

  #beginNext(): void {
    if (this.#isBusy) return;
    const operation = this.#nextOperation();
    if (!operation) return;
    this.#isBusy = true;
    const { clock, onDone } = this.#options;
    const finish = (): void => {
      const input = operation();
      this.#isBusy = false;
      onDone(input);
      this.#beginNext();
    };
    clock.schedule(this.#latencyMs(), () => {
      if (this.#mood === 'stuck') this.#stalled = () => clock.post(0, finish);
      else finish();
    });
  }

  #nextOperation(): (() => Input) | undefined {
    if (this.#status) return this.#saveStatus(this.#status);
    if (this.#install) return this.#switchTo(this.#install);
    return this.#options.storage.hasUnsynced ? this.#syncLog() : undefined;
  }

  #saveStatus({ sequence, state }: StatusOrder): () => Input {
    const { storage, onStatusSaved } = this.#options;
    this.#status = undefined;
    return () => {
      storage.saveStatus(state);
      onStatusSaved();
      return { type: 'persisted', statusSequence: sequence };
    };
  }

  #switchTo(snapshot: ModelSnapshot): () => Input {
    this.#install = undefined;
    return () => {
      this.#options.storage.install(snapshot);
      this.#options.onInstalled(snapshot);
      return { type: 'snapshot-installed', last: snapshot.last };
    };
  }

  #syncLog(): () => Input {
    const { storage } = this.#options;
    const hint = index(Math.min(this.#committed, storage.last.index));
    const { count, end } = storage.submit(hint);
    const persisted = (log: LogId): Input => ({ type: 'persisted', log });
    return () => {
      storage.synced(count);
      return persisted(end);
    };
  }

  #latencyMs(): number {
    const { random } = this.#options;
    const usualMs = 0.1 + 2 * random.fraction();
    return this.#mood === 'slow' || this.#mood === 'stuck'
      ? usualMs + 400 * random.fraction()
      : usualMs;
  }
}
