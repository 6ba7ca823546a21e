// Worlds of whole members under load and faults: recovery, replica, log, snapshots, store, engine
// and message codec as in production, over a simulated clock, disk and network. Two phases: faults,
// then everything is healed, and the cluster must become live, converge, and have kept every
// promise.
import { messageOf } from '@holdfast/base/errors';
import { type MemberId, memberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { ClientRecord } from './client-record.ts';
import { Clients } from './clients.ts';
import type { ClusterMember } from './cluster-member.ts';
import { ClusterReferee } from './cluster-referee.ts';
import { chooseBadDisks, type RotPlace } from './disk-rot.ts';
import { type Drain, EventQueue } from './event-queue.ts';
import type { CrashKind } from './fault.ts';
import { FaultDriver, type FaultTarget } from './fault-driver.ts';
import { judgeEnd } from './final-judges.ts';
import { Violation } from './judges/violation.ts';
import { LeaderWatch } from './leader-watch.ts';
import type { DiskMood } from './member-disk.ts';
import { MemberMaker } from './member-maker.ts';
import { type FaultyNetwork, type MemberNetwork, nameOf } from './member-network.ts';
import { MessageNetwork } from './message-network.ts';
import { NewEvents } from './new-events.ts';
import { failureOf, type RunReport } from './run-report.ts';
import { planRun, type RunPlan, type Scenario } from './scenario.ts';
import { StreamNetwork } from './stream-network.ts';
import { Timeline } from './timeline.ts';
import { Watchers } from './watchers.ts';
import { Wipes } from './wipes.ts';
import type { WorldRecordings } from './world-recordings.ts';

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
  /** One kind of trouble instead of what chance puts together; `faultsMs` is then its own. */
  readonly scenario?: Scenario;
  /** Faults of the plan that do not happen, by their places in it. */
  readonly without?: ReadonlySet<number>;
  /** Where the members are recorded; the run is the same with and without. */
  readonly recordings?: WorldRecordings | undefined;
};

/** After the last fault, each member must take a write within this, and all be equal. */
const convergeMs = 30_000;
/** A supervisor waits about so long before it starts an ended member again. */
const restartMs = 300;
/** Of worlds: members speak over the production transport. */
const streamShare = 0.5;

export async function runClusterWorld(options: ClusterWorldOptions): Promise<RunReport> {
  return await new ClusterWorld(options).run();
}

class ClusterWorld implements FaultTarget {
  readonly members: readonly MemberId[];
  readonly #seed: number;
  readonly #drain: Drain;
  readonly #plan: RunPlan;
  readonly #leaderWatch: LeaderWatch | undefined;
  readonly #random: Random;
  readonly #queue = new EventQueue();
  readonly #timeline: Timeline;
  readonly #network: MemberNetwork & FaultyNetwork;
  readonly #referee: ClusterReferee;
  readonly #record: ClientRecord;
  readonly #maker: MemberMaker;
  /** By the place that a member takes, which is the id of the first one there. */
  readonly #cluster = new Map<MemberId, ClusterMember>();
  readonly #clients: Clients;
  readonly #watchers: Watchers;
  readonly #wipes: Wipes;
  /** Members whose disks may lose what they have synced: a minority, the same for all of a run. */
  readonly #badDisks: ReadonlySet<MemberId>;
  #ends = 0;
  #rots = 0;
  #isHealed = false;
  #failure: { readonly error: unknown } | undefined;

  constructor(options: ClusterWorldOptions) {
    const { seed, drain, linesMax = 60 } = options;
    this.#seed = seed;
    this.#drain = drain;
    this.#random = new SeededRandom(seed);
    this.#timeline = new Timeline({ queue: this.#queue, linesMax });
    this.#record = new ClientRecord(this.#queue);
    this.#referee = new ClusterReferee({
      timeline: this.#timeline,
      events: new NewEvents(this.#queue, this.#record),
      onFailure: (error) => this.#fail(error),
    });
    const chosen = pick(this.#random, [1, 3, 3, 3, 3, 3, 3, 5]);
    const count = options.memberCount ?? (options.scenario ? 3 : chosen);
    this.members = Array.from({ length: count }, (_, at) => memberId(BigInt(at + 1)));
    this.#network = this.#newNetwork();
    this.#badDisks = chooseBadDisks(this.#random, this.members);
    this.#maker = new MemberMaker({
      queue: this.#queue,
      random: this.#fork(),
      network: this.#network,
      watcher: this.#referee,
      founders: this.members,
      recordings: options.recordings,
    });
    for (const id of this.members) this.#makeMember(id, id);
    const keys = pick(this.#random, [2, 8, 40]);
    const shared = {
      queue: this.#queue,
      members: this.#cluster,
      keys,
      onFailure: (error: unknown) => this.#fail(error),
    };
    this.#clients = new Clients({ ...shared, record: this.#record, fork: () => this.#fork() });
    this.#watchers = new Watchers({ ...shared, random: this.#fork(), count: 4 });
    this.#wipes = this.#newWipes();
    this.#plan = this.#newPlan(options);
    this.#leaderWatch = this.#newLeaderWatch();
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
    if (!one) return;
    const wasUp = one.isUp;
    one.crash(how);
    this.#timeline.note(nameOf(one.id), 'down', wasUp ? how : `${how}, once more`);
    if (!wasUp) return;
    this.#clients.memberDown(one);
    this.#watchers.memberDown(one);
  }

  crashInWrite(member: MemberId, how: CrashKind, operations: number): void {
    // Cleared away when the stack of the operation, in whose middle it dies, has ended.
    this.#cluster.get(member)?.crashIn(operations, () => {
      this.#queue.after(0, () => {
        this.crash(member, how);
        if (this.#isHealed) this.start(member);
      });
    });
  }

  start(member: MemberId): void {
    const one = this.#cluster.get(member);
    if (!one) return;
    one.spare();
    if (one.isUp) return;
    one.start();
    this.#timeline.note(nameOf(one.id), 'up', `boot ${one.boots}`);
  }

  pause(member: MemberId): void {
    this.#cluster.get(member)?.clock?.pause();
  }

  resume(member: MemberId): void {
    this.#cluster.get(member)?.clock?.resume();
  }

  holdUp(member: MemberId, forMs: number): void {
    this.#cluster.get(member)?.clock?.holdUp(forMs);
  }

  jumpWall(member: MemberId, byMs: number): void {
    this.#cluster.get(member)?.jumpWall(byMs);
  }

  setDisk(member: MemberId, mood: DiskMood): void {
    // What is misread at a start is taken for rot.
    if (mood === 'misreading' && !this.#badDisks.has(member)) return;
    this.#cluster.get(member)?.setDisk(mood);
  }

  rot(member: MemberId, bits: number, place?: RotPlace): void {
    if (!this.#badDisks.has(member)) return;
    for (let count = 0; count < bits; count += 1) {
      const where = this.#cluster.get(member)?.rot(place);
      if (!where) continue;
      this.#rots += 1;
      this.#timeline.note(nameOf(member), 'rot', where);
    }
  }

  /** Its disk is gone: it comes back empty under its old id, and is replaced a while later. */
  wipe(place: MemberId): void {
    if (this.#badDisks.has(place)) this.#wipes.wipe(place);
  }

  idOf(place: MemberId): MemberId {
    return this.#cluster.get(place)?.id ?? place;
  }

  transfer(place: MemberId): void {
    const to = this.idOf(place);
    for (const { engine, clock } of this.#cluster.values()) {
      if (engine?.replica.isLeader && !clock?.paused) engine.replica.transferLeadership(to);
    }
  }

  #newWipes(): Wipes {
    return new Wipes({
      queue: this.#queue,
      random: this.#fork(),
      cluster: this.#cluster,
      crash: (place) => this.crash(place, 'power'),
      start: (place) => this.start(place),
      replace: (place, next) => {
        this.#makeMember(place, next);
        this.#timeline.note(nameOf(next), 'joins', `in the place of ${nameOf(place)}`);
        this.#network.setMembers([...this.#cluster.values()].map(({ id }) => id));
      },
    });
  }

  #newPlan({ faultsMs = 20_000, scenario, without }: ClusterWorldOptions): RunPlan {
    const gapMs = pick(this.#random, [400, 1000, 3000]);
    return planRun(this.#fork(), {
      members: this.members,
      badDisks: [...this.#badDisks],
      startMs: 1500,
      endMs: faultsMs,
      gapMs,
      scenario,
      without: without ?? new Set(),
    });
  }

  #newLeaderWatch(): LeaderWatch | undefined {
    const limitMs = this.#plan.leaderWithinMs;
    if (limitMs === undefined) return undefined;
    const majority = Math.floor(this.members.length / 2) + 1;
    return new LeaderWatch({ nowMs: () => this.#queue.nowMs, majority, limitMs });
  }

  #newNetwork(): MemberNetwork & FaultyNetwork {
    const parts = { queue: this.#queue, random: this.#fork(), members: this.members };
    const isStream = this.#random.fraction() < streamShare;
    return isStream ? new StreamNetwork(parts) : new MessageNetwork(parts);
  }

  #makeMember(place: MemberId, id: MemberId): ClusterMember {
    const member = this.#maker.make(id, (error) => this.#ended(place, error));
    this.#cluster.set(place, member);
    return member;
  }

  /** A member that its disk has ended is started again, as its supervisor does. */
  #ended(member: MemberId, error: unknown): void {
    this.#ends += 1;
    this.#timeline.note(nameOf(member), 'ended', messageOf(error));
    this.crash(member, 'process');
    this.#queue.after(restartMs * (0.5 + this.#random.fraction()), () => this.start(member));
  }

  async #runPhases(): Promise<void> {
    const driver = new FaultDriver({
      queue: this.#queue,
      network: this.#network,
      target: this,
      timeline: this.#timeline,
    });
    for (const member of this.members) this.start(member);
    this.#clients.start();
    this.#watchers.start();
    driver.schedule(this.#plan.faults);
    await this.#runUntil(this.#plan.endMs);
    this.#isHealed = true;
    driver.healAll();
    await this.#waitUntil('every replacement is over', () => this.#wipes.areOver);
    await this.#becomeLive();
    this.#clients.end();
    this.#watchers.hurry();
    await this.#converge();
    await this.#judgeEnd();
  }

  async #runUntil(endMs: number): Promise<void> {
    // In steps, so that a failure ends the run soon.
    while (this.#queue.nowMs < endMs) {
      await this.#queue.runDrained(Math.min(endMs, this.#queue.nowMs + 50), this.#drain);
      if (this.#leaderWatch) this.#watchLeader(this.#leaderWatch);
      if (this.#failure) throw this.#failure.error;
    }
  }

  #watchLeader(watch: LeaderWatch): void {
    const members = [...this.#cluster.values()];
    const up = members.filter(({ isUp }) => isUp).length;
    watch.look({ up, isLed: members.some(({ engine }) => engine?.replica.isLeader) });
  }

  /** A write through each member is acknowledged. */
  async #becomeLive(): Promise<void> {
    const served = new Set<ClusterMember>();
    await this.#waitUntil('every member takes a write', () => {
      this.#wipes.replaceStranded();
      for (const member of this.#cluster.values()) {
        if (served.has(member) || !member.engine) continue;
        this.#clients
          .probe(member)
          .then((isTaken) => isTaken && served.add(member))
          .catch((error: unknown) => this.#fail(error));
      }
      return served.size === this.#cluster.size;
    });
  }

  /** Calls have ended, and all stand at one index with one state. */
  async #converge(): Promise<void> {
    await this.#waitUntil('all members are equal, and linked', () => {
      if (!this.#clients.isIdle || this.#network.broken.length > 0) return false;
      const stores = [...this.#cluster.values()].map(({ engine }) => engine?.store);
      const [first] = stores;
      return stores.every(
        (store) =>
          store?.appliedIndex === first?.appliedIndex && store?.stateHash === first?.stateHash,
      );
    });
    await this.#waitUntil('all leases have run out', () =>
      [...this.#cluster.values()].every(({ store }) => store?.leases.size === 0),
    );
    const { last } = this.#record.events;
    await this.#waitUntil('watchers have heard of everything', () => this.#watchers.reach(last));
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
    const engine = [...this.#cluster.values()][0]?.engine;
    if (!engine) throw new Violation('liveness', 'a member ended after the heal');
    judgeEnd(engine, { record: this.#record, watchers: this.#watchers });
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
      faults: this.#plan.faults.length,
      counters: {
        ...this.#referee.counters,
        ...this.#record.counters,
        leaseEnds: this.#record.leases.endCount,
        sessionRepeats: this.#record.sessions.repeatCount,
        operations: this.#clients.operationCount,
        ...this.#watchers.counters,
        acknowledged: this.#record.writes.count,
        ...this.#leaderWatch?.counters,
        replaced: this.#wipes.count,
        ends: this.#ends,
        rots: this.#rots,
        boots: [...this.#cluster.values()].reduce((sum, { boots }) => sum + boots, 0),
        frames: this.#network.arrivedCount,
        events: this.#queue.firedCount,
      },
    };
  }
}
