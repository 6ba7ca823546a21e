// Clients that watch: each follows a range through whatever member will have it, and goes on at
// another one, behind the last revision that it was given. Some read slowly, and some stay away for
// so long that history is compacted under them.
import { utf8 } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { type MemberId, revision } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { ProvenUser } from '@holdfast/domain/subject';
import type { Engine, WatchItem, WatchRequest, WatchStream } from '@holdfast/engine/engine';
import type { ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import type { EventHistory } from './judges/event-history.ts';
import { judgeWatchAtomicity } from './judges/watch-atomicity.ts';
import { judgeWatchCompaction } from './judges/watch-compaction.ts';
import { judgeWatchCompleteness } from './judges/watch-completeness.ts';
import { judgeWatchOrder } from './judges/watch-order.ts';
import { judgeWatchProgress } from './judges/watch-progress.ts';
import { type WatchedItem, WatchRecord } from './judges/watch-record.ts';
import { keyspace } from './key-requests.ts';
import { textOf } from './new-events.ts';

export type WatchersOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly members: ReadonlyMap<MemberId, ClusterMember>;
  readonly count: number;
  readonly keys: number;
  /** Who they are proven to be. */
  readonly subject: () => ProvenUser | undefined;
  readonly onFailure: (error: unknown) => void;
};

type Watcher = {
  readonly record: WatchRecord;
  /** Undefined: all keys. */
  readonly key: string | undefined;
  /** Between two items that it takes, at most. */
  readonly readPauseMs: number;
  /** How long it stays away between two connections, at most. */
  readonly awayMs: number;
  stream: WatchStream | undefined;
};

type Server = { readonly member: ClusterMember; readonly engine: Engine };

/** A connection is given up after so long, on average. */
const connectionMs = 4000;

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #watchers: readonly Watcher[];
  readonly #closers = new Map<ClusterMember, Set<() => void>>();
  #compactions = 0;
  #isOver = false;

  constructor(options: WatchersOptions) {
    this.#options = options;
    this.#watchers = Array.from({ length: options.count }, (_, at) => this.#newWatcher(at));
  }

  start(): void {
    for (const watcher of this.#watchers) {
      this.#live(watcher).catch(this.#options.onFailure);
    }
  }

  /** Nothing is slow and nobody stays away from now on: what is owed arrives. */
  hurry(): void {
    this.#isOver = true;
  }

  /** Whether every watcher has heard of everything through `revision`. */
  reach(revision: number): boolean {
    return this.#watchers.every(({ record }) => record.through >= revision);
  }

  memberDown(member: ClusterMember): void {
    const closers = [...(this.#closers.get(member) ?? [])];
    this.#closers.delete(member);
    for (const close of closers) close();
  }

  get counters(): Readonly<Record<string, number>> {
    const sum = (count: (record: WatchRecord) => number): number =>
      this.#watchers.reduce((total, { record }) => total + count(record), 0);
    return {
      watchedItems: sum((record) => record.itemCount),
      watchConnections: sum((record) => record.connections.length),
      watchCompactions: this.#compactions,
    };
  }

  /** Throws unless every watcher was given all that happened to its range, as it was promised. */
  judge(history: EventHistory): void {
    for (const { record } of this.#watchers) {
      judgeWatchOrder(record);
      judgeWatchAtomicity(record, history);
      judgeWatchProgress(record, history);
      judgeWatchCompaction(record, history);
      judgeWatchCompleteness(record, history, true);
    }
  }

  #newWatcher(at: number): Watcher {
    const { random, keys } = this.#options;
    const key = at % 2 === 0 ? undefined : `k${random.integer(0, keys)}`;
    return {
      key,
      record: new WatchRecord(`w${at}`, 1, (event) => key === undefined || event.key === key),
      readPauseMs: pick(random, [0, 0, 400]),
      awayMs: pick(random, [100, 100, 8000]),
      stream: undefined,
    };
  }

  /** One connection after another, for ever. */
  async #live(watcher: Watcher): Promise<void> {
    const { random, members } = this.#options;
    for (;;) {
      const { awayMs } = watcher;
      await this.#pause(10 + (this.#isOver ? 50 : awayMs) * random.fraction());
      const member = pick(random, [...members.values()]);
      const { engine } = member;
      if (engine) await this.#follow(watcher, { member, engine });
    }
  }

  /** Ends when the stream does, the member does, or the watcher has had enough. */
  async #follow(watcher: Watcher, server: Server): Promise<void> {
    const { member } = server;
    const closers = this.#closers.get(member) ?? new Set();
    this.#closers.set(member, closers);
    await new Promise<void>((resolve) => {
      let isOpen = true;
      const end = (): void => {
        isOpen = false;
        timer.cancel();
        closers.delete(end);
        resolve();
      };
      const timer = this.#options.queue.after(this.#patienceMs(), () => {
        watcher.stream?.close();
        end();
      });
      closers.add(end);
      this.#read(watcher, server, () => isOpen)
        .then(end)
        .catch(this.#options.onFailure);
    });
    watcher.stream = undefined;
  }

  #patienceMs(): number {
    return this.#isOver
      ? Number.MAX_SAFE_INTEGER
      : 2 * connectionMs * this.#options.random.fraction();
  }

  async #read(watcher: Watcher, { engine }: Server, isOpen: () => boolean): Promise<void> {
    const { record } = watcher;
    const connection = record.connect();
    const request = this.#request(watcher, connection.from);
    try {
      const stream = await engine.watch(request, {
        actor: 'watcher',
        subject: this.#options.subject(),
      });
      if (isOpen()) watcher.stream = stream;
      for await (const item of stream) {
        if (!isOpen()) return;
        record.given(toWatched(item));
        await this.#readSlowly(watcher);
        if (!isOpen()) return;
      }
    } catch (error) {
      if (!isOpen()) return;
      if (!isHoldfastError(error)) throw error;
      if (error.code !== 'compacted') return; // The member stops: another one goes on.
      this.#compactions += 1;
      record.toldCompacted(Number(error.details.compactRevision));
    }
  }

  async #readSlowly({ readPauseMs }: Watcher): Promise<void> {
    if (readPauseMs === 0 || this.#isOver) return;
    await this.#pause(readPauseMs * this.#options.random.fraction());
  }

  #request({ key }: Watcher, from: number): WatchRequest {
    return {
      keyspace,
      key: utf8(key ?? ''),
      rangeEnd: key === undefined ? new Uint8Array([0]) : new Uint8Array(0),
      startRevision: revision(from),
      progressMs: 200,
    };
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.#options.queue.after(delayMs, resolve));
  }
}

const toWatched = (item: WatchItem): WatchedItem =>
  item.type === 'progress' ? item : { ...item, events: item.events.map(textOf) };
