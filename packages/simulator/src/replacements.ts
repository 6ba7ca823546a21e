// Members that give way to others in a world. One that loses its disk comes back empty under its
// old id, must be turned away by everybody (safety.md 15), and is replaced by a member of a new id;
// so is one that lost its status and waits for the word of somebody who is gone (safety.md 4). A
// sound one is replaced because an operator wants it so; its machine may be dead already, be
// switched off later, or be forgotten: then it goes on for ever, and may disturb nobody. Owns which
// places are changing hands.
import { must } from '@holdfast/base/assert';
import { type MemberId, memberId } from '@holdfast/base/ids';
import { pick, type Random } from '@holdfast/base/random';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import { MemberStanding } from '@holdfast/proto/internal';
import type { Admit, ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import type { OldMachine } from './fault.ts';
import { MemberReplacement } from './member-replacement.ts';

export type ReplacementsOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly cluster: ReadonlyMap<MemberId, ClusterMember>;
  readonly crash: (place: MemberId) => void;
  readonly start: (place: MemberId) => void;
  /** Puts a new member into a place, and starts it; the old one goes on beside it. */
  readonly replace: (place: MemberId, next: MemberId, admit: Admit) => void;
  /** Without power, for good. */
  readonly switchOff: (member: ClusterMember) => void;
  readonly onFailure: (error: unknown) => void;
};

/** An operator takes so long until the wiped member is replaced. */
const noticeMaxMs = 3000;
/** Ids of the members that join; the founders count from 1. */
const firstJoinedId = 100;

export class Replacements {
  readonly #options: ReplacementsOptions;
  /** By place; undefined while the operator has not noticed yet. */
  readonly #begun = new Map<MemberId, MemberReplacement | undefined>();
  /** Whose places others take. */
  readonly #leaving = new Map<MemberReplacement, ClusterMember>();
  #count = 0;

  constructor(options: ReplacementsOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#count;
  }

  get areOver(): boolean {
    return [...this.#begun.values()].every((replacement) => replacement?.isOver);
  }

  wipe(place: MemberId): void {
    const { queue, random, cluster, crash, start } = this.#options;
    const member = cluster.get(place);
    if (!member || this.#isChanging(place) || !this.#isBoundElsewhere(place)) return;
    this.#begun.set(place, undefined);
    crash(place);
    member.wipe();
    start(place);
    queue.after(noticeMaxMs * random.fraction(), () => {
      crash(place);
      this.#begin(place, { isGone: true, onOver: () => undefined });
    });
  }

  replace(place: MemberId, machine: OldMachine): void {
    const { cluster, start, switchOff } = this.#options;
    const old = cluster.get(place);
    if (!old || this.#isChanging(place)) return;
    // Whoever replaces a machine that works sees to it that it does until then.
    if (machine !== 'dead') start(place);
    const isOff = machine === 'switched-off';
    this.#begin(place, {
      isGone: machine === 'dead',
      onOver: () => (isOff ? switchOff(old) : undefined),
    });
    if (machine === 'dead') switchOff(old);
  }

  /** What an operator does about members that say that they wait for somebody who is gone. */
  replaceStranded(): void {
    const { cluster, crash } = this.#options;
    const ids = new Set([...cluster.values()].map(({ id }) => id));
    for (const [place, member] of cluster) {
      const waitsFor = member.engine?.replica.raft?.unheardVoters ?? [];
      if (!waitsFor.some((id) => !ids.has(id)) || this.#isChanging(place)) continue;
      crash(place);
      this.#begin(place, { isGone: true, onOver: () => undefined });
    }
  }

  #isChanging(place: MemberId): boolean {
    return this.#begun.has(place) && !this.#begun.get(place)?.isOver;
  }

  /** A wiped directory is recognised where the old one was bound, and not before. */
  #isBoundElsewhere(place: MemberId): boolean {
    const { cluster } = this.#options;
    const wiped = cluster.get(place)?.id;
    return [...cluster].every(([at, { engine }]) => {
      const bound = engine?.store.members().find((one) => one.memberId === wiped);
      return at === place || bound?.standing === MemberStanding.JOINED;
    });
  }

  #begin(place: MemberId, way: { readonly isGone: boolean; readonly onOver: () => void }): void {
    const { queue, cluster, replace, onFailure } = this.#options;
    const next = memberId(BigInt(firstJoinedId + this.#count));
    this.#count += 1;
    const old = must(cluster.get(place), 'somebody is in that place');
    const replacement: MemberReplacement = new MemberReplacement({
      ...{ queue, old: old.id, next, onFailure },
      isGone: way.isGone,
      door: () => this.#door(),
      onOver: () => {
        this.#leaving.delete(replacement);
        way.onOver();
      },
    });
    this.#begun.set(place, replacement);
    this.#leaving.set(replacement, old);
    replace(place, next, async (newcomer, clock) => {
      const members = await replacement.admit(newcomer, clock);
      replacement.promote();
      return members;
    });
  }

  #door(): EmbeddedEngine | undefined {
    const { random, cluster } = this.#options;
    const { engine, clock } = pick(random, [...cluster.values(), ...this.#leaving.values()]);
    return clock?.paused ? undefined : engine;
  }
}
