// Worlds of whole members under load and faults: recovery, replica, log, snapshots, store, engine
// and message codec as in production, over a simulated clock, disk and network. Two phases: faults,
// then everything is healed, and the cluster must become live, converge, and have kept every
// promise.
import { must } from '@holdfast/base/assert';
import { messageOf } from '@holdfast/base/errors';
import { type MemberId, memberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { AilingWatch } from './ailing-watch.ts';
import { ClientRecord } from './client-record.ts';
import { Clients } from './clients.ts';
import type { Admit, ClusterMember } from './cluster-member.ts';
import { ClusterReferee } from './cluster-referee.ts';
import type { ClusterWorldOptions } from './cluster-world-options.ts';
import { chooseBadDisks, type RotPlace } from './disk-rot.ts';
import { type Drain, EventQueue } from './event-queue.ts';
import type { CrashKind, OldMachine } from './fault.ts';
import { FaultDriver, type FaultTarget } from './fault-driver.ts';
import { judgeEnd } from './final-judges.ts';
import { Violation } from './judges/violation.ts';
import { LeaderWatch } from './leader-watch.ts';
import type { DiskMood } from './member-disk.ts';
import { type MadeMember, MemberMaker } from './member-maker.ts';
import { type FaultyNetwork, type MemberNetwork, nameOf } from './member-network.ts';
import { MemoryFlips } from './memory-flips.ts';
import { MessageNetwork } from './message-network.ts';
import { NewEvents } from './new-events.ts';
import { proveLife } from './proof-of-life.ts';
import { Replacements } from './replacements.ts';
import { failureOf, type RunReport } from './run-report.ts';
import { planRun, type RunPlan } from './scenario.ts';
import { StreamNetwork } from './stream-network.ts';
import { Timeline } from './timeline.ts';
import { Watchers } from './watchers.ts';

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
  readonly #ailingWatch: AilingWatch | undefined;
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
  readonly #replacements: Replacements;
  /** Replaced, and still running, because nobody has switched them off. */
  readonly #forgotten = new Set<ClusterMember>();
  readonly #flips: MemoryFlips;
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
      flips: () => this.#flips,
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
    for (const id of this.members) this.#makeMember(id, id, undefined);
    const keys = pick(this.#random, [2, 8, 40]);
    const shared = {
      queue: this.#queue,
      members: this.#cluster,
      keys,
      onFailure: (error: unknown) => this.#fail(error),
    };
    const fork = () => this.#fork();
    this.#clients = new Clients({ ...shared, seed, record: this.#record, fork });
    const subject = () => this.#clients.subject;
    this.#watchers = new Watchers({ ...shared, subject, random: this.#fork(), count: 4 });
    this.#replacements = this.#newReplacements();
    this.#flips = new MemoryFlips({
      random: this.#fork(),
      timeline: this.#timeline,
      cluster: this.#cluster,
      onFailure: shared.onFailure,
    });
    this.#plan = this.#newPlan(options);
    this.#leaderWatch = this.#newLeaderWatch();
    const { onlyDisksFromMs: fromMs } = this.#plan;
    if (fromMs !== undefined) {
      this.#ailingWatch = new AilingWatch({ nowMs: () => this.#queue.nowMs, fromMs });
    }
  }

  async run(): Promise<RunReport> {
    try {
      await this.#runPhases();
    } catch (error) {
      this.#fail(error);
    }
    for (const { clock } of [...this.#cluster.values(), ...this.#forgotten]) clock?.halt();
    return this.#report();
  }

  crash(member: MemberId, how: CrashKind): void {
    const one = this.#cluster.get(member);
    if (one) this.#crash(one, how);
  }

  #crash(one: ClusterMember, how: CrashKind): void {
    const wasUp = one.isUp;
    one.crash(how);
    this.#timeline.note(nameOf(one.id), 'down', wasUp ? how : `${how}, once more`);
    if (wasUp) this.#leaveClients(one);
  }

  #leaveClients(one: ClusterMember): void {
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
    if (one) this.#start(one);
  }

  #start(one: ClusterMember): void {
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
    if (this.#badDisks.has(place)) this.#replacements.wipe(place);
  }

  replace(place: MemberId, machine: OldMachine): void {
    // With a dead machine goes what it has synced.
    const isBearable = machine !== 'dead' || this.#badDisks.has(place);
    if (isBearable) this.#replacements.replace(place, machine);
  }

  idOf(place: MemberId): MemberId {
    return this.#cluster.get(place)?.id ?? place;
  }

  leader(): MemberId | undefined {
    return this.members.find((place) => this.#cluster.get(place)?.engine?.replica.isLeader);
  }

  transfer(place: MemberId): void {
    const to = this.idOf(place);
    for (const { engine, clock } of this.#cluster.values()) {
      if (engine?.replica.isLeader && !clock?.paused) engine.replica.transferLeadership(to);
    }
  }

  flipMemory(): void {
    this.#flips.flip();
  }

  #newReplacements(): Replacements {
    return new Replacements({
      queue: this.#queue,
      random: this.#fork(),
      cluster: this.#cluster,
      crash: (place) => this.crash(place, 'power'),
      start: (place) => this.start(place),
      replace: (place, next, admit) => this.#replace(place, next, admit),
      switchOff: (member) => {
        this.#crash(member, 'power');
        this.#forgotten.delete(member);
      },
      onFailure: (error) => this.#fail(error),
    });
  }

  #replace(place: MemberId, next: MemberId, admit: Admit): void {
    const old = must(this.#cluster.get(place), 'somebody is in that place');
    // No fault finds it any more.
    old.spare();
    old.setDisk('fine');
    old.clock?.resume();
    if (old.isUp) this.#forgotten.add(old);
    this.#leaveClients(old);
    this.#network.dismiss(old.id);
    this.#makeMember(place, next, admit);
    this.#timeline.note(nameOf(next), 'joins', `in the place of ${nameOf(old.id)}`);
    this.start(place);
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

  #makeMember(place: MemberId, id: MemberId, admit: MadeMember['admit']): void {
    const onEnded = (error: unknown): void => this.#ended(member, error);
    const member: ClusterMember = this.#maker.make(id, { admit, onEnded });
    this.#cluster.set(place, member);
  }

  /** A member that its disk has ended is started again, as its supervisor does. */
  #ended(member: ClusterMember, error: unknown): void {
    this.#ends += 1;
    this.#timeline.note(nameOf(member.id), 'ended', messageOf(error));
    this.#crash(member, 'process');
    this.#queue.after(restartMs * (0.5 + this.#random.fraction()), () => this.#start(member));
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
    this.#flips.healed();
    await proveLife({
      queue: this.#queue,
      timeline: this.#timeline,
      cluster: this.#cluster,
      network: this.#network,
      replacements: this.#replacements,
      clients: this.#clients,
      watchers: this.#watchers,
      record: this.#record,
      flips: this.#flips,
      runUntil: (endMs) => this.#runUntil(endMs),
      onFailure: (error) => this.#fail(error),
    });
    this.#judgeEnd();
  }

  async #runUntil(endMs: number): Promise<void> {
    // In steps, so that a failure ends the run soon.
    while (this.#queue.nowMs < endMs) {
      await this.#queue.runDrained(Math.min(endMs, this.#queue.nowMs + 50), this.#drain);
      if (this.#leaderWatch) this.#watchLeader(this.#leaderWatch);
      if (!this.#isHealed) this.#ailingWatch?.look([...this.#cluster.values()]);
      if (this.#failure) throw this.#failure.error;
    }
  }

  #watchLeader(watch: LeaderWatch): void {
    const members = [...this.#cluster.values()];
    const up = members.filter(({ isUp }) => isUp).length;
    watch.look({ up, isLed: members.some(({ engine }) => engine?.replica.isLeader) });
  }

  #judgeEnd(): void {
    // One that a scrub has just ended, for what had rotten before the heal, is not back yet.
    const member = [...this.#cluster.values()].find(({ engine }) => engine !== undefined);
    if (!member?.engine) throw new Violation('liveness', 'all members have ended after the heal');
    judgeEnd(member.engine, { record: this.#record, watchers: this.#watchers });
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
        ...this.#record.access.counters,
        leaseEnds: this.#record.leases.endCount,
        sessionRepeats: this.#record.sessions.repeatCount,
        operations: this.#clients.operationCount,
        ...this.#watchers.counters,
        acknowledged: this.#record.writes.count,
        ...this.#leaderWatch?.counters,
        ...this.#flips.counters,
        ...this.#ailingWatch?.counters,
        replaced: this.#replacements.count,
        ends: this.#ends,
        rots: this.#rots,
        boots: [...this.#cluster.values()].reduce((sum, { boots }) => sum + boots, 0),
        frames: this.#network.arrivedCount,
        events: this.#queue.firedCount,
      },
    };
  }
}
