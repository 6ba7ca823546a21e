// The memory twin of the snapshot store: images as lists of chunks. One can be made to rot.
import { concatBytes } from '@holdfast/base/bytes';
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { formatLogId, type LogId, sameLogId } from '@holdfast/raft/entry';
import type { SnapshotMeta } from '@holdfast/raft/message';
import type {
  ReceivedSnapshotWriter,
  SnapshotStore,
  SnapshotWriter,
  StoredSnapshot,
} from './ports.ts';

type Kept = { readonly snapshot: StoredSnapshot; readonly chunks: readonly Uint8Array[] };

export class MemorySnapshotStore implements SnapshotStore {
  #kept: readonly Kept[] = [];
  readonly #rotten: LogId[] = [];
  /** What has come of a snapshot that is not whole yet. */
  #part: { readonly key: string; chunks: Uint8Array[] } | undefined;

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
        const { last, configuration } = meta;
        const image = concatBytes(...chunks);
        const checksum = crc32(image);
        const snapshot = { last, configuration, bytes: image.length, stateHash, checksum };
        this.#add({ snapshot, chunks });
      },
      abort: async () => undefined,
    };
  }

  async receive(snapshot: StoredSnapshot): Promise<ReceivedSnapshotWriter | undefined> {
    if (this.#kept.some((one) => sameLogId(one.snapshot.last, snapshot.last))) return undefined;
    const key = `${formatLogId(snapshot.last)} ${snapshot.bytes} ${snapshot.checksum}`;
    const chunks = this.#part?.key === key ? this.#part.chunks : [];
    this.#part = { key, chunks };
    return {
      get offset() {
        return concatBytes(...chunks).length;
      },
      write: async (bytes) => void chunks.push(bytes.slice()),
      commit: async () => {
        const image = concatBytes(...chunks);
        this.#part = undefined;
        if (image.length !== snapshot.bytes || crc32(image) !== snapshot.checksum) {
          throw new HoldfastError('corrupt', 'a received snapshot is not the announced one');
        }
        this.#add({ snapshot, chunks });
      },
      abort: async () => {
        this.#part = undefined;
      },
      suspend: async () => undefined,
    };
  }

  /** Overwrites what the reader had, as a store on a disk does. */
  async *read(snapshot: StoredSnapshot, offset = 0): AsyncGenerator<Uint8Array> {
    const kept = this.#kept.find((one) => sameLogId(one.snapshot.last, snapshot.last));
    if (!kept) throw new HoldfastError('unavailable', 'there is no such snapshot');
    if (this.#rotten.some((last) => sameLogId(last, snapshot.last))) {
      this.#kept = this.#kept.filter((one) => one !== kept);
      throw new HoldfastError('corrupt', 'the snapshot is damaged');
    }
    let skip = offset;
    for (const chunk of kept.chunks) {
      const transient = chunk.slice(skip);
      if (transient.length > 0) yield transient;
      transient.fill(0xff);
      skip = Math.max(0, skip - chunk.length);
    }
  }

  async reject(snapshot: StoredSnapshot): Promise<void> {
    this.#kept = this.#kept.filter((one) => !sameLogId(one.snapshot.last, snapshot.last));
  }

  async retain(keep: number, held: readonly LogId[] = []): Promise<readonly StoredSnapshot[]> {
    this.#kept = this.#kept.filter(
      ({ snapshot }, at) => at < keep || held.some((last) => sameLogId(last, snapshot.last)),
    );
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
