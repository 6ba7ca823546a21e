// Members that lose their disk in a world: each comes back empty under its old id, must be turned
// away by everybody (safety.md 15), and is replaced by a member of a new id. So is a member that
// lost its status and waits for the word of one that was replaced meanwhile (safety.md 4). Owns who
// is being replaced; each place is wiped once at most.
import { type MemberId, memberId } from '@holdfast/base/ids';
import type { Random } from '@holdfast/base/random';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import type { ClusterMember } from './cluster-member.ts';
import type { EventQueue } from './event-queue.ts';
import { MemberReplacement } from './member-replacement.ts';

export type WipesOptions = {
  readonly queue: EventQueue;
  readonly random: Random;
  readonly cluster: ReadonlyMap<MemberId, ClusterMember>;
  readonly crash: (place: MemberId) => void;
  readonly start: (place: MemberId) => void;
  /** Puts a new member into a place; it is not started yet. */
  readonly replace: (place: MemberId, next: MemberId) => void;
};

/** An operator takes so long until the wiped member is replaced. */
const noticeMaxMs = 3000;
const retryMs = 300;
/** Ids of the members that join; the founders count from 1. */
const firstJoinedId = 100;

export class Wipes {
  readonly #options: WipesOptions;
  readonly #replacements = new Map<MemberId, MemberReplacement>();

  constructor(options: WipesOptions) {
    this.#options = options;
  }

  get count(): number {
    return this.#replacements.size;
  }

  get areOver(): boolean {
    return [...this.#replacements.values()].every(({ isOver }) => isOver);
  }

  wipe(place: MemberId): void {
    const { queue, random, cluster, crash, start } = this.#options;
    const member = cluster.get(place);
    if (!member || this.#replacements.has(place) || !this.#isBoundElsewhere(place)) return;
    crash(place);
    member.wipe();
    start(place);
    const replacement = this.#newReplacement(place, member);
    queue.after(noticeMaxMs * random.fraction(), () => this.#advance(replacement));
  }

  /** What an operator does about members that say that they wait for somebody who is gone. */
  replaceStranded(): void {
    const { cluster } = this.#options;
    const ids = new Set([...cluster.values()].map(({ id }) => id));
    for (const [place, member] of cluster) {
      const waitsFor = member.engine?.replica.raft?.unheardVoters ?? [];
      const isStranded = waitsFor.some((id) => !ids.has(id));
      if (isStranded && !this.#replacements.has(place)) {
        this.#advance(this.#newReplacement(place, member));
      }
    }
  }

  /** A wiped directory is recognised where the old one was bound, and not before. */
  #isBoundElsewhere(place: MemberId): boolean {
    const { cluster } = this.#options;
    return [...cluster].every(
      ([at, { engine, id }]) =>
        at === place || (engine?.store.members().length === cluster.size && id === at),
    );
  }

  #newReplacement(place: MemberId, member: ClusterMember): MemberReplacement {
    const { cluster, replace, crash, start } = this.#options;
    const next = memberId(BigInt(firstJoinedId + this.#replacements.size));
    const replacement = new MemberReplacement({
      old: member.id,
      next,
      leader: () => leaderOf(cluster),
      onAdmitted: () => {
        crash(place);
        replace(place, next);
        start(place);
      },
      newcomer: () => {
        const now = cluster.get(place);
        return now === member ? undefined : now?.engine;
      },
    });
    this.#replacements.set(place, replacement);
    return replacement;
  }

  #advance(replacement: MemberReplacement): void {
    replacement.advance();
    if (!replacement.isOver) this.#options.queue.after(retryMs, () => this.#advance(replacement));
  }
}

function leaderOf(cluster: ReadonlyMap<MemberId, ClusterMember>): EmbeddedEngine | undefined {
  for (const { engine, clock } of cluster.values()) {
    if (engine?.replica.isLeader && !clock?.paused) return engine;
  }
  return undefined;
}
