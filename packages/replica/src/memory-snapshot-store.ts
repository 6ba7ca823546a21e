// The memory twin of the snapshot store: images as lists of chunks. One can be made to rot.
import { HoldfastError } from '@holdfast/base/errors';
import { type LogId, sameLogId } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type { SnapshotStore, SnapshotWriter, StoredSnapshot } from './ports.ts';

type Kept = { readonly snapshot: StoredSnapshot; readonly chunks: readonly Uint8Array[] };

export class MemorySnapshotStore implements SnapshotStore {
  #kept: readonly Kept[] = [];
  readonly #rotten: LogId[] = [];

  /** From now on this one reads as corrupt; the next open() does not show it any more. */
  rot(last: LogId): void {
    this.#rotten.push(last);
  }

  async open(): Promise<readonly StoredSnapshot[]> {
    return this.#list();
  }

  async create(meta: SnapshotMeta, stateHash: bigint): Promise<SnapshotWriter> {
    const chunks: Uint8Array[] = [];
    return {
      write: async (bytes) => void chunks.push(bytes.slice()),
      commit: async () => {
        const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0);
        const { last, configuration } = meta;
        this.#add({ snapshot: { last, configuration, bytes, stateHash }, chunks });
      },
      abort: async () => undefined,
    };
  }

  async *read(snapshot: StoredSnapshot): AsyncGenerator<Uint8Array> {
    const kept = this.#kept.find((one) => sameLogId(one.snapshot.last, snapshot.last));
    if (!kept) throw new HoldfastError('unavailable', 'there is no such snapshot');
    if (this.#rotten.some((last) => sameLogId(last, snapshot.last))) {
      this.#kept = this.#kept.filter((one) => one !== kept);
      throw new HoldfastError('corrupt', 'the snapshot is damaged');
    }
    yield* kept.chunks;
  }

  async retain(keep: number): Promise<readonly StoredSnapshot[]> {
    this.#kept = this.#kept.slice(0, keep);
    return this.#list();
  }

  async close(): Promise<void> {}

  #list(): readonly StoredSnapshot[] {
    return this.#kept.map(({ snapshot }) => snapshot);
  }

  #add(added: Kept): void {
    const others = this.#kept.filter(
      ({ snapshot }) => !sameLogId(snapshot.last, added.snapshot.last),
    );
    this.#kept = [...others, added].sort((a, b) => b.snapshot.last.index - a.snapshot.last.index);
  }
}
