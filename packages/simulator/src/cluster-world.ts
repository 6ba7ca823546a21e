// Worlds of whole members under load and faults: recovery, replica, log, snapshots, store, engine
// and message codec as in production, over a simulated clock, disk and network. Two phases: faults,
// then everything is healed, and the cluster must become live, converge, and have kept every
// promise.
import { toText } from '@holdfast/base/bytes';
import { clusterId, type MemberId, memberId, revision } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import type { WatchEvent } from '@holdfast/engine/engine';
import { newConfiguration } from '@holdfast/raft/configuration';
import { ClientRecord } from './client-record.ts';
import { ClusterMember, nameOf } from './cluster-member.ts';
import { ClusterReferee } from './cluster-referee.ts';
import { type Drain, EventQueue } from './event-queue.ts';
import { FaultDriver, type FaultTarget } from './fault-driver.ts';
import { type CrashKind, planFaults } from './fault-plan.ts';
import type { StoredKey } from './judges/acknowledged-writes.ts';
import { Violation } from './judges/violation.ts';
import type { DiskMood } from './member-disk.ts';
import { Network } from './network.ts';
import type { PlantedBug } from './planted-bugs.ts';
import { failureOf, type RunReport } from './run-report.ts';
import type { TransportRegistry } from './simulated-transport.ts';
import { Timeline } from './timeline.ts';
import { VirtualClock } from './virtual-clock.ts';
import { type EventLog, Watchers } from './watchers.ts';
import { keyspace, Workload } from './workload.ts';

export type ClusterWorldOptions = {
  readonly seed: number;
  /** Lets promise reactions run to their end; the process gives it. */
  readonly drain: Drain;
  /** How long faults last, in simulated time. Default 20 s. */
  readonly faultsMs?: number;
  /** How many lines of the timeline are kept. Default 60. */
  readonly linesMax?: number;
  /** Default: three mostly, five now and then. */
  readonly memberCount?: number;
  readonly bug?: PlantedBug;
};

/** After the last fault, each member must take a write within this, and all be equal. */
const convergeMs = 30_000;
const clients = 4;
/** Twenty operations a second by all clients together. */
const clientGapMs = 200;

export async function runClusterWorld(options: ClusterWorldOptions): Promise<RunReport> {
  return await new ClusterWorld(options).run();
}

class ClusterWorld implements FaultTarget {
  readonly members: readonly MemberId[];
  readonly #seed: number;
  readonly #drain: Drain;
  readonly #faultsMs: number;
  readonly #random: Random;
  readonly #queue = new EventQueue();
  readonly #timeline: Timeline;
  readonly #network: Network;
  readonly #referee: ClusterReferee;
  readonly #record: ClientRecord;
  readonly #cluster = new Map<MemberId, ClusterMember>();
  readonly #workload: Workload;
  readonly #watchers: Watchers;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ClusterWorldOptions) {
    const { seed, drain, faultsMs = 20_000, linesMax = 60, bug } = options;
    this.#seed = seed;
    this.#drain = drain;
    this.#faultsMs = faultsMs;
    this.#random = new SeededRandom(seed);
    this.#timeline = new Timeline({ queue: this.#queue, linesMax });
    this.#network = new Network({ queue: this.#queue, random: this.#fork() });
    this.#referee = new ClusterReferee(this.#timeline, (error) => this.#fail(error));
    this.#record = new ClientRecord(this.#queue);
    const count = options.memberCount ?? pick(this.#random, [1, 3, 3, 3, 3, 3, 3, 5]);
    this.members = Array.from({ length: count }, (_, at) => memberId(BigInt(at + 1)));
    this.#makeMembers(bug);
    const keys = pick(this.#random, [2, 8, 40]);
    const shared = {
      queue: this.#queue,
      members: this.#cluster,
      keys,
      bug,
      onFailure: (error: unknown) => this.#fail(error),
    };
    this.#workload = new Workload({
      ...shared,
      random: this.#fork(),
      record: this.#record,
      clients,
      gapMs: clientGapMs,
    });
    this.#watchers = new Watchers({ ...shared, random: this.#fork(), count: 4 });
  }

  async run(): Promise<RunReport> {
    try {
      await this.#runPhases();
    } catch (error) {
      this.#fail(error);
    }
    for (const id of this.members) this.#cluster.get(id)?.clock?.halt();
    return this.#report();
  }

  crash(member: MemberId, how: CrashKind): void {
    const one = this.#cluster.get(member);
    if (!one?.isUp) return;
    one.crash(how);
    this.#timeline.note(nameOf(member), 'down', how);
    this.#workload.memberDown(one);
    this.#watchers.memberDown(one);
  }

  start(member: MemberId): void {
    const one = this.#cluster.get(member);
    if (!one || one.isUp) return;
    one.start();
    this.#timeline.note(nameOf(member), 'up', `boot ${one.boots}`);
  }

  pause(member: MemberId): void {
    this.#cluster.get(member)?.clock?.pause();
  }

  resume(member: MemberId): void {
    this.#cluster.get(member)?.clock?.resume();
  }

  jumpWall(member: MemberId, byMs: number): void {
    this.#cluster.get(member)?.jumpWall(byMs);
  }

  setDisk(member: MemberId, mood: DiskMood): void {
    this.#cluster.get(member)?.setDisk(mood);
  }

  transfer(to: MemberId): void {
    for (const { engine, clock } of this.#cluster.values()) {
      if (engine?.replica.isLeader && !clock?.paused) engine.replica.transferLeadership(to);
    }
  }

  #makeMembers(bug: PlantedBug | undefined): void {
    const random = this.#random;
    const registry: TransportRegistry = new WeakMap();
    const settings = {
      segmentBytes: pick(random, [16_384, 65_536, 262_144]),
      replicaSettings: {
        snapshotEntriesMax: pick(random, [50, 200, 100_000]),
        snapshotIntervalMinMs: 500,
      },
      compactionSettings: pick(random, [
        {},
        { historyRevisionsMax: 150, historyRevisionsMin: 50, stepRevisionsMin: 10 },
      ]),
    };
    for (const id of this.members) {
      const own = this.#fork();
      const member = new ClusterMember({
        ...settings,
        id,
        clusterId: clusterId(1n),
        members: this.members,
        bootstrap: newConfiguration({ voters: this.members }),
        network: this.#network,
        registry,
        random: own,
        watcher: this.#referee,
        newClock: () => newClock(this.#queue, own),
        bug,
      });
      this.#cluster.set(id, member);
    }
  }

  async #runPhases(): Promise<void> {
    const driver = new FaultDriver({
      queue: this.#queue,
      network: this.#network,
      target: this,
      timeline: this.#timeline,
    });
    for (const member of this.members) this.start(member);
    this.#workload.start();
    this.#watchers.start();
    if (this.members.length > 1) {
      const gapMs = pick(this.#random, [400, 1000, 3000]);
      const bounds = { startMs: 1500, endMs: this.#faultsMs, gapMs };
      driver.schedule(planFaults(this.#fork(), { members: this.members, ...bounds }));
    }
    await this.#runUntil(this.#faultsMs);
    driver.healAll();
    await this.#becomeLive();
    this.#workload.end();
    await this.#converge();
    await this.#judgeEnd();
  }

  async #runUntil(endMs: number): Promise<void> {
    // In steps, so that a failure ends the run soon.
    while (this.#queue.nowMs < endMs) {
      await this.#queue.runDrained(Math.min(endMs, this.#queue.nowMs + 50), this.#drain);
      if (this.#failure) throw this.#failure.error;
    }
  }

  /** A write through each member is acknowledged. */
  async #becomeLive(): Promise<void> {
    const served = new Set<ClusterMember>();
    await this.#waitUntil('every member takes a write', () => {
      for (const member of this.#cluster.values()) {
        if (served.has(member) || !member.engine) continue;
        this.#workload
          .probe(member)
          .then((isTaken) => isTaken && served.add(member))
          .catch((error: unknown) => this.#fail(error));
      }
      return served.size === this.#cluster.size;
    });
  }

  /** Calls have ended, and all stand at one index with one state. */
  async #converge(): Promise<void> {
    await this.#waitUntil('all members are equal', () => {
      if (!this.#workload.isIdle) return false;
      const stores = [...this.#cluster.values()].map(({ engine }) => engine?.store);
      const [first] = stores;
      return stores.every(
        (store) =>
          store?.appliedIndex === first?.appliedIndex && store?.stateHash === first?.stateHash,
      );
    });
    // What is owed to watchers is on its way, and takes no more than a round of the queue.
    await this.#runUntil(this.#queue.nowMs + 1000);
  }

  async #waitUntil(what: string, isMet: () => boolean): Promise<void> {
    const startMs = this.#queue.nowMs;
    while (!isMet()) {
      if (this.#queue.nowMs > startMs + convergeMs) throw this.#notLive(what);
      await this.#runUntil(this.#queue.nowMs + 200);
    }
    const tookMs = this.#queue.nowMs - startMs;
    this.#timeline.note('-', 'reached', `${what} after ${tookMs.toFixed(0)} ms`);
  }

  #notLive(what: string): Violation {
    const states = [...this.#cluster.values()].map((member) => {
      const { raft } = member.engine?.replica.status() ?? {};
      const marks = raft && `last ${raft.last.index}@${raft.last.term} applied ${raft.applied}`;
      return `${nameOf(member.id)} ${raft?.role ?? 'starting'} term ${raft?.term} ${marks ?? ''}`;
    });
    return new Violation('liveness', [`after the heal, not: ${what}`, ...states].join('\n  '));
  }

  async #judgeEnd(): Promise<void> {
    const [member] = this.#cluster.values();
    const engine = member?.engine;
    if (!engine) throw new Violation('liveness', 'a member ended after the heal');
    const { store } = engine;
    const at = store.revision;
    this.#record.writes.judge(await this.#stored(engine), at);
    const { events, firstRevision } = await this.#eventsOf(engine, at);
    this.#record.writes.judgeEvents((revisionOf) => textsAt(events, revisionOf), firstRevision);
    this.#watchers.judge(events, { first: firstRevision, last: at });
    this.#record.judgeHistory();
  }

  async #stored({ store }: NonNullable<ClusterMember['engine']>): Promise<Map<string, StoredKey>> {
    const { kvs } = store.range({
      keyspace,
      key: new Uint8Array([0]),
      rangeEnd: new Uint8Array([0]),
      limit: 0,
      revision: 0,
      keysOnly: false,
      countOnly: false,
    });
    return new Map(
      kvs.map(({ key, value, modRevision }) => [
        toText(key),
        { value: toText(value), modRevision },
      ]),
    );
  }

  /** Everything that happened since the compacted history, as one member tells it in the end. */
  async #eventsOf(
    engine: NonNullable<ClusterMember['engine']>,
    lastRevision: number,
  ): Promise<{ readonly events: EventLog; readonly firstRevision: number }> {
    const events = new Map<number, readonly WatchEvent[]>();
    const firstRevision = engine.store.compactRevision + 1;
    const stream = await engine.watch(
      {
        keyspace,
        key: new Uint8Array(0),
        rangeEnd: new Uint8Array([0]),
        startRevision: revision(firstRevision),
        progressMs: 50,
      },
      { actor: 'judge' },
    );
    const collect = async (): Promise<void> => {
      for await (const item of stream) {
        if (item.type === 'events') events.set(item.revision, item.events);
        if (item.revision >= lastRevision) return;
      }
    };
    collect().catch((error: unknown) => this.#fail(error));
    await this.#runUntil(this.#queue.nowMs + 1000);
    stream.close();
    return { events, firstRevision };
  }

  #fail(error: unknown): void {
    this.#failure ??= { error };
  }

  #fork(): Random {
    return new SeededRandom(this.#random.integer(0, 2 ** 48));
  }

  #report(): RunReport {
    return {
      seed: this.#seed,
      failure: this.#failure && failureOf(this.#failure.error),
      simulatedMs: this.#queue.nowMs,
      traceHash: this.#timeline.hash,
      lines: this.#timeline.lines,
      counters: {
        ...this.#referee.counters,
        ...this.#record.counters,
        ...this.#watchers.counters,
        acknowledged: this.#record.writes.count,
        boots: [...this.#cluster.values()].reduce((sum, { boots }) => sum + boots, 0),
        frames: this.#network.counters.delivered,
        events: this.#queue.firedCount,
      },
    };
  }
}

const textsAt = (events: EventLog, at: number): readonly string[] =>
  (events.get(at) ?? []).map(({ type, kv }) =>
    type === 'put' ? `${toText(kv.key)}=${toText(kv.value)}` : `${toText(kv.key)} deleted`,
  );

function newClock(queue: EventQueue, random: Random): VirtualClock {
  return new VirtualClock({
    queue,
    startMs: random.integer(0, 1_000_000),
    wallMs: 1_700_000_000_000 + queue.nowMs,
    rate: 1 + (random.fraction() - 0.5) * 0.0004,
  });
}
