// Takes the bytes of a backup in as they come, from a socket or a file, and believes nothing: each
// piece is held against its checksum before its data is given out, and the whole at the end. What
// is wrong is said with its place in the file. It holds one block, and reads and writes nothing.
import { equalBytes } from '@holdfast/base/bytes';
import { crc32, joinCrc32 } from '@holdfast/base/crc32';
import { HoldfastError } from '@holdfast/base/errors';
import {
  type BackupHead,
  backupHeaderBytes,
  backupPrefixBytes,
  decodeBackupHeader,
  isBackupPrefix,
  isSealed,
} from './backup-format.ts';
import { BackupSeal } from './backup-seal.ts';
import { viewOf } from './byte-codec.ts';
import { findWrongBytes } from './one-wrong-byte.ts';
import {
  beginsFooter,
  blockDataBytes,
  blockHeaderBytes,
  blockStrideBytes,
  decodeSnapshotFooter,
  footerBytes,
  openBlock,
} from './snapshot-format.ts';

/** What a whole backup holds. */
export type BackupSummary = {
  readonly head: BackupHead;
  /** Of the file. */
  readonly bytes: number;
  readonly imageBytes: number;
  /** CRC-32 of the image, which is the same however it was stored. */
  readonly imageCrc: number;
  readonly blocks: number;
};

/** More of them say nothing. */
const namedMax = 5;

type Part = 'prefix' | 'header' | 'block-header' | 'block' | 'footer' | 'seal' | 'end';

const partNames: Readonly<Record<Part, string>> = {
  prefix: 'header',
  header: 'header',
  'block-header': 'next block',
  block: 'block',
  footer: 'footer',
  seal: 'seal',
  end: 'end',
};

export class BackupReader {
  /** The part that is being gathered, from its first byte on. */
  readonly #bytes = new Uint8Array(blockStrideBytes);
  #filled = 0;
  /** Bytes of the part that are needed to go on. */
  #needed = backupPrefixBytes;
  #part: Part = 'prefix';
  /** Of the file: where the part begins. */
  #partAt = 0;
  #head: BackupHead | undefined;
  #headerCrc = 0;
  /** Of a sealed one, from its first byte on. */
  #seal: BackupSeal | undefined;
  #blocks = 0;
  #imageBytes = 0;
  #imageCrc = 0;
  #isLastBlock = false;

  /** Undefined until the header has come. */
  get head(): BackupHead | undefined {
    return this.#head;
  }

  /** Bytes that were taken in. */
  get offset(): number {
    return this.#partAt + this.#filled;
  }

  /**
   * The pieces of the image that are whole now. Each is overwritten once the next one is asked for,
   * and all must be asked for. Throws `corrupt` with the place, `version-mismatch` for a newer
   * format, `invalid-argument` for what is no backup at all.
   */
  *take(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
    for (let at = 0; at < bytes.length; ) {
      if (this.#part === 'end') throw this.#damaged('bytes follow its end');
      const count = Math.min(bytes.length - at, this.#needed - this.#filled);
      this.#bytes.set(bytes.subarray(at, at + count), this.#filled);
      this.#filled += count;
      at += count;
      if (this.#filled < this.#needed) continue;
      const data = this.#gathered();
      if (data) yield data;
    }
  }

  /** All bytes have come. Throws `corrupt` if that is not the whole file. */
  finish(): BackupSummary {
    if (this.#part === 'prefix') throw notOne();
    if (this.#part !== 'end' || !this.#head) {
      const where = `it ends after ${this.offset} bytes, in front of or within its`;
      throw this.#damaged(`${where} ${this.#partName}: it was cut short`);
    }
    return {
      head: this.#head,
      bytes: this.#partAt,
      imageBytes: this.#imageBytes,
      imageCrc: this.#imageCrc,
      blocks: this.#blocks,
    };
  }

  /** The bytes that were needed are there: what they are, and what comes next. */
  #gathered(): Uint8Array | undefined {
    const bytes = this.#bytes.subarray(0, this.#filled);
    switch (this.#part) {
      case 'prefix':
        return this.#openPrefix(bytes);
      case 'header':
        return this.#openHeader(bytes);
      case 'block-header':
        return this.#openBlockHeader(bytes);
      case 'block':
        return this.#openBlock(bytes);
      case 'seal':
        return this.#openSeal(bytes);
      default:
        return this.#openFooter(bytes);
    }
  }

  #openPrefix(bytes: Uint8Array): undefined {
    if (!isBackupPrefix(bytes)) throw notOne();
    const needed = backupHeaderBytes(bytes);
    if (needed === undefined) throw this.#damaged('its header has an impossible length');
    this.#part = 'header';
    this.#needed = needed;
    if (needed === this.#filled) this.#openHeader(bytes);
  }

  #openHeader(bytes: Uint8Array): undefined {
    this.#head = decodeBackupHeader(bytes);
    if (!this.#head) throw this.#badSum('its header');
    this.#headerCrc = viewOf(bytes).getUint32(0, true);
    if (isSealed(bytes)) this.#seal = new BackupSeal();
    this.#goOn('block-header', blockHeaderBytes);
  }

  #openBlockHeader(bytes: Uint8Array): undefined {
    if (beginsFooter(bytes)) {
      this.#part = 'footer';
      this.#needed = footerBytes;
      return;
    }
    const length = viewOf(bytes).getUint32(4, true);
    if (length === 0 || length > blockDataBytes || this.#isLastBlock) {
      throw this.#damaged(`the header of block ${this.#blocks} is damaged`);
    }
    this.#part = 'block';
    this.#needed = blockHeaderBytes + length;
  }

  #openBlock(bytes: Uint8Array): Uint8Array {
    const block = openBlock(bytes, this.#blocks);
    if (!block) throw this.#badSum(`block ${this.#blocks}`);
    const { data } = block;
    this.#imageCrc = joinCrc32(this.#imageCrc, block.checksum, data.length);
    this.#imageBytes += data.length;
    this.#blocks += 1;
    // Only the last one may be shorter.
    this.#isLastBlock = data.length < blockDataBytes;
    this.#goOn('block-header', blockHeaderBytes);
    return data;
  }

  #openFooter(bytes: Uint8Array): undefined {
    const footer = decodeSnapshotFooter(bytes);
    if (!footer) throw this.#badSum('its footer');
    if (footer.headerCrc !== this.#headerCrc) {
      throw this.#damaged('its header and its footer are of two different backups');
    }
    if (footer.blocks !== this.#blocks || footer.imageBytes !== this.#imageBytes) {
      const what = `${this.#blocks} blocks stand where ${footer.blocks} were written`;
      throw this.#damaged(what);
    }
    if (footer.imageCrc !== this.#imageCrc) {
      throw this.#damaged('each block is whole, and all of them are not what was written');
    }
    this.#goOn('end', 0);
    if (!this.#seal) return;
    this.#part = 'seal';
    this.#needed = this.#seal.length;
  }

  #openSeal(bytes: Uint8Array): undefined {
    if (!equalBytes(bytes, (this.#seal as BackupSeal).take())) {
      throw this.#damaged('its seal does not fit what stands before it');
    }
    this.#seal = undefined;
    this.#goOn('end', 0);
  }

  #goOn(part: Part, needed: number): void {
    this.#seal?.add(this.#bytes.subarray(0, this.#filled));
    this.#partAt += this.#filled;
    this.#filled = 0;
    this.#part = part;
    this.#needed = needed;
  }

  #badSum(what: string): HoldfastError {
    const bytes = this.#bytes.subarray(0, this.#filled);
    const lo = this.#partAt;
    const place = `${what} (bytes ${lo} to ${lo + bytes.length - 1}) does not fit its checksum`;
    const wrong = wrongBytesOf(bytes).map((at) => lo + at);
    if (wrong.length === 0) return this.#damaged(place);
    const which = wrong.slice(0, namedMax).join(' or ');
    return this.#damaged(`${place}: if one byte is wrong, it is byte ${which}`);
  }

  get #partName(): string {
    const name = partNames[this.#part];
    return this.#part.startsWith('block') ? `${name} (number ${this.#blocks})` : name;
  }

  #damaged(what: string): HoldfastError {
    const details = { offset: this.#partAt, block: this.#blocks };
    return new HoldfastError('corrupt', `the backup is damaged: ${what}`, { details });
  }
}

const notOne = (): HoldfastError =>
  new HoldfastError(
    'invalid-argument',
    'this is no backup of Holdfast, or its first bytes are damaged: it does not begin as one does',
  );

/** Of a part that begins with the checksum of the rest: what is wrong, if it is a single byte. */
function wrongBytesOf(bytes: Uint8Array): readonly number[] {
  const rest = bytes.subarray(4);
  const stored = viewOf(bytes).getUint32(0, true);
  const difference = (stored ^ crc32(rest)) >>> 0;
  const ofSum = [0, 1, 2, 3].filter((at) => (difference & ~(0xff << (at * 8))) === 0);
  return [...ofSum, ...findWrongBytes(rest, stored).map(({ offset }) => 4 + offset)];
}

/** A backup whose head is known, and the image that is still to come. */
export type OpenedBackup = {
  readonly head: BackupHead;
  /** Once; each piece is overwritten when the next is asked for. Throws as BackupReader does. */
  readonly image: AsyncIterable<Uint8Array>;
  /** Undefined until the image was read to its end. */
  readonly summary: () => BackupSummary | undefined;
};

/** Reads as far as the first block. Throws as BackupReader does. */
export async function openBackup(pieces: AsyncIterable<Uint8Array>): Promise<OpenedBackup> {
  const reader = new BackupReader();
  let summary: BackupSummary | undefined;
  async function* all(): AsyncGenerator<Uint8Array, void, undefined> {
    for await (const piece of pieces) yield* reader.take(piece);
    summary = reader.finish();
  }
  const image = all();
  const first = await image.next();
  const { head } = reader;
  if (first.done || !head) throw new HoldfastError('corrupt', 'the backup holds no state');
  async function* again(): AsyncGenerator<Uint8Array, void, undefined> {
    yield first.value as Uint8Array;
    yield* image;
  }
  return { head, image: again(), summary: () => summary };
}
