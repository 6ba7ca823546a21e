// Remembers that rot was found, from before the repair of the files until the member has had the
// time to save `repairing` in its status. Without it a crash between the two would leave a log that
// looks healthy and is too short (safety.md 3, 5).
import { toText, utf8 } from '@holdfast/base/bytes';
import { index } from '@holdfast/base/ids';
import { getCounter, putCounter, viewOf } from './byte-codec.ts';
import type { Disk } from './disk.ts';
import { parentOf, removeIfThere } from './file-steps.ts';
import type { LogRot } from './log-store.ts';
import { getGoal, goalBytes, putGoal } from './repair-goal.ts';
import { TwinFile } from './twin-file.ts';

const magic = 0x544f5248; // "HROT"
const version = 2;
//  0 u64 first missing index   8 u8 1 if a goal follows   9 goal, or zeros   reason (UTF-8)
const fixedBytes = 9 + goalBytes;
const reasonBytesMax = 1024;

export class RotNote {
  readonly #disk: Disk;
  readonly #path: string;
  #found: LogRot | undefined;

  constructor(disk: Disk, path: string) {
    this.#disk = disk;
    this.#path = path;
  }

  get found(): LogRot | undefined {
    return this.#found;
  }

  /** A note that cannot be read still says the one thing that matters. */
  async open(): Promise<LogRot | undefined> {
    const file = this.#twin();
    const { payload, exists } = await file.open();
    await file.close();
    this.#found = payload ? decodeNote(payload) : exists ? unreadable : undefined;
    return this.#found;
  }

  /** Durable when resolved. The first reason stays: later ones come from the repair itself. */
  async save(rot: LogRot): Promise<LogRot> {
    if (this.#found) return this.#found;
    const file = this.#twin();
    await file.save(encodeNote(rot));
    await file.close();
    this.#found = rot;
    return rot;
  }

  async clear(): Promise<void> {
    if (!this.#found) return;
    await removeIfThere(this.#disk, this.#path);
    await this.#disk.syncDirectory(parentOf(this.#path));
    this.#found = undefined;
  }

  #twin(): TwinFile {
    return new TwinFile(this.#disk, { path: this.#path, what: 'note about rot', magic, version });
  }
}

const unreadable: LogRot = {
  from: index(1),
  reason: 'rot was found before, and the note about it cannot be read',
  goal: undefined,
};

function encodeNote(rot: LogRot): Uint8Array {
  const reason = utf8(rot.reason).subarray(0, reasonBytesMax);
  const bytes = new Uint8Array(fixedBytes + reason.length);
  const view = viewOf(bytes);
  putCounter(view, 0, rot.from);
  view.setUint8(8, rot.goal ? 1 : 0);
  if (rot.goal) putGoal(view, 9, rot.goal);
  bytes.set(reason, fixedBytes);
  return bytes;
}

function decodeNote(bytes: Uint8Array): LogRot {
  if (bytes.length < fixedBytes) return unreadable;
  const view = viewOf(bytes);
  return {
    from: index(getCounter(view, 0)),
    goal: view.getUint8(8) === 1 ? getGoal(view, 9) : undefined,
    reason: toText(bytes.subarray(fixedBytes)),
  };
}
