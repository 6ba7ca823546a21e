// Which data directory every member is known to live in (safety.md 15), beside the data: a member
// that starts has not replayed the bindings yet, and knows from here whom to turn away. A copy of
// replicated state, so losing it costs nothing but those first moments.
import { type MemberId, memberId, type StoreId, storeId } from '@holdfast/base/ids';
import { viewOf } from './byte-codec.ts';
import type { Disk } from './disk.ts';
import { TwinFile, twinPayloadBytesMax } from './twin-file.ts';

export type KnownStores = ReadonlyMap<MemberId, StoreId>;

const magic = 0x4d454d48; // "HMEM"
const version = 1;
//  0 u64 member id   8 u64 store id, for each
const rowBytes = 16;
const rowsMax = Math.floor(twinPayloadBytesMax / rowBytes);

export class MembersFile {
  readonly #file: TwinFile;

  constructor(disk: Disk, path = 'members') {
    this.#file = new TwinFile(disk, { path, what: 'list of members', magic, version });
  }

  /** Empty where there is none, or none that can be read. Throws `version-mismatch`. */
  async open(): Promise<KnownStores> {
    const { payload } = await this.#file.open();
    const known = new Map<MemberId, StoreId>();
    if (!payload) return known;
    const view = viewOf(payload);
    for (let at = 0; at + rowBytes <= payload.length; at += rowBytes) {
      const id = memberId(view.getBigUint64(at, true));
      known.set(id, storeId(view.getBigUint64(at + 8, true)));
    }
    return known;
  }

  /** Durable when resolved; of very many members the first ones. */
  async save(known: KnownStores): Promise<void> {
    const rows = [...known].slice(0, rowsMax);
    const bytes = new Uint8Array(rows.length * rowBytes);
    const view = viewOf(bytes);
    for (const [at, [id, store]] of rows.entries()) {
      view.setBigUint64(at * rowBytes, id, true);
      view.setBigUint64(at * rowBytes + 8, store, true);
    }
    await this.#file.save(bytes);
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}
