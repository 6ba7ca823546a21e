// For tests: replicas over memory twins on one clock that the test moves. A member can crash, come
// back on what it had synced, be cut off, and tell what it did.
import { toText, utf8 } from '@holdfast/base/bytes';
import type { Clock, Timer } from '@holdfast/base/clock';
import { type Index, index, type MemberId, memberId, term } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { encodeEntryEnvelope } from '@holdfast/proto/entry-envelope';
import { newConfiguration } from '@holdfast/raft/configuration';
import type { Entry } from '@holdfast/raft/entry';
import { defaultRaftSettings } from '@holdfast/raft/settings';
import { MemoryLogStore, type MemoryLogStoreOptions } from './memory-log-store.ts';
import { MemoryPeers } from './memory-peers.ts';
import { MemorySnapshotStore } from './memory-snapshot-store.ts';
import { MemoryStateMachine } from './memory-state-machine.ts';
import { MemoryStatusStore, type MemoryStatusStoreOptions } from './memory-status-store.ts';
import type { PeerTransport } from './ports.ts';
import type { Proposed } from './proposals.ts';
import { Replica } from './replica.ts';
import type { ReplicaEvent } from './replica-options.ts';
import { defaultReplicaSettings, type ReplicaSettings } from './settings.ts';

export const idOf = (number: number): MemberId => memberId(BigInt(number));

export const envelopeOf = (text: string): Uint8Array =>
  encodeEntryEnvelope({
    proposedAtMs: 0,
    sessionId: 0n,
    sequence: 0n,
    pendingSpan: 0,
    traceId: 0n,
    authRevision: 0n,
    actor: 'test',
    body: utf8(text),
  });

export const entryAt = (at: number, inTerm: number, text = `e${at}`): Entry => ({
  index: index(at),
  term: term(inTerm),
  kind: 'command',
  payload: envelopeOf(text),
});

export const results = {
  encode: (result: unknown): Uint8Array => utf8(JSON.stringify(result)),
  decode: (bytes: Uint8Array): unknown => JSON.parse(toText(bytes)),
};

export type TestMemberOptions = MemoryLogStoreOptions &
  MemoryStatusStoreOptions & {
    readonly settings?: Partial<ReplicaSettings>;
    /** Default: never, so that nothing is written but what a test writes. */
    readonly idleCommitMs?: number;
    /** Puts something between the replica and its peers. */
    readonly around?: (transport: PeerTransport) => PeerTransport;
  };

/** One data directory, and the boots of the member that lives in it. */
export class TestMember {
  readonly id: MemberId;
  readonly log: MemoryLogStore;
  readonly status: MemoryStatusStore;
  readonly snapshots = new MemorySnapshotStore();
  readonly events: ReplicaEvent[] = [];
  readonly fatal: unknown[] = [];
  stateMachine = new MemoryStateMachine();
  replica: Replica;
  #boot = 0;
  #isDead = false;
  readonly #world: TestWorld;
  readonly #options: TestMemberOptions;
  #transport: PeerTransport;
  #clock: MortalClock;

  constructor(world: TestWorld, number: number, options: TestMemberOptions) {
    this.id = idOf(number);
    this.#world = world;
    this.#options = options;
    this.log = new MemoryLogStore(options);
    this.status = new MemoryStatusStore(options);
    this.#transport = this.#newTransport();
    this.#clock = new MortalClock(world.clock);
    this.replica = this.#newReplica();
  }

  /** The process dies and another one starts on what was synced. */
  async restart(): Promise<void> {
    await this.crash();
    this.stateMachine = new MemoryStateMachine();
    this.#isDead = false;
    this.#clock = new MortalClock(this.#world.clock);
    this.#transport = this.#newTransport();
    this.replica = this.#newReplica();
    await this.replica.start();
  }

  /** No goodbye: the network sees it go, and the old boot's time stands still. */
  async crash(): Promise<void> {
    this.#clock.stop();
    await this.#transport.close();
    await this.log.close();
    this.#isDead = true;
  }

  /** Closes the living boot; a dead one has nothing left to close. */
  async close(): Promise<void> {
    if (!this.#isDead) await this.replica.close();
  }

  propose(text: string, signal?: AbortSignal): Promise<Proposed> {
    return this.replica.propose(envelopeOf(text), signal);
  }

  get applied(): Index {
    return this.stateMachine.appliedIndex;
  }

  #newTransport(): PeerTransport {
    this.#boot += 1;
    const transport = this.#world.peers.transport(this.id, this.#boot);
    return this.#options.around?.(transport) ?? transport;
  }

  #newReplica(): Replica {
    const { size } = this.#world;
    const clock = this.#clock;
    const voters = Array.from({ length: size }, (_, at) => idOf(at + 1));
    return new Replica({
      id: this.id,
      clock,
      random: new SeededRandom(Number(this.id) * 100 + this.#boot),
      nextTurn: (action) => void clock.schedule(0, action),
      log: this.log,
      status: this.status,
      snapshots: this.snapshots,
      stateMachine: this.stateMachine,
      transport: this.#transport,
      results,
      bootstrap: newConfiguration({ voters }),
      raftSettings: { ...defaultRaftSettings, idleCommitMs: this.#options.idleCommitMs ?? 0 },
      settings: { ...defaultReplicaSettings, ...this.#options.settings },
      describeMember: (id) => `n${id}`,
      onFatal: (error) => this.fatal.push(error),
      onEvent: (event) => this.events.push(event),
    });
  }
}

/** The world's time as one process sees it, until it dies. */
class MortalClock implements Clock {
  readonly #inner: Clock;
  readonly #timers = new Set<Timer>();
  #isStopped = false;

  constructor(inner: Clock) {
    this.#inner = inner;
  }

  monotonicMs(): number {
    return this.#inner.monotonicMs();
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
    return timer;
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) timer.cancel();
  }
}

export class TestWorld {
  readonly clock = new ManualClock();
  readonly peers = new MemoryPeers({ clock: this.clock, latencyMs: 1 });
  readonly size: number;
  readonly members: TestMember[];

  constructor(size: number, optionsOf: (number: number) => TestMemberOptions = () => ({})) {
    this.size = size;
    this.members = Array.from({ length: size }, (_, at) => {
      return new TestMember(this, at + 1, optionsOf(at + 1));
    });
  }

  async start(): Promise<void> {
    await Promise.all(this.members.map((member) => member.replica.start()));
    await this.until(() => this.members.every(({ replica }) => replica.status().isReady));
  }

  get leader(): TestMember {
    const leader = this.members.find(({ replica }) => replica.isLeader);
    if (!leader) throw new Error('there is no leader');
    return leader;
  }

  get followers(): readonly TestMember[] {
    return this.members.filter((member) => member !== this.leader);
  }

  /** Moves time on in small steps until `test` holds; gives up after `withinMs`. */
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

  /** Cuts a member off from all others, in silence. */
  isolate(member: TestMember): void {
    for (const other of this.members) if (other !== member) this.peers.cut(member.id, other.id);
  }

  rejoin(member: TestMember): void {
    for (const other of this.members) if (other !== member) this.peers.heal(member.id, other.id);
  }

  async close(): Promise<void> {
    await this.settle(Promise.all(this.members.map((member) => member.close())));
  }
}

/** The worlds of one test file: each is closed after its test, and must leave no timer behind. */
export class TestWorlds {
  readonly #worlds: TestWorld[] = [];

  make(size: number, optionsOf?: (number: number) => TestMemberOptions): TestWorld {
    const world = new TestWorld(size, optionsOf);
    this.#worlds.push(world);
    return world;
  }

  async started(
    size: number,
    optionsOf?: (number: number) => TestMemberOptions,
  ): Promise<TestWorld> {
    const world = this.make(size, optionsOf);
    await world.start();
    return world;
  }

  /** How many timers the closed worlds have left. */
  async close(): Promise<number> {
    let timers = 0;
    for (const world of this.#worlds.splice(0)) {
      await world.close();
      // What was on the wire arrives, and finds nobody.
      await world.clock.advanceAsync(1);
      timers += world.clock.pendingCount;
    }
    return timers;
  }
}

/** How a promise ended, for several that are looked at later. */
export type Ending = { value?: unknown; error?: unknown; atMs?: number };

export function watchEnd(world: TestWorld, promise: Promise<unknown>): Ending {
  const ending: Ending = {};
  promise.then(
    (value) => Object.assign(ending, { value, atMs: world.clock.monotonicMs() }),
    (error: unknown) => Object.assign(ending, { error, atMs: world.clock.monotonicMs() }),
  );
  return ending;
}
