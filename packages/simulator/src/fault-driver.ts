// Lets a fault plan happen to a world, and undoes all of it at the end. Owns which faults are on.
import type { MemberId } from '@holdfast/base/ids';
import type { RotPlace } from './disk-rot.ts';
import type { EventQueue } from './event-queue.ts';
import { type CrashKind, describeFault, type Fault, type OldMachine } from './fault.ts';
import type { PlannedFault } from './fault-plan.ts';
import { calmWeather } from './link-weather.ts';
import type { DiskMood } from './member-disk.ts';
import type { FaultyNetwork } from './member-network.ts';
import type { Timeline } from './timeline.ts';

/** What a world lets be done to its members. Each method is harmless where it does not apply. */
export interface FaultTarget {
  /** The places that faults are planned for. */
  readonly members: readonly MemberId[];
  /** Whose member leads now, as far as any does. */
  leader(): MemberId | undefined;
  /** Who takes that place now. */
  idOf(place: MemberId): MemberId;
  /** Also of a member that is down already: the machine loses power after its process died. */
  crash(member: MemberId, how: CrashKind): void;
  crashInWrite(member: MemberId, how: CrashKind, operations: number): void;
  /** Starts a crashed member from what its disk still holds. */
  start(member: MemberId): void;
  pause(member: MemberId): void;
  resume(member: MemberId): void;
  holdUp(member: MemberId, forMs: number): void;
  jumpWall(member: MemberId, byMs: number): void;
  setDisk(member: MemberId, mood: DiskMood): void;
  rot(member: MemberId, bits: number, place?: RotPlace): void;
  wipe(member: MemberId): void;
  replace(member: MemberId, machine: OldMachine): void;
  transfer(to: MemberId): void;
  flipMemory(): void;
}

/** So many, that mostly both copies are struck of what there are two of. */
const decayBits: Readonly<Record<RotPlace, number>> = { log: 1, snapshots: 4, status: 8 };

/** A member whose disk decays is down for so long. */
const decayDownMs = 20;

export type FaultDriverOptions = {
  readonly queue: EventQueue;
  readonly network: FaultyNetwork;
  readonly target: FaultTarget;
  readonly timeline: Timeline;
};

export class FaultDriver {
  readonly #queue: EventQueue;
  readonly #network: FaultyNetwork;
  readonly #target: FaultTarget;
  readonly #timeline: Timeline;
  readonly #lagging = new Set<Fault>();
  readonly #ailing = new Map<Fault, readonly MemberId[]>();
  #ended = false;

  constructor({ queue, network, target, timeline }: FaultDriverOptions) {
    this.#queue = queue;
    this.#network = network;
    this.#target = target;
    this.#timeline = timeline;
  }

  schedule(plan: readonly PlannedFault[]): void {
    for (const { atMs, fault, lastsMs } of plan) {
      this.#queue.at(atMs, () => this.#begin(fault, lastsMs));
    }
  }

  /** The end of all faults: whatever is wrong is put right, and nothing new goes wrong. */
  healAll(): void {
    this.#ended = true;
    this.#timeline.note('-', 'heal', 'all faults end');
    this.#network.weather = calmWeather;
    this.#network.healAll();
    for (const member of this.#target.members) {
      this.#target.resume(member);
      this.#target.setDisk(member, 'fine');
      this.#target.start(member);
    }
  }

  #begin(fault: Fault, lastsMs: number): void {
    if (this.#ended) return;
    this.#timeline.note('-', 'fault', describeFault(fault));
    this.#apply(fault);
    if (lastsMs > 0) this.#queue.after(lastsMs, () => this.#end(fault));
  }

  #apply(fault: Fault): void {
    switch (fault.type) {
      case 'crash':
        return this.#target.crash(fault.member, fault.how);
      case 'crash-in-write':
        return this.#target.crashInWrite(fault.member, fault.how, fault.operations);
      case 'crash-loop':
        return this.#crashAgain(fault, 0);
      case 'blackout':
        return this.#target.members.forEach((member) => {
          this.#target.crash(member, 'power');
        });
      case 'pause':
        return this.#target.pause(fault.member);
      case 'lag':
        return this.#holdUp(fault);
      case 'partition':
        return this.#eachCut(fault.group, (a, b) => this.#cut(a, b));
      case 'one-way':
        return this.#cut(fault.from, fault.to);
      case 'slow-link':
        return this.#slowDown(fault, fault.byMs);
      case 'reset-links':
        return this.#network.reset(this.#target.idOf(fault.a), this.#target.idOf(fault.b));
      case 'weather':
        this.#network.weather = fault.weather;
        return;
      case 'wall-jump':
        return this.#target.jumpWall(fault.member, fault.byMs);
      case 'disk':
        return this.#target.setDisk(fault.member, fault.mood);
      case 'ailing-disks':
        return this.#spoilDisks(fault);
      case 'rot':
        return this.#target.rot(fault.member, fault.bits);
      case 'decay':
        return this.#decay(fault);
      case 'wipe':
        return this.#target.wipe(fault.member);
      case 'replace':
        return this.#target.replace(fault.member, fault.machine);
      case 'transfer':
        return this.#target.transfer(fault.to);
      case 'flip-memory':
        return this.#target.flipMemory();
    }
  }

  #end(fault: Fault): void {
    if (this.#ended) return;
    this.#timeline.note('-', 'fault ends', describeFault(fault));
    this.#undo(fault);
  }

  #undo(fault: Fault): void {
    switch (fault.type) {
      case 'crash':
      case 'crash-in-write':
        return this.#target.start(fault.member);
      case 'decay':
        return fault.away === undefined ? undefined : this.#target.start(fault.away);
      case 'blackout':
        return this.#startAll(fault.staggerMs);
      case 'pause':
        return this.#target.resume(fault.member);
      case 'partition':
        return this.#eachCut(fault.group, (a, b) => this.#heal(a, b));
      case 'one-way':
        return this.#heal(fault.from, fault.to);
      case 'slow-link':
        return this.#slowDown(fault, 0);
      case 'weather':
        this.#network.weather = calmWeather;
        return;
      case 'disk':
        return this.#target.setDisk(fault.member, 'fine');
      case 'ailing-disks':
        for (const member of this.#ailing.get(fault) ?? []) this.#target.setDisk(member, 'fine');
        return;
      case 'lag':
        this.#lagging.delete(fault);
        return;
      case 'crash-loop':
      case 'reset-links':
      case 'wall-jump':
      case 'rot':
      case 'wipe':
      case 'replace':
      case 'transfer':
      case 'flip-memory':
        return;
    }
  }

  /** One crash of a loop, a start, and the next one soon behind it, in the middle of recovery. */
  #crashAgain(fault: Fault & { readonly type: 'crash-loop' }, at: number): void {
    const { member, hows, gapMs } = fault;
    const how = hows[at];
    if (how === undefined || this.#ended) return this.#target.start(member);
    this.#target.crash(member, how);
    this.#queue.after(gapMs / 4, () => {
      // Now and then the next crash hits a machine whose process is not back yet.
      if (at % 3 !== 2) this.#target.start(member);
      this.#queue.after(gapMs, () => this.#crashAgain(fault, at + 1));
    });
  }

  #decay({ member, how, place, away }: Fault & { readonly type: 'decay' }): void {
    this.#target.crash(member, how);
    if (away !== undefined) this.#target.crash(away, how);
    this.#target.rot(member, decayBits[place], place);
    this.#queue.after(decayDownMs, () => this.#target.start(member));
  }

  #spoilDisks(fault: Fault & { readonly type: 'ailing-disks' }): void {
    const { members } = this.#target;
    const leader = this.#target.leader() ?? members[0];
    const others = members.filter((one) => one !== leader);
    const count = { leader: 0, majority: Math.floor(members.length / 2), all: others.length };
    const whom = members.filter((one) => one === leader || others.indexOf(one) < count[fault.whom]);
    this.#ailing.set(fault, whom);
    for (const member of whom) this.#target.setDisk(member, fault.mood);
  }

  #startAll(staggerMs: number): void {
    const { members } = this.#target;
    for (const [at, member] of members.entries()) {
      this.#queue.after((at * staggerMs) / members.length, () => this.#target.start(member));
    }
  }

  #holdUp(fault: Fault & { readonly type: 'lag' }): void {
    this.#lagging.add(fault);
    const again = (): void => {
      if (this.#ended || !this.#lagging.has(fault)) return;
      this.#target.holdUp(fault.member, fault.holdMs);
      this.#queue.after(1.5 * fault.holdMs, again);
    };
    again();
  }

  #cut(from: MemberId, to: MemberId): void {
    this.#network.cut(this.#target.idOf(from), this.#target.idOf(to));
  }

  #heal(from: MemberId, to: MemberId): void {
    this.#network.heal(this.#target.idOf(from), this.#target.idOf(to));
  }

  #slowDown({ from, to }: Fault & { readonly type: 'slow-link' }, byMs: number): void {
    this.#network.slowDown(this.#target.idOf(from), this.#target.idOf(to), byMs);
  }

  #eachCut(group: readonly MemberId[], act: (a: MemberId, b: MemberId) => void): void {
    for (const outside of this.#target.members.filter((id) => !group.includes(id))) {
      for (const inside of group) {
        act(inside, outside);
        act(outside, inside);
      }
    }
  }
}
