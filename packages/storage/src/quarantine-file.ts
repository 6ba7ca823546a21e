// Why this member does not trust its own state, beside the data, so that no restart forgets it
// (safety.md 10): a snapshot of the state that is in doubt may be all that the next start finds.
import { type Index, index } from '@holdfast/base/ids';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import type { Disk } from './disk.ts';
import { TwinFile } from './twin-file.ts';

export type Quarantine = {
  /** The check that named this member. */
  readonly checkIndex: Index;
  /** What it had there, and what a majority had: rolling hash and content. */
  readonly own: StateHashes;
  readonly sound: StateHashes;
  readonly partsDiffering: number;
  /** Wall time, for people. */
  readonly sinceMs: number;
  /** Its state came from a peer since, and waits for a check that finds it equal. */
  readonly isReplaced: boolean;
  /** An operator has said that this state may be overwritten, however much differs. */
  readonly mayOverwrite: boolean;
};

/** What a member knows of its own state. */
export type StateTrust = {
  /** Undefined: it is not in doubt. */
  readonly quarantine: Quarantine | undefined;
  /** It came from another member, and no comparison has found it equal to a majority since. */
  readonly isUnproven: boolean;
};

export type StateHashes = { readonly stateHash: bigint; readonly contentHash: bigint };

const magic = 0x41555148; // "HQUA"
const version = 1;
//  0 u8 flags   8 u64 check   16 f64 since   24 u32 parts   28 u32 zero   32 4 x u64 hashes
const recordBytes = 64;
const hasRecord = 1;
const isReplaced = 2;
const mayOverwrite = 4;
const isUnproven = 8;

export class QuarantineFile {
  readonly #file: TwinFile;

  constructor(disk: Disk, path: string) {
    this.#file = new TwinFile(disk, { path, what: 'quarantine file', magic, version });
  }

  /**
   * Where no copy can be read, doubt is the safe answer: a quarantine at index 0, which the next
   * comparison ends or confirms. Throws `version-mismatch`.
   */
  async open(): Promise<StateTrust> {
    const { payload, exists } = await this.#file.open();
    if (!exists) return { quarantine: undefined, isUnproven: false };
    if (payload?.length !== recordBytes) return { quarantine: unreadable, isUnproven: true };
    return decode(payload);
  }

  /** Durable when resolved. */
  async save(trust: StateTrust): Promise<void> {
    await this.#file.save(encode(trust));
  }

  /** As TwinFile.scrub. */
  scrub(): Promise<boolean> {
    return this.#file.scrub();
  }

  close(): Promise<void> {
    return this.#file.close();
  }
}

const noHashes: StateHashes = { stateHash: 0n, contentHash: 0n };

const unreadable: Quarantine = {
  checkIndex: index(0),
  own: noHashes,
  sound: noHashes,
  partsDiffering: 0,
  sinceMs: 0,
  isReplaced: false,
  mayOverwrite: false,
};

function encode({ quarantine, ...trust }: StateTrust): Uint8Array {
  const bytes = new Uint8Array(recordBytes);
  const view = viewOf(bytes);
  const unproven = trust.isUnproven ? isUnproven : 0;
  view.setUint8(0, unproven);
  if (!quarantine) return bytes;
  const { own, sound } = quarantine;
  const replaced = quarantine.isReplaced ? isReplaced : 0;
  const overwrite = quarantine.mayOverwrite ? mayOverwrite : 0;
  view.setUint8(0, hasRecord | replaced | overwrite | unproven);
  putCounter(view, 8, quarantine.checkIndex);
  view.setFloat64(16, quarantine.sinceMs, true);
  view.setUint32(24, quarantine.partsDiffering, true);
  const hashes = [own.stateHash, own.contentHash, sound.stateHash, sound.contentHash];
  hashes.forEach((hash, at) => {
    view.setBigUint64(32 + at * 8, hash, true);
  });
  return bytes;
}

function decode(bytes: Uint8Array): StateTrust {
  const flags = viewOf(bytes).getUint8(0);
  return {
    quarantine: (flags & hasRecord) === 0 ? undefined : quarantineIn(bytes),
    isUnproven: (flags & isUnproven) !== 0,
  };
}

function quarantineIn(bytes: Uint8Array): Quarantine {
  const view = viewOf(bytes);
  const flags = view.getUint8(0);
  const hashesAt = (at: number): StateHashes => ({
    stateHash: view.getBigUint64(at, true),
    contentHash: view.getBigUint64(at + 8, true),
  });
  return {
    checkIndex: index(getCounter(view, 8)),
    own: hashesAt(32),
    sound: hashesAt(48),
    partsDiffering: view.getUint32(24, true),
    sinceMs: view.getFloat64(16, true),
    isReplaced: (flags & isReplaced) !== 0,
    mayOverwrite: (flags & mayOverwrite) !== 0,
  };
}
