// Turns away a wiped directory under an old member's id (safety.md 15), from the first moment of a
// start on: what the store does not know yet, because its log is still to be replayed, the file
// beside the data does.
import { HoldfastError } from '@holdfast/base/errors';
import { type MemberId, memberId, type StoreId, storeId } from '@holdfast/base/ids';
import type { TaskGroup } from '@holdfast/base/task-group';
import type { Disk } from '@holdfast/storage/disk';
import { type KnownStores, MembersFile } from '@holdfast/storage/members-file';
import type { EmbeddedEngine } from './embedded-engine.ts';

export type StoreGuardOptions = {
  readonly disk: Disk;
  readonly tasks: TaskGroup;
  /** The next start knows less until it has replayed its log; nothing else depends on it. */
  readonly onUnsaved: (error: unknown) => void;
};

export class StoreGuard {
  readonly #file: MembersFile;
  readonly #onUnsaved: (error: unknown) => void;
  readonly #tasks: TaskGroup;
  #known: KnownStores = new Map();
  #opening: Promise<KnownStores> | undefined;
  /** Saves take turns. */
  #saving: Promise<void> = Promise.resolve();

  constructor(options: StoreGuardOptions) {
    this.#file = new MembersFile(options.disk);
    this.#onUnsaved = options.onUnsaved;
    this.#tasks = options.tasks;
  }

  /** Before anybody is listened to; a second start in this process knows it all already. */
  async open(): Promise<void> {
    this.#opening ??= this.#file.open();
    const found = await this.#opening;
    this.#known = new Map([...found, ...this.#known]);
  }

  /** Why this directory may not speak for the member; undefined: it may. */
  judge(engine: EmbeddedEngine, id: MemberId, store: bigint): HoldfastError | undefined {
    if (engine.membership.isRemoved(id)) return removed(engine.nameOf(id));
    const known = this.#known.get(id);
    if (engine.membership.acceptsStore(id, store) && (known === undefined || known === store)) {
      return undefined;
    }
    return new HoldfastError(
      'cluster-mismatch',
      `member ${engine.nameOf(id)} was bound to another data directory: one that was wiped can ` +
        'not take its place; remove that member and add it under a new name',
    );
  }

  /** A binding was applied: it is remembered for the next start. */
  remember(engine: EmbeddedEngine): void {
    const known = new Map<MemberId, StoreId>(
      engine.store.members().map((one) => [memberId(one.memberId), storeId(one.storeId)]),
    );
    const isNew = [...known].some(([id, store]) => this.#known.get(id) !== store);
    if (!isNew) return;
    this.#known = new Map([...this.#known, ...known]);
    this.#tasks.run(() => this.#save());
  }

  close(): Promise<void> {
    return this.#saving.then(() => this.#file.close());
  }

  #save(): Promise<void> {
    this.#saving = this.#saving
      .then(() => this.#file.save(this.#known))
      .catch((error: unknown) => this.#onUnsaved(error));
    return this.#saving;
  }
}

const removed = (name: string): HoldfastError =>
  new HoldfastError(
    'removed',
    `member ${name} was removed from the cluster; its data directory is of no more use, and its ` +
      'machine may join again with an empty one',
  );
