// Clients that watch: each follows a range through whatever member will have it, and goes on at
// another one, behind the last revision that it was given, when that member dies.
import { toText, utf8 } from '@holdfast/base/bytes';
import { isHoldfastError } from '@holdfast/base/errors';
import { type MemberId, revision } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { Engine, WatchEvent, WatchItem, WatchRequest } from '@holdfast/engine/engine';
import type { ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import { type EventReference, WatchDelivery } from './judges/watch-delivery.ts';
import { keyspace } from './workload.ts';

export type WatchersOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly members: ReadonlyMap<MemberId, ClusterMember>;
  readonly count: number;
  readonly keys: number;
  readonly onFailure: (error: unknown) => void;
};

/** A key alone, or all of them. */
type WatchedRange = { readonly key: string; readonly isAll: boolean };
type Watcher = { readonly range: WatchedRange; delivery: WatchDelivery; session: number };

/** All that happened to all keys, by revision. */
export type EventLog = ReadonlyMap<number, readonly WatchEvent[]>;

export class Watchers {
  readonly #options: WatchersOptions;
  readonly #watchers: Watcher[];
  readonly #closers = new Map<ClusterMember, Set<() => void>>();
  /** Streams whose history was compacted away before the watcher came back. */
  #restarts = 0;

  constructor(options: WatchersOptions) {
    this.#options = options;
    const { random, keys, count } = options;
    this.#watchers = Array.from({ length: count }, (_, at) => {
      const isAll = at % 2 === 0;
      const range = { key: isAll ? '' : `k${random.integer(0, keys)}`, isAll };
      return { range, delivery: new WatchDelivery(`w${at}`, 1), session: 0 };
    });
  }

  start(): void {
    for (const watcher of this.#watchers) this.#reconnect(watcher);
  }

  memberDown(member: ClusterMember): void {
    const closers = [...(this.#closers.get(member) ?? [])];
    this.#closers.delete(member);
    for (const close of closers) close();
  }

  get counters(): Readonly<Record<string, number>> {
    const items = this.#watchers.reduce((sum, { delivery }) => sum + delivery.itemCount, 0);
    return { watchedItems: items, watchRestarts: this.#restarts };
  }

  /** Throws unless every watcher was given all that happened to its range, once and in order. */
  judge(events: EventLog, within: { readonly first: number; readonly last: number }): void {
    for (const { range, delivery } of this.#watchers) {
      const reference: EventReference = {
        firstRevision: within.first,
        lastRevision: within.last,
        textsOf: (at) => (events.get(at) ?? []).filter((event) => isIn(range, event)).map(textOf),
      };
      delivery.judge(reference, true);
    }
  }

  #reconnect(watcher: Watcher): void {
    watcher.session += 1;
    const { session } = watcher;
    const { queue, random, members, onFailure } = this.#options;
    queue.after(10 + 100 * random.fraction(), () => {
      if (watcher.session !== session) return;
      const member = pick(random, [...members.values()]);
      const { engine } = member;
      if (!engine) this.#reconnect(watcher);
      else this.#follow(watcher, { member, engine }).catch(onFailure);
    });
  }

  async #follow(
    watcher: Watcher,
    { member, engine }: { readonly member: ClusterMember; readonly engine: Engine },
  ): Promise<void> {
    const { session } = watcher;
    const closers = this.#closers.get(member) ?? new Set();
    this.#closers.set(member, closers);
    const onDown = (): void => this.#reconnect(watcher);
    closers.add(onDown);
    try {
      const stream = await engine.watch(this.#request(watcher), { actor: 'watcher' });
      for await (const item of stream) {
        if (watcher.session !== session) return;
        watcher.delivery.observe(toWatched(item));
      }
    } catch (error) {
      if (watcher.session !== session) return;
      if (!isHoldfastError(error)) throw error;
      if (error.code === 'compacted') this.#startAnew(watcher, error.details);
    }
    closers.delete(onDown);
    if (watcher.session === session) this.#reconnect(watcher);
  }

  #request({ range, delivery }: Watcher): WatchRequest {
    return {
      keyspace,
      key: utf8(range.key),
      rangeEnd: range.isAll ? new Uint8Array([0]) : new Uint8Array(0),
      startRevision: revision(delivery.through + 1),
      progressMs: 200,
    };
  }

  /** History is gone (safety.md 22): the watcher is told so, and begins behind it. */
  #startAnew(watcher: Watcher, details: Readonly<Record<string, unknown>>): void {
    this.#restarts += 1;
    watcher.delivery = new WatchDelivery('restarted', Number(details.compactRevision) + 1);
  }
}

function isIn({ key, isAll }: WatchedRange, { kv }: WatchEvent): boolean {
  return isAll || toText(kv.key) === key;
}

const textOf = ({ type, kv }: WatchEvent): string =>
  `${type} ${toText(kv.key)} ${toText(kv.value)} ${kv.modRevision} ${kv.version}`;

const toWatched = (item: WatchItem) =>
  item.type === 'progress' ? item : { ...item, events: item.events.map(textOf) };
