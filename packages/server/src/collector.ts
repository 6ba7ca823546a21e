// When the collector of this process looks at the whole heap. V8 lets the heap grow by a share of
// itself before it looks again, and counts what lies outside it, too: messages, and the values of
// the state. With a heap of 37 MB it looked after every 8 MB: in a leader of 17,000 puts a second
// four times in one, for a quarter of its time; and it looked after every 17 MB of a state that was
// loaded (docs/recovery.md, docs/benchmarks.md). Next to nothing was found. So a small heap may
// grow by more than its share; a large one is left to V8's own rule.
import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import type { Clock, Timer } from '@holdfast/base/clock';

/** What the heap and what is counted with it may grow by between two runs, about. */
const stepBytes = 128 * 1024 * 1024;
/** More than that is never asked for: a small heap grows while a large state is loaded. */
const percentMax = 1000;
/** Large heaps are left to V8's own rule, which lets them grow by less. */
const percentMin = 50;
/** V8's own rule. */
const unset = 0;
/** In which a heap does not grow by much more than a step, even under load. */
const lookMs = 1000;
/** Smaller changes of the share are not worth telling. */
const worthTelling = 0.1;

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
  #percent = unset;
  #look: Timer | undefined;

  constructor(port: CollectorPort = thisProcess) {
    this.#port = port;
  }

  /** From now on until the answered function is called. */
  follow(clock: Clock): () => void {
    const look = (): void => {
      // What a load has begun with holds until it ends: it grows the heap, and soon stops.
      if (this.#loads === 0) this.#tell(this.#percentNow());
      this.#look = clock.schedule(lookMs, look);
    };
    look();
    return () => {
      this.#look?.cancel();
      this.#look = undefined;
      this.#tell(unset);
    };
  }

  /** Runs a load, and the collector seldom until it ends; loads may overlap. */
  async seldomWhile<T>(load: () => Promise<T>): Promise<T> {
    if (this.#loads === 0) this.#tell(this.#percentNow());
    this.#loads += 1;
    try {
      return await load();
    } finally {
      this.#loads -= 1;
      if (this.#loads === 0) this.#tell(this.#look ? this.#percentNow() : unset);
    }
  }

  #percentNow(): number {
    const percent = Math.ceil((100 * stepBytes) / this.#port.heapBytes());
    return percent < percentMin ? unset : Math.min(percent, percentMax);
  }

  #tell(percent: number): void {
    const change = Math.abs(percent - this.#percent);
    if (change === 0 || (percent !== unset && change < worthTelling * this.#percent)) return;
    this.#percent = percent;
    this.#port.setFlag(growing(percent));
  }
}

export const collector = new Collector();

/** Read by V8 at the end of each full run, when it sets the limit for the next one. */
export const growing = (percent: number): string => `--heap-growing-percent=${percent}`;
