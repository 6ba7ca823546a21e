// Records the members of a world as production does, on disks in memory that no fault touches and
// no time passes on: a run with a recording is the same run.
import type { MemberId } from '@holdfast/base/ids';
import { Recorder } from '@holdfast/engine/recorder';
import type { Disk } from '@holdfast/storage/disk';
import { MemoryDisk } from '@holdfast/storage/memory-disk';
import type { VirtualClock } from './virtual-clock.ts';

export class WorldRecordings {
  readonly #segmentBytes: number;
  readonly #segmentsKept: number;
  readonly #disks = new Map<MemberId, MemoryDisk>();
  readonly #recorders: Recorder[] = [];
  readonly problems: unknown[] = [];

  constructor(options: { readonly segmentBytes: number; readonly segmentsKept: number }) {
    this.#segmentBytes = options.segmentBytes;
    this.#segmentsKept = options.segmentsKept;
  }

  /** For one boot of a member; whoever ends the boot closes it. */
  newRecorder(id: MemberId, clock: VirtualClock): Recorder {
    const disk = this.#disks.get(id) ?? new MemoryDisk();
    this.#disks.set(id, disk);
    const recorder = new Recorder({
      disk,
      clock,
      version: 'simulated',
      segmentBytes: this.#segmentBytes,
      segmentsKept: this.#segmentsKept,
      onProblem: (what, error) => this.problems.push(error ?? what),
    });
    this.#recorders.push(recorder);
    return recorder;
  }

  /** The disk of each member that lived, with its recording. */
  async close(): Promise<ReadonlyMap<MemberId, Disk>> {
    for (const recorder of this.#recorders) await recorder.close();
    return this.#disks;
  }
}
