// The collector of this process while a state is loaded. What a load takes in stays, and lies
// outside the JavaScript heap, but counts for the limit at which the collector runs, which is a
// part of that heap: with one of 20 MB it ran after every 17 MB, sixty times in an install of 348
// MB, found nothing, and took a third of two cores (docs/recovery.md). So the limit is raised for
// as long as a load runs.
import { getHeapStatistics, setFlagsFromString } from 'node:v8';

/** What the heap and what is counted with it may grow by between two runs, about. */
const stepBytes = 128 * 1024 * 1024;
/** More than that is never asked for: a small heap grows while a large state is loaded. */
const percentMax = 1000;
/** Large heaps are left to V8's own rule, which lets them grow by less. */
const percentMin = 50;

/** V8, as far as it is needed here. */
export type CollectorPort = {
  readonly setFlag: (flag: string) => void;
  /** Bytes of the JavaScript heap in use. */
  readonly heapBytes: () => number;
};

const thisProcess: CollectorPort = {
  setFlag: setFlagsFromString,
  heapBytes: () => getHeapStatistics().used_heap_size,
};

export class Collector {
  readonly #port: CollectorPort;
  #loads = 0;

  constructor(port: CollectorPort = thisProcess) {
    this.#port = port;
  }

  /** Runs a load, and the collector seldom until it ends; loads may overlap. */
  async seldomWhile<T>(load: () => Promise<T>): Promise<T> {
    if (this.#loads === 0) this.#grow();
    this.#loads += 1;
    try {
      return await load();
    } finally {
      this.#loads -= 1;
      // 0: V8's own rule again.
      if (this.#loads === 0) this.#port.setFlag(growing(0));
    }
  }

  #grow(): void {
    const percent = Math.ceil((100 * stepBytes) / this.#port.heapBytes());
    if (percent >= percentMin) this.#port.setFlag(growing(Math.min(percent, percentMax)));
  }
}

export const collector = new Collector();

/** Read by V8 at the end of each full run, when it sets the limit for the next one. */
export const growing = (percent: number): string => `--heap-growing-percent=${percent}`;
