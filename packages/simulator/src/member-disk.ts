// One member's disk through all of its boots: the memory twin of the disk, whose operations take
// simulated time, end in the member's own process, and fail as its mood says. Owns the mood, and
// whether anything that this disk did may end a member.
import type { Clock, Timer } from '@holdfast/base/clock';
import { pick, type Random } from '@holdfast/base/random';
import type { Disk } from '@holdfast/storage/disk';
import { type DiskFault, type DiskOperation, MemoryDisk } from '@holdfast/storage/memory-disk';
import { type RotPlace, rotBit } from './disk-rot.ts';
import type { VirtualClock } from './virtual-clock.ts';

/**
 * `slow`: a sync takes 10 to 500 ms; `crawling`: 0.3 to 1.5 s. `stuck`: nothing ends meanwhile.
 * `failing`: a tenth of all operations says EIO, and a sync that does so drops the pages. `full`:
 * files grow no more. `misreading`: a tenth of all reads brings the bytes of another place.
 */
export type DiskMood = 'fine' | 'slow' | 'crawling' | 'stuck' | 'failing' | 'full' | 'misreading';

/** What an operation in which the process dies still does: a part of a write. */
type Doom = { operations: number; readonly onDeath: () => void };

const troubleShare = 0.1;

export class MemberDisk {
  readonly #random: Random;
  readonly #onSyncFailed: (path: string) => void;
  #disk: MemoryDisk;
  #clock: VirtualClock | undefined;
  #mood: DiskMood = 'fine';
  #stalled: (() => void)[] = [];
  #doom: Doom | undefined;
  #hasTroubled = false;
  readonly #struck = new Set<RotPlace | 'identity'>();

  constructor(random: Random, onSyncFailed: (path: string) => void) {
    this.#random = random;
    this.#onSyncFailed = onSyncFailed;
    this.#disk = this.#newDisk();
  }

  /** Whether this disk has refused or spoiled anything yet: a member may then end by itself. */
  get hasTroubled(): boolean {
    return this.#hasTroubled;
  }

  /** The disk as a new boot, which lives by `clock`, sees it. */
  attach(clock: VirtualClock): Disk {
    this.#clock = clock;
    this.#stalled = [];
    return this.#disk.attach();
  }

  /** What a reader would see of a file. */
  contents(path: string): Uint8Array {
    return this.#disk.contents(path);
  }

  crash(how: 'process' | 'power'): void {
    this.#doom = undefined;
    if (how === 'process') this.#disk.processCrash();
    else this.#disk.powerLoss(this.#random);
  }

  /** The process dies in the middle of the operation that is so many further. */
  crashIn(operations: number, onDeath: () => void): void {
    this.#doom = { operations, onDeath };
  }

  spare(): void {
    this.#doom = undefined;
  }

  setMood(mood: DiskMood): void {
    this.#mood = mood;
    const room = this.#random.integer(0, 4096);
    this.#disk.setCapacity(mood === 'full' ? this.#disk.usedBytes + room : undefined);
    if (mood === 'stuck') return;
    const stalled = this.#stalled;
    this.#stalled = [];
    for (const end of stalled) this.#clock?.post(0, end);
  }

  /** One bit turns somewhere, up or down; answers where, or undefined on an empty disk. */
  rot(place?: RotPlace): string | undefined {
    const where = rotBit(this.#disk, this.#random, { chosen: place, struck: this.#struck });
    if (where) this.#hasTroubled = true;
    return where;
  }

  /** Another disk, new and empty. */
  replace(): void {
    this.#hasTroubled = true;
    this.#struck.clear();
    this.#disk = this.#newDisk();
  }

  #newDisk(): MemoryDisk {
    const clock: Clock = {
      monotonicMs: () => this.#clock?.monotonicMs() ?? 0,
      wallMs: () => this.#clock?.wallMs() ?? 0,
      schedule: (delayMs, action) => this.#schedule(delayMs, action),
    };
    return new MemoryDisk({
      clock,
      latencyMs: (operation) => this.#latencyMs(operation),
      inject: (operation) => this.#faultOf(operation),
      afterCrash: 'hang',
    });
  }

  #schedule(delayMs: number, action: () => void): Timer {
    const clock = this.#clock;
    if (!clock) return { cancel: () => undefined };
    return clock.schedule(delayMs, () => {
      if (this.#mood === 'stuck') this.#stalled.push(action);
      else action();
    });
  }

  #latencyMs({ kind }: DiskOperation): number {
    const chance = this.#random.fraction();
    const isSync = kind === 'sync' || kind === 'sync-directory';
    if (this.#mood === 'slow') return isSync ? 10 + 490 * chance : 30 * chance;
    if (this.#mood === 'crawling') return isSync ? 300 + 1200 * chance : 50 * chance;
    return isSync ? 0.1 + 1.5 * chance : 0.02;
  }

  #faultOf(operation: DiskOperation): DiskFault | undefined {
    if (this.#isDoomed()) return { kind: 'crash', writtenBytes: this.#random.integer(0, 65_536) };
    if (this.#mood === 'full') this.#hasTroubled = true;
    if (this.#mood !== 'failing' && this.#mood !== 'misreading') return undefined;
    if (this.#random.fraction() >= troubleShare) return undefined;
    const fault = this.#troubleIn(operation);
    if (fault) this.#hasTroubled = true;
    if (fault && operation.kind === 'sync') this.#onSyncFailed(operation.path);
    return fault;
  }

  #isDoomed(): boolean {
    const doom = this.#doom;
    if (!doom) return false;
    doom.operations -= 1;
    if (doom.operations > 0) return false;
    this.#doom = undefined;
    doom.onDeath();
    return true;
  }

  #troubleIn({ kind }: DiskOperation): DiskFault | undefined {
    if (this.#mood === 'misreading') {
      const byBytes = 512 * this.#random.integer(-8, 9);
      return kind === 'read' && byBytes !== 0 ? { kind: 'misdirect', byBytes } : undefined;
    }
    if (kind === 'sync') return pick(this.#random, [{ kind: 'drop-pages' }, eio]);
    if (kind === 'write') return { ...eio, writtenBytes: this.#random.integer(0, 8192) };
    return eio;
  }
}

const eio = { kind: 'error', code: 'EIO' } as const;
