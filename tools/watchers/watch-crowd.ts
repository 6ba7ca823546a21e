// A crowd of watchers on a few keys over many connections, some of which stop reading; at the end
// each watcher's list of events is held against the log.
import { sleep } from '@holdfast/base/clock';
import { SystemClock } from '@holdfast/base/system-clock';

import { type Told, WatchConnection } from './watch-connection.ts';

export type CrowdPlan = {
  readonly endpoints: readonly string[];
  readonly connections: number;
  /** Of each connection. */
  readonly streams: number;
  readonly watchers: number;
  readonly keys: number;
};

/** What became of the writes of a key. */
export type Written = {
  /** At which it was written, in order. */
  readonly revisions: readonly number[];
  /** There may be others: of a write it is not known what became of it. */
  readonly isUnsure: boolean;
};

export type WrittenLog = Readonly<Record<string, Written>>;

/** Of the watchers whose connections are read. */
export type CrowdReport = {
  readonly watchers: number;
  readonly events: number;
  /** Whose list is not the log's: something lacks, is too much or comes in another order. */
  readonly wrong: number;
  /** Whose stream ended, and that are owed nothing more. */
  readonly over: number;
};

const clock = new SystemClock();
/** Connections that are opened at a time. */
const openingMax = 50;

export const keyOf = (number: number): string => `watched/${String(number).padStart(6, '0')}`;

export class WatchCrowd {
  readonly #connections: WatchConnection[] = [];

  private constructor() {}

  static async open(plan: CrowdPlan, withinMs = 60_000): Promise<WatchCrowd> {
    const crowd = new WatchCrowd();
    const giveUpMs = clock.monotonicMs() + withinMs;
    for (let at = 0; at < plan.connections; at += 1) {
      const endpoint = plan.endpoints[at % plan.endpoints.length] as string;
      crowd.#connections.push(await WatchConnection.open(endpoint, streamsOf(plan, at)));
      const opening = crowd.#connections.slice(-openingMax);
      while (!opening[0]?.isOpen && opening.length === openingMax) await breathe(giveUpMs);
    }
    while (!crowd.#connections.every(({ isOpen }) => isOpen)) await breathe(giveUpMs);
    return crowd;
  }

  /** One connection in so many stops reading. Answers how many watchers that is. */
  stopReading(oneIn: number): number {
    const stuck = this.#connections.filter((_, at) => isStuckAt(at, oneIn));
    for (const connection of stuck) connection.stopReading();
    return stuck.reduce((sum, { watchers }) => sum + watchers.length, 0);
  }

  readOn(): void {
    for (const connection of this.#connections) connection.readOn();
  }

  /** Waits until all that are owed something have it, or the time is over. */
  async report(log: WrittenLog, withinMs = 30_000): Promise<CrowdReport> {
    const giveUpMs = clock.monotonicMs() + withinMs;
    while (this.#wrong(log) > 0 && clock.monotonicMs() < giveUpMs) await sleep(clock, 50);
    await sleep(clock, 200); // What comes too much.
    const watchers = this.#live;
    return {
      watchers: watchers.length,
      events: watchers.reduce((sum, { revisions }) => sum + revisions.length, 0),
      wrong: this.#wrong(log),
      over: watchers.filter(({ isOver }) => isOver).length,
    };
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  get #live(): readonly Told[] {
    const read = this.#connections.filter(({ isStuck }) => !isStuck);
    return read.flatMap(({ watchers }) => watchers);
  }

  #wrong(log: WrittenLog): number {
    const owed = this.#live.filter(({ isOver }) => !isOver);
    return owed.filter((told) => !isRight(told, log[told.key])).length;
  }
}

function isRight({ startedAt, revisions }: Told, written: Written | undefined): boolean {
  const owed = (written?.revisions ?? []).filter((revision) => revision > startedAt);
  if (!written?.isUnsure) return isSame(revisions, owed);
  const isAscending = revisions.every((one, at) => at === 0 || one > (revisions[at - 1] as number));
  const known = new Set(owed);
  return (
    isAscending &&
    isSame(
      revisions.filter((one) => known.has(one)),
      owed,
    )
  );
}

const isSame = (some: readonly number[], others: readonly number[]): boolean =>
  some.length === others.length && some.every((one, at) => one === others[at]);

/** Which keys those watch that `stopReading` stops. */
export function stuckKeysOf(plan: CrowdPlan, oneIn: number): readonly string[] {
  const connections = Array.from({ length: plan.connections }, (_, at) => at);
  const stuck = connections.filter((at) => isStuckAt(at, oneIn));
  return [...new Set(stuck.flatMap((at) => streamsOf(plan, at).flat()))];
}

const isStuckAt = (connection: number, oneIn: number): boolean => connection % oneIn === 0;

/** The keys of each stream: neighbours watch different ones, and each key has as many watchers. */
function streamsOf(plan: CrowdPlan, connection: number): readonly (readonly string[])[] {
  const { connections, streams, watchers, keys } = plan;
  const each = Math.floor(watchers / connections / streams);
  return Array.from({ length: streams }, (_, stream) =>
    Array.from({ length: each }, (__, at) =>
      keyOf(((connection * streams + stream) * each + at) % keys),
    ),
  );
}

async function breathe(giveUpMs: number): Promise<void> {
  if (clock.monotonicMs() > giveUpMs) throw new Error('the watchers were not created in time');
  await sleep(clock, 10);
}
