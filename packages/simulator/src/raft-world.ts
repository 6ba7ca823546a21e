// Worlds of cores alone: no promises, no bytes, a model of a disk. They run a simulated minute in a
// few milliseconds, so thousands of seeds shake the core before anything stands on it.
import { type MemberId, memberId, requestId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { formatConfiguration, membersOf, newConfiguration } from '@holdfast/raft/configuration';
import { defaultRaftSettings, type RaftSettings } from '@holdfast/raft/settings';
import { EventQueue } from './event-queue.ts';
import type { CrashKind } from './fault.ts';
import { FaultDriver, type FaultTarget } from './fault-driver.ts';
import { Violation } from './judges/violation.ts';
import { newMemberClock } from './member-clocks.ts';
import type { DiskMood } from './member-disk.ts';
import { Network } from './network.ts';
import { RaftMember } from './raft-member.ts';
import { RaftReferee } from './raft-referee.ts';
import { failureOf, type RunReport } from './run-report.ts';
import { planRun, type RunPlan, type Scenario } from './scenario.ts';
import { Timeline } from './timeline.ts';

export type RaftWorldOptions = {
  readonly seed: number;
  /** How long faults last, in simulated time. */
  readonly faultsMs?: number;
  readonly linesMax?: number;
  /** One kind of trouble instead of what chance puts together; `faultsMs` is then its own. */
  readonly scenario?: Scenario;
  /** Faults of the plan that do not happen, by their places in it. */
  readonly without?: ReadonlySet<number>;
};

/** After the last fault, a leader and equal logs are owed within this. */
const convergeMs = 20_000;
const operationGapMs = 50;

export function runRaftWorld(options: RaftWorldOptions): RunReport {
  return new RaftWorld(options).run();
}

class RaftWorld implements FaultTarget {
  readonly members: readonly MemberId[];
  readonly #seed: number;
  readonly #plan: RunPlan;
  readonly #queue = new EventQueue();
  readonly #random: Random;
  readonly #timeline: Timeline;
  readonly #network: Network;
  readonly #cores = new Map<MemberId, RaftMember>();
  readonly #referee: RaftReferee;
  readonly #endedByDisk = new Set<MemberId>();
  #requests = 0n;
  #damages = 0;
  #isHealed = false;
  /** Either memberships change, or disks are damaged: a damaged voter of two would stop both. */
  readonly #changesMembership: boolean;
  readonly #voterCrashShare: number;

  constructor(options: RaftWorldOptions) {
    const { seed, linesMax = 60 } = options;
    this.#seed = seed;
    this.#random = new SeededRandom(seed);
    const random = this.#random;
    this.#timeline = new Timeline({ queue: this.#queue, linesMax });
    this.#network = new Network({ queue: this.#queue, random: fork(random) });
    this.#referee = new RaftReferee({
      queue: this.#queue,
      timeline: this.#timeline,
      onStatusSaved: (member) => this.#maybeCrashVoter(member),
      holdsDurably: (member, { index, term }) => {
        const storage = this.#cores.get(member)?.storage;
        return storage !== undefined && (!storage.isWhole || storage.durableTermAt(index) === term);
      },
    });
    this.#changesMembership = random.fraction() < 0.5;
    this.#voterCrashShare = pick(random, [0, 0, 0.1, 0.5]);
    const count = pick(random, [1, 2, 3, 3, 3, 3, 4, 5, 5]);
    this.members = Array.from({ length: count }, (_, at) => memberId(BigInt(at + 1)));
    this.#makeMembers();
    this.#plan = this.#newPlan(options);
  }

  run(): RunReport {
    try {
      this.#runPhases();
    } catch (error) {
      return this.#report(error);
    }
    return this.#report(undefined);
  }

  crash(member: MemberId, how: CrashKind): void {
    const core = this.#cores.get(member);
    if (!core?.raft) return;
    core.crash(how);
    this.#timeline.note(`n${member}`, 'down', how);
  }

  start(member: MemberId): void {
    const core = this.#cores.get(member);
    if (!core || core.raft) return;
    this.#maybeDamage(core);
    core.start();
    this.#timeline.note(`n${member}`, 'up', core.raft ? describe(core) : '');
  }

  pause(member: MemberId): void {
    this.#cores.get(member)?.clock?.pause();
  }

  resume(member: MemberId): void {
    this.#cores.get(member)?.clock?.resume();
  }

  jumpWall(member: MemberId, byMs: number): void {
    this.#cores.get(member)?.jumpWall(byMs);
  }

  holdUp(member: MemberId, forMs: number): void {
    this.#cores.get(member)?.clock?.holdUp(forMs);
  }

  /** A core alone has no disk that could refuse: it dies of it, as a member does. */
  setDisk(member: MemberId, mood: DiskMood): void {
    if (mood === 'failing') {
      this.#endedByDisk.add(member);
      this.crash(member, 'process');
    } else if (mood === 'fine' && this.#endedByDisk.delete(member)) this.start(member);
    this.#cores.get(member)?.setDisk(mood);
  }

  /** Nor is it told by single writes. */
  crashInWrite(member: MemberId, how: CrashKind): void {
    this.crash(member, how);
  }

  /** Rot strikes at starts here: see #maybeDamage. */
  rot(): void {}

  idOf(place: MemberId): MemberId {
    return place;
  }

  /** Core-only members have no identity that could be lost. */
  wipe(): void {}

  /** Cores change places by themselves, see #changeMembership. */
  replace(): void {}

  leader(): MemberId | undefined {
    return this.#leader()?.id;
  }

  transfer(to: MemberId): void {
    this.#leader()?.step({ type: 'transfer-leadership', to });
  }

  /** Its members keep no state. */
  flipMemory(): void {}

  #makeMembers(): void {
    const { members } = this;
    const isWhole = !this.#changesMembership || this.#random.fraction() < 0.7;
    const voters = isWhole ? members : members.slice(0, 3);
    const configuration = newConfiguration({ voters });
    const settings = randomSettings(this.#random);
    const snapshotEvery = pick(this.#random, [10, 40, 200]);
    for (const id of members) {
      const random = fork(this.#random);
      const member = new RaftMember({
        id,
        configuration,
        settings,
        network: this.#network,
        random,
        watcher: this.#referee,
        // Wide apart, so that no boot's time is another's (replica/boot-clock.ts).
        newClock: () => newMemberClock(this.#queue, random, { startMaxMs: 2 ** 40 }),
        snapshotEvery,
      });
      member.peerOf = (peer) => this.#cores.get(peer) as RaftMember;
      this.#cores.set(id, member);
    }
  }

  #newPlan({ faultsMs = 20_000, scenario, without }: RaftWorldOptions): RunPlan {
    const gapMs = pick(this.#random, [200, 500, 1500]);
    return planRun(fork(this.#random), {
      members: this.members,
      badDisks: [],
      startMs: 1000,
      endMs: faultsMs,
      gapMs,
      scenario,
      without: without ?? new Set(),
    });
  }

  #runPhases(): void {
    const driver = new FaultDriver({
      queue: this.#queue,
      network: this.#network,
      target: this,
      timeline: this.#timeline,
    });
    for (const member of this.members) this.start(member);
    driver.schedule(this.#plan.faults);
    this.#operateLater();
    this.#queue.run(this.#plan.endMs);
    this.#isHealed = true;
    driver.healAll();
    this.#converge();
  }

  /** Clients: proposals, reads, and now and then another membership. */
  #operateLater(): void {
    if (this.#isHealed) return;
    this.#operate();
    this.#queue.after(2 * operationGapMs * this.#random.fraction(), () => this.#operateLater());
  }

  #operate(): void {
    const choice = this.#random.fraction();
    const anyone = this.#cores.get(pick(this.#random, this.members));
    // A read that a follower asks for goes another way: as often as a leader's own.
    const leaderShare = choice >= 0.7 && choice < 0.98 ? 0.4 : 0.7;
    const member = this.#random.fraction() < leaderShare ? (this.#leader() ?? anyone) : anyone;
    if (!member?.raft || member.clock?.paused) return;
    if (choice < 0.7) this.#propose(member);
    else if (choice < 0.98) this.#read(member);
    else if (this.#changesMembership) this.#changeMembership(member);
  }

  #propose(member: RaftMember): void {
    const proposals = Array.from({ length: this.#random.integer(1, 6) }, () => {
      const id = this.#nextRequest();
      const payload = new Uint8Array(8 + this.#random.integer(0, 60));
      new DataView(payload.buffer).setBigUint64(0, id);
      return { requestId: id, payload };
    });
    member.step({ type: 'propose', proposals });
  }

  #read(member: RaftMember): void {
    const id = this.#nextRequest();
    this.#referee.readCalled(id);
    member.read(id);
  }

  #changeMembership(member: RaftMember): void {
    const shuffled = this.members.filter(() => this.#random.fraction() < 0.75);
    const voters = shuffled.slice(0, this.#random.integer(1, shuffled.length + 1));
    const learners = this.members.filter(
      (id) => !voters.includes(id) && this.#random.fraction() < 0.5,
    );
    const target = newConfiguration({ voters, learners });
    this.#timeline.note('-', 'membership', formatConfiguration(target));
    member.step({ type: 'change-membership', requestId: this.#nextRequest(), target });
  }

  /** A failpoint: a member that has just voted dies, and is back before the election is over. */
  #maybeCrashVoter(member: RaftMember): void {
    if (this.#isHealed || this.#random.fraction() >= this.#voterCrashShare) return;
    this.#queue.after(2 * this.#random.fraction(), () => {
      if (this.#isHealed) return;
      this.crash(member.id, 'process');
      // The vote that it has just given may be what its disk then forgets.
      if (this.#random.fraction() < 0.3) this.#damage(member, 'status');
      this.#queue.after(5 * this.#random.fraction(), () => this.start(member.id));
    });
  }

  #maybeDamage(core: RaftMember): void {
    if (this.#random.fraction() > 0.1) return;
    this.#damage(core, this.#random.fraction() < 0.6 ? 'rot' : 'status');
  }

  /** At most one member at a time is damaged: the others hold what it lost. */
  #damage(core: RaftMember, what: 'rot' | 'status'): void {
    if (this.#isHealed || this.#changesMembership) return;
    const isWhole = [...this.#cores.values()].every(({ storage, raft }) => {
      const status = raft?.status();
      const knowsOfNothing = !status || (!status.repairing && !status.statusLost);
      // What it knows is not on its disk yet, and would be forgotten by a crash.
      return knowsOfNothing && storage.isWhole;
    });
    if (!isWhole || this.members.length < 3) return;
    if (!core.damage(what)) return;
    this.#damages += 1;
    this.#timeline.note(`n${core.id}`, 'damaged', what);
  }

  #converge(): void {
    const deadlineMs = this.#queue.nowMs + convergeMs;
    while (this.#queue.nowMs < deadlineMs) {
      const leader = this.#leader();
      if (leader) this.#propose(leader);
      this.#queue.run(this.#queue.nowMs + 400);
      if (this.#isConverged()) return;
    }
    const states = [...this.#cores.values()].map((core) => `n${core.id} ${describe(core)}`);
    throw new Violation('liveness', ['no equal state after the heal:', ...states].join('\n  '));
  }

  #isConverged(): boolean {
    const leader = this.#leader();
    const status = leader?.raft?.status();
    if (!leader || !status?.hasCommittedInTerm || status.commit < status.last.index) return false;
    return membersOf(status.configuration).every((id) => {
      const member = this.#cores.get(id);
      return member?.applied === leader.applied && member.stateHash === leader.stateHash;
    });
  }

  /** The leader of the highest term. */
  #leader(): RaftMember | undefined {
    let best: RaftMember | undefined;
    for (const core of this.#cores.values()) {
      const status = core.raft?.status();
      if (status?.role !== 'leader') continue;
      if (status.term > (best?.raft?.status().term ?? -1)) best = core;
    }
    return best;
  }

  #nextRequest() {
    this.#requests += 1n;
    return requestId(this.#requests);
  }

  #report(error: unknown): RunReport {
    return {
      seed: this.#seed,
      failure: error === undefined ? undefined : failureOf(error),
      simulatedMs: this.#queue.nowMs,
      traceHash: this.#timeline.hash,
      lines: this.#timeline.lines,
      faults: this.#plan.faults.length,
      counters: {
        ...this.#referee.counters,
        damages: this.#damages,
        frames: this.#network.counters.delivered,
      },
    };
  }
}

const describe = (core: RaftMember): string => core.raft?.describe() ?? 'down';

/** A generator of its own, so that one part's use of chance does not move another's. */
const fork = (random: Random): Random => new SeededRandom(random.integer(0, 2 ** 48));

/** Small limits now and then, so that every limit is met. */
function randomSettings(random: Random): RaftSettings {
  return {
    ...defaultRaftSettings,
    appendBytesMax: pick(random, [200, 1000, defaultRaftSettings.appendBytesMax]),
    appendCountMax: pick(random, [1, 3, defaultRaftSettings.appendCountMax]),
    inflightCountMax: pick(random, [1, 2, defaultRaftSettings.inflightCountMax]),
    inflightBytesMax: pick(random, [300, defaultRaftSettings.inflightBytesMax]),
    uncommittedBytesMax: pick(random, [2000, defaultRaftSettings.uncommittedBytesMax]),
    commitNoticeMs: pick(random, [0, 40, defaultRaftSettings.commitNoticeMs]),
    spareAppendMs: pick(random, [0, 40, defaultRaftSettings.spareAppendMs]),
    idleCommitMs: pick(random, [0, 2000, defaultRaftSettings.idleCommitMs]),
    readRoundMs: pick(random, [0, 40, defaultRaftSettings.readRoundMs]),
  };
}
