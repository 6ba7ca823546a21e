// The mark beside the log: how far it was synced, and a hint of what was committed (safety.md 2).
// It is written after each sync and itself synced only when a segment rolls and at a clean stop, so
// after a power loss it may be old, but never ahead of the log.
import { crc32 } from '@holdfast/base/crc32';
import { index, term } from '@holdfast/base/ids';
import type { ChainedId } from '@holdfast/raft/entry';
import { getCounter, isZero, putCounter, viewOf } from './byte-codec.ts';
import type { Disk, DiskFile } from './disk.ts';
import { createWhole, openIfThere, readTwice } from './file-steps.ts';
import type { LogPosition } from './log-group.ts';
import { sectorBytes } from './sector.ts';
import { checkVersion } from './twin-file.ts';

export type DurableMark = {
  readonly end: LogPosition;
  /** The last synced entry. */
  readonly last: ChainedId;
  readonly commitHint: number;
  /** Written at a clean stop: nothing was written to the log after it. */
  readonly clean: boolean;
};

//  0 u32 crc of 4 to 72   4 u32 magic   8 u32 format version   12 u32 chain   16 u64 mark sequence
// 24 u64 segment   32 u64 offset   40 u64 index   48 u64 term   56 u64 commit hint
// 64 u64 1 if it was written at a clean stop, else 0
const slotBytes = 72;
const slotCount = 2;
const magic = 0x4b524d48; // "HMRK"
const version = 1;

export class DurableMarkFile {
  readonly #disk: Disk;
  readonly #path: string;
  readonly #slot = new Uint8Array(slotBytes);
  readonly #view = viewOf(this.#slot);
  #file: DiskFile | undefined;
  #sequence = 0;
  #slotsBad = 0;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  /** Slots that open() found written and unreadable: a write that broke off, or rot. */
  get slotsBad(): number {
    return this.#slotsBad;
  }

  /** The newest readable mark; undefined if there is none. A lost mark is no damage to the log. */
  async open(): Promise<DurableMark | undefined> {
    this.#file = await openIfThere(this.#disk, this.#path);
    if (!this.#file) {
      this.#file = await createWhole(this.#disk, this.#path, async (file) => {
        file.writeNow(0, new Uint8Array(slotCount * sectorBytes));
      });
      return undefined;
    }
    const file = this.#file;
    return readTwice(async () => this.#newest(await file.read(0, slotCount * sectorBytes)));
  }

  #newest(bytes: Uint8Array): DurableMark | undefined {
    let best: DurableMark | undefined;
    this.#slotsBad = 0;
    for (let slot = 0; slot < slotCount; slot += 1) {
      const written = bytes.subarray(slot * sectorBytes, slot * sectorBytes + slotBytes);
      const found = decodeSlot(written);
      if (!found && !isZero(written)) this.#slotsBad += 1;
      if (!found || found.sequence < this.#sequence) continue;
      this.#sequence = found.sequence;
      best = found.mark;
    }
    return best;
  }

  /** Into the page cache, over the older of the two slots. */
  writeNow(mark: DurableMark): void {
    this.#sequence += 1;
    const view = this.#view;
    view.setUint32(4, magic, true);
    view.setUint32(8, version, true);
    view.setUint32(12, mark.last.chain, true);
    putCounter(view, 16, this.#sequence);
    putCounter(view, 24, mark.end.segment);
    putCounter(view, 32, mark.end.offset);
    putCounter(view, 40, mark.last.id.index);
    putCounter(view, 48, mark.last.id.term);
    putCounter(view, 56, mark.commitHint);
    putCounter(view, 64, mark.clean ? 1 : 0);
    view.setUint32(0, crc32(this.#slot.subarray(4)), true);
    this.#file?.writeNow((this.#sequence % slotCount) * sectorBytes, this.#slot);
  }

  async sync(): Promise<void> {
    await this.#file?.sync();
  }

  async close(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }
}

function decodeSlot(
  bytes: Uint8Array,
): { readonly sequence: number; readonly mark: DurableMark } | undefined {
  if (bytes.length < slotBytes) return undefined;
  const view = viewOf(bytes);
  if (view.getUint32(4, true) !== magic) return undefined;
  if (crc32(bytes.subarray(4, slotBytes)) !== view.getUint32(0, true)) return undefined;
  checkVersion('mark of the log', view.getUint32(8, true), version);
  const id = { index: index(getCounter(view, 40)), term: term(getCounter(view, 48)) };
  return {
    sequence: getCounter(view, 16),
    mark: {
      end: { segment: getCounter(view, 24), offset: getCounter(view, 32) },
      last: { id, chain: view.getUint32(12, true) },
      commitHint: getCounter(view, 56),
      clean: getCounter(view, 64) === 1,
    },
  };
}
