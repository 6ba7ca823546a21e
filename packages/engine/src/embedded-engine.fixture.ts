// For tests: whole members, each an EmbeddedEngine over a MemoryDisk, on one clock that the test
// moves and one network in memory. A member can be killed and come back on its disk, or on a wiped
// one.
import { toText, utf8 } from '@holdfast/base/bytes';
import type { Clock, Timer } from '@holdfast/base/clock';
import { clusterId, type MemberId, memberId, type StoreId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { putRequest, rangeRequest } from '@holdfast/domain/requests';
import { newConfiguration } from '@holdfast/raft/configuration';
import { MemoryPeers } from '@holdfast/replica/memory-peers';
import type { ReplicaEvent } from '@holdfast/replica/replica-options';
import { MemoryDisk, type MemoryDiskOptions } from '@holdfast/storage/memory-disk';
import { afterEach, expect } from 'vitest';
import { openDataDirectory } from './data-directory.ts';
import { EmbeddedEngine } from './embedded-engine.ts';
import type { EmbeddedEngineOptions } from './embedded-engine-options.ts';
import type { Answer, ReadOptions, WatchItem, WatchStream } from './engine.ts';
import type { IntegrityEvent } from './integrity-status.ts';

export const idOf = (number: number): MemberId => memberId(BigInt(number));
export const actor = { actor: 'test' };
export const keysOf = (key: string, rangeEnd = '') => ({
  keyspace: 1,
  key: utf8(key),
  rangeEnd: utf8(rangeEnd),
});

export type TestEngineOptions = Partial<
  Pick<
    EmbeddedEngineOptions,
    | 'raftSettings'
    | 'replicaSettings'
    | 'compactionSettings'
    | 'integritySettings'
    | 'backupSettings'
    | 'scrubSettings'
    | 'quotaBytes'
  >
> & { readonly disk?: MemoryDiskOptions; readonly segmentBytes?: number };

/** One machine: a disk, and the members that lived on it. */
export class TestMachine {
  readonly number: number;
  readonly id: MemberId;
  readonly fatal: unknown[] = [];
  readonly events: ReplicaEvent[] = [];
  readonly integrity: IntegrityEvent[] = [];
  disk: MemoryDisk;
  storeId: StoreId | undefined;
  readonly #world: EngineWorld;
  #engine: EmbeddedEngine | undefined;
  #clock: MortalClock | undefined;
  #disconnect: () => Promise<void> = () => Promise.resolve();

  constructor(world: EngineWorld, number: number) {
    this.#world = world;
    this.number = number;
    this.id = idOf(number);
    this.disk = new MemoryDisk(world.options.disk);
  }

  get engine(): EmbeddedEngine {
    if (!this.#engine) throw new Error(`n${this.number} does not run`);
    return this.#engine;
  }

  get isAlive(): boolean {
    return this.#engine !== undefined;
  }

  /** Starts it and lets time go on until it has started. */
  async start(): Promise<void> {
    await this.#world.settle(this.boot());
  }

  async boot(): Promise<void> {
    const { peers, clock: worldClock, options, size } = this.#world;
    const clock = new MortalClock(worldClock);
    const members = Array.from({ length: size }, (_, at) => at + 1);
    const {
      identity,
      isNew: _,
      ...stores
    } = await openDataDirectory({
      disk: this.disk.attach(),
      random: new SeededRandom(this.#world.nextSeed()),
      clusterId: clusterId(1n),
      memberId: this.id,
      name: `n${this.number}`,
      segmentBytes: options.segmentBytes ?? 256 * 1024,
    });
    const transport = peers.transport(this.id, identity.bootEpoch);
    this.storeId = identity.storeId;
    this.#clock = clock;
    this.#disconnect = () => transport.close();
    const engine = new EmbeddedEngine({
      ...options,
      ...stores,
      identity,
      name: `n${this.number}`,
      version: '0',
      peerAddresses: [`h${this.number}:1`],
      clientAddresses: [`h${this.number}:2`],
      initialMembers: members.map((one) => ({
        memberId: idOf(one),
        name: `n${one}`,
        peerAddress: `h${one}:1`,
      })),
      bootstrap: newConfiguration({ voters: members.map(idOf) }),
      clock,
      random: new SeededRandom(this.#world.nextSeed()),
      nextTurn: (action) => void clock.schedule(0, action),
      transport,
      raftSettings: { idleCommitMs: 0, ...options.raftSettings },
      onFatal: (error) => {
        // What a killed process would have told, nobody hears.
        if (this.#engine === engine) this.fatal.push(error);
      },
      onEvent: (event) => this.events.push(event),
      onIntegrity: (event) => this.integrity.push(event),
    });
    this.#engine = engine;
    await engine.start();
  }

  /** `kill -9`: what was written is still in the page cache, nobody says goodbye. */
  async kill(): Promise<void> {
    this.#clock?.stop();
    this.disk.processCrash();
    await this.#disconnect();
    this.#engine = undefined;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** The directory is empty, as after a lost disk. */
  async wipe(): Promise<void> {
    await this.kill();
    this.disk = new MemoryDisk(this.#world.options.disk);
  }

  async close(): Promise<void> {
    await this.#engine?.close();
    this.#engine = undefined;
  }

  put(key: string, value: string, signal?: AbortSignal): ReturnType<EmbeddedEngine['put']> {
    const request = putRequest(keysOf(key), utf8(value));
    return this.engine.put(request, signal ? { ...actor, signal } : actor);
  }

  async get(key: string, options: Partial<ReadOptions> = {}): Promise<Answer<string | undefined>> {
    const request = rangeRequest(keysOf(key));
    const { header, body } = await this.engine.range(request, { ...actor, ...options });
    return { header, body: body.kvs[0] && toText(body.kvs[0].value) };
  }
}

export class EngineWorld {
  readonly clock = new ManualClock();
  readonly peers = new MemoryPeers({ clock: this.clock, latencyMs: 1 });
  readonly size: number;
  readonly options: TestEngineOptions;
  readonly machines: readonly TestMachine[];
  #seed: number;

  constructor(size: number, options: TestEngineOptions = {}, seed = 1) {
    this.size = size;
    this.options = options;
    this.#seed = seed * 1000;
    this.machines = Array.from({ length: size }, (_, at) => new TestMachine(this, at + 1));
  }

  nextSeed(): number {
    this.#seed += 1;
    return this.#seed;
  }

  async start(): Promise<void> {
    await this.settle(Promise.all(this.machines.map((machine) => machine.boot())));
    await this.until(() => this.living.every(({ engine }) => engine.status().ready));
    // Every member has told where it lives.
    await this.until(() => this.leader.engine.store.members().length === this.size);
  }

  get living(): readonly TestMachine[] {
    return this.machines.filter(({ isAlive }) => isAlive);
  }

  get maybeLeader(): TestMachine | undefined {
    return this.living.find(({ engine }) => engine.replica.isLeader);
  }

  get leader(): TestMachine {
    const leader = this.maybeLeader;
    if (!leader) throw new Error('there is no leader');
    return leader;
  }

  get followers(): readonly TestMachine[] {
    return this.living.filter((machine) => machine !== this.leader);
  }

  async until(test: () => boolean, withinMs = 20_000): Promise<void> {
    const endMs = this.clock.monotonicMs() + withinMs;
    while (!test()) {
      if (this.clock.monotonicMs() >= endMs) {
        throw new Error(`not within ${withinMs} ms: ${test.toString()}`);
      }
      await this.clock.advanceAsync(1);
    }
  }

  /** Moves time on until the promise has ended, and answers how. */
  async settle<T>(promise: Promise<T>, withinMs = 20_000): Promise<T> {
    let isOver = false;
    const over = (): void => {
      isOver = true;
    };
    promise.then(over, over);
    await this.until(() => isOver, withinMs);
    return await promise;
  }

  isolate(machine: TestMachine): void {
    for (const other of this.machines) {
      if (other !== machine) this.peers.cut(machine.id, other.id);
    }
  }

  rejoin(machine: TestMachine): void {
    for (const other of this.machines) {
      if (other !== machine) this.peers.heal(machine.id, other.id);
    }
  }

  /** All living members hold the same state, to the last bit. */
  async converge(): Promise<void> {
    await this.until(() => {
      const states = this.living.map(({ engine }) => engine.store.describe());
      return new Set(states).size === 1;
    });
  }

  async close(): Promise<number> {
    await this.settle(Promise.all(this.machines.map((machine) => machine.close())));
    await this.clock.advanceAsync(1);
    return this.clock.pendingCount;
  }
}

/** Collects a watch's items until it ends. */
export class Watched {
  readonly items: WatchItem[] = [];
  error: unknown;
  isOver = false;

  constructor(stream: WatchStream) {
    this.#collect(stream).catch((error: unknown) => {
      this.error = error;
      this.isOver = true;
    });
  }

  /** Values of the puts that were seen, in order. */
  get values(): readonly string[] {
    return this.items.flatMap((item) =>
      item.type === 'events' ? item.events.map(({ kv }) => toText(kv.value)) : [],
    );
  }

  async #collect(stream: WatchStream): Promise<void> {
    for await (const item of stream) this.items.push(item);
    this.isOver = true;
  }
}

/** The world's time as one process sees it, until it dies. */
class MortalClock implements Clock {
  readonly #inner: Clock;
  readonly #startMs: number;
  readonly #timers = new Set<Timer>();
  #isStopped = false;

  constructor(inner: Clock) {
    this.#inner = inner;
    this.#startMs = inner.monotonicMs();
  }

  /** Begins anew with each process, as the real one does. */
  monotonicMs(): number {
    return this.#inner.monotonicMs() - this.#startMs;
  }

  wallMs(): number {
    return this.#inner.wallMs();
  }

  schedule(delayMs: number, action: () => void): Timer {
    if (this.#isStopped) return { cancel: () => undefined };
    const timer = this.#inner.schedule(delayMs, () => {
      this.#timers.delete(timer);
      action();
    });
    this.#timers.add(timer);
    return {
      cancel: () => {
        this.#timers.delete(timer);
        timer.cancel();
      },
    };
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
  }
}

/** The worlds of one test file: each is closed after its test, and has ended nothing by itself. */
export class EngineWorlds {
  readonly #worlds: EngineWorld[] = [];

  make(size: number, options: TestEngineOptions = {}): EngineWorld {
    const world = new EngineWorld(size, options);
    this.#worlds.push(world);
    return world;
  }

  async started(size: number, options: TestEngineOptions = {}): Promise<EngineWorld> {
    const world = this.make(size, options);
    await world.start();
    return world;
  }

  /** What the closed worlds have left behind: timers, and the failures that ended members. */
  async close(): Promise<{ readonly timers: number; readonly fatal: readonly unknown[] }> {
    let timers = 0;
    const fatal: unknown[] = [];
    for (const world of this.#worlds.splice(0)) {
      timers += await world.close();
      for (const machine of world.machines) fatal.push(...machine.fatal);
    }
    return { timers, fatal };
  }
}

/** Of a file's tests, none of which may leave a timer behind, or a member that ended by itself. */
export function cleanWorlds(): EngineWorlds {
  const worlds = new EngineWorlds();
  afterEach(async () => {
    expect(await worlds.close()).toEqual({ timers: 0, fatal: [] });
  });
  return worlds;
}
