// A small value in two copies with one sequence number (safety.md 4): a save writes and syncs copy
// 1, then copy 2, and is done after both, so that one bad copy is harmless. The file appears whole,
// with its first value. Used for status, identity, the log's base and the note about rot.
import { assert } from '@holdfast/base/assert';
import { crc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import type { Disk, DiskFile } from './disk.ts';
import { toOperatingError } from './disk-error.ts';
import { Exclusive } from './exclusive.ts';
import { createWhole, openIfThere, parentOf, readTwice } from './file-steps.ts';

//  0 u32 crc of the rest, from 4 to the payload's end    4 u32 magic
//  8 u16 format version   10 u16 zero   12 u32 payload length   16 u64 sequence   24 payload
const headerBytes = 24;
/** Copies lie apart, so that no disk's block holds both. */
const copyBytes = 4096;
const copyOffsets = [0, copyBytes] as const;
export const twinPayloadBytesMax = copyBytes - headerBytes;

export type TwinOptions = {
  readonly path: string;
  /** What the file is, for messages: `status file`. */
  readonly what: string;
  readonly magic: number;
  readonly version: number;
};

export type TwinRecovery = {
  /** Undefined: there is no file, or no copy can be read. */
  readonly payload: Uint8Array | undefined;
  readonly exists: boolean;
  readonly copiesBad: number;
};

type Copy = { readonly sequence: number; readonly payload: Uint8Array };

export class TwinFile {
  readonly #disk: Disk;
  readonly #options: TwinOptions;
  #file: DiskFile | undefined;
  #sequence = 0;
  #failure: HoldfastError | undefined;
  /** What both copies hold. */
  #payload: Uint8Array | undefined;
  readonly #exclusive = new Exclusive();

  constructor(disk: Disk, options: TwinOptions) {
    this.#disk = disk;
    this.#options = options;
  }

  /**
   * Reads the newest good copy and makes both copies hold it again, synced by this process
   * (safety.md 1). Throws `version-mismatch` if a newer version wrote it.
   */
  async open(): Promise<TwinRecovery> {
    try {
      this.#file = await openIfThere(this.#disk, this.#options.path);
      if (!this.#file) return { payload: undefined, exists: false, copiesBad: 0 };
      return await this.#recover(this.#file);
    } catch (error) {
      // The failure is the one to tell; another try may follow.
      await this.close().catch(() => undefined);
      throw toOperatingError(error, `opening the ${this.#options.what}`);
    }
  }

  /** Resolves when both copies are synced. After a failure only a new open() may follow. */
  save(payload: Uint8Array): Promise<void> {
    assert(payload.length <= twinPayloadBytesMax, 'a twin file holds a small value');
    return this.#exclusive.run(() => this.#save(payload));
  }

  /**
   * Looks whether both copies still hold what was saved, and writes what does not, the good one
   * last; answers whether there was any. What nobody has opened or saved yet is left alone.
   */
  scrub(): Promise<boolean> {
    return this.#exclusive.run(async () => {
      if (!this.#file || !this.#payload || this.#failure) return false;
      const [file, payload] = [this.#file, this.#payload];
      const bad: number[] = [];
      for (const offset of copyOffsets) {
        const good = await readTwice(async () => this.#ownCopy(await file.read(offset, copyBytes)));
        if (!good) bad.push(offset);
      }
      if (bad.length > 0) await this.#write(file, payload, bad);
      return bad.length > 0;
    });
  }

  async #save(payload: Uint8Array): Promise<void> {
    if (this.#failure) throw this.#failure;
    try {
      this.#sequence += 1;
      if (this.#file) await this.#write(this.#file, payload, copyOffsets);
      else this.#file = await this.#create(payload);
      this.#payload = payload.slice();
    } catch (error) {
      const failure = toOperatingError(error, `saving the ${this.#options.what}`);
      // A file that found no room was taken away again; a half-written one says nothing any more.
      if (this.#file || failure.code !== 'disk-full') this.#failure = failure;
      throw failure;
    }
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #recover(file: DiskFile): Promise<TwinRecovery> {
    const copies: (Copy | undefined)[] = [];
    for (const offset of copyOffsets) {
      copies.push(await readTwice(async () => this.#decode(await file.read(offset, copyBytes))));
    }
    const copiesBad = copies.filter((copy) => !copy).length;
    const best = copies.reduce((a, b) => (!a || (b && b.sequence > a.sequence) ? b : a), undefined);
    if (!best) return { payload: undefined, exists: true, copiesBad };
    this.#sequence = best.sequence;
    this.#payload = best.payload;
    // The other copy first: the only good one is never the one being written.
    const offsets = copies[0] === best ? copyOffsets.toReversed() : copyOffsets;
    await this.#write(file, best.payload, offsets);
    // The name too: the process that made the file may have died before it synced the directory.
    await this.#disk.syncDirectory(parentOf(this.#options.path));
    return { payload: best.payload, exists: true, copiesBad };
  }

  #create(payload: Uint8Array): Promise<DiskFile> {
    return createWhole(this.#disk, this.#options.path, (file) =>
      this.#write(file, payload, copyOffsets),
    );
  }

  async #write(file: DiskFile, payload: Uint8Array, offsets: readonly number[]): Promise<void> {
    const bytes = this.#encode(payload);
    for (const offset of offsets) {
      file.writeNow(offset, bytes);
      await file.sync();
    }
  }

  #encode(payload: Uint8Array): Uint8Array {
    const bytes = new Uint8Array(copyBytes);
    const view = viewOf(bytes);
    view.setUint32(4, this.#options.magic, true);
    view.setUint16(8, this.#options.version, true);
    view.setUint32(12, payload.length, true);
    putCounter(view, 16, this.#sequence);
    bytes.set(payload, headerBytes);
    view.setUint32(0, crc32(bytes.subarray(4, headerBytes + payload.length)), true);
    return bytes;
  }

  /** The copy, if it is of the last save. */
  #ownCopy(bytes: Uint8Array): Copy | undefined {
    const copy = this.#decode(bytes);
    return copy?.sequence === this.#sequence ? copy : undefined;
  }

  #decode(bytes: Uint8Array): Copy | undefined {
    const intact = intactCopy(bytes);
    if (!intact || intact.magic !== this.#options.magic) return undefined;
    checkVersion(this.#options.what, intact.version, this.#options.version);
    return { sequence: intact.sequence, payload: intact.payload };
  }
}

/** One place of a twin file: what save it holds, or undefined if it cannot be read. */
export type TwinCopy = { readonly offset: number; readonly sequence: number | undefined };

/** Both copies as they lie there, whatever the file is: for offline checks. Changes nothing. */
export async function twinCopies(file: DiskFile): Promise<readonly TwinCopy[]> {
  const copies: TwinCopy[] = [];
  for (const offset of copyOffsets) {
    const intact = intactCopy(await file.read(offset, copyBytes));
    copies.push({ offset, sequence: intact?.sequence });
  }
  return copies;
}

function intactCopy(
  bytes: Uint8Array,
): (Copy & { readonly magic: number; readonly version: number }) | undefined {
  if (bytes.length < headerBytes) return undefined;
  const view = viewOf(bytes);
  const length = view.getUint32(12, true);
  if (length > bytes.length - headerBytes) return undefined;
  const end = headerBytes + length;
  if (crc32(bytes.subarray(4, end)) !== view.getUint32(0, true)) return undefined;
  return {
    magic: view.getUint32(4, true),
    version: view.getUint16(8, true),
    sequence: getCounter(view, 16),
    payload: bytes.slice(headerBytes, end),
  };
}

/** Throws `version-mismatch`: a format that this version does not know is never guessed at. */
export function checkVersion(what: string, found: number, known: number): void {
  if (found === known) return;
  throw new HoldfastError(
    'version-mismatch',
    `the ${what} has format ${found}, this version of Holdfast knows ${known}: ` +
      'start the version that wrote it, or a newer one',
    { details: { found, known } },
  );
}
