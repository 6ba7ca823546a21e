// How damaged members became whole in a run, counted by the way: what a campaign must have played
// often to say anything about safety.md 5. Looks at members between their steps; judges nothing.
import type { Index, MemberId } from '@holdfast/base/ids';

/** A member's core, as far as its repair shows. */
export type SeenRepair = {
  readonly repairing: boolean;
  readonly statusLost: boolean;
  readonly leader: MemberId | undefined;
  readonly purged: { readonly index: Index };
};

type Under = { readonly purged: Index; readonly statusLost: boolean };

export type RepairWay = 'leader' | 'logs' | 'snapshot';

export class RepairTally {
  readonly #under = new Map<MemberId, Under>();
  readonly #repaired = { leader: 0, logs: 0, snapshot: 0 };
  #begun = 0;
  #statusReplaced = 0;

  get counters(): Readonly<Record<string, number>> {
    return {
      repairsBegun: this.#begun,
      repairedByLeader: this.#repaired.leader,
      repairedByLogs: this.#repaired.logs,
      repairedBySnapshot: this.#repaired.snapshot,
      statusReplaced: this.#statusReplaced,
    };
  }

  /** What comes next is another boot, which may have to begin again. */
  forget(member: MemberId): void {
    this.#under.delete(member);
  }

  /** Between two steps. Answers in which way the member has just become whole, if it has. */
  observe(member: MemberId, seen: SeenRepair): RepairWay | undefined {
    const under = this.#under.get(member);
    const isDamaged = seen.repairing || seen.statusLost;
    if (!under) {
      if (isDamaged) this.#begin(member, seen);
      return undefined;
    }
    if (under.statusLost && !seen.statusLost) {
      this.#statusReplaced += 1;
      this.#under.set(member, { ...under, statusLost: false });
    }
    if (isDamaged) return undefined;
    this.#under.delete(member);
    const way = wayOf(under, seen);
    this.#repaired[way] += 1;
    return way;
  }

  #begin(member: MemberId, { purged, statusLost }: SeenRepair): void {
    this.#begun += 1;
    this.#under.set(member, { purged: purged.index, statusLost });
  }
}

/** A log that begins later than before was begun anew behind a peer's snapshot. */
function wayOf(under: Under, { leader, purged }: SeenRepair): RepairWay {
  if (leader !== undefined) return 'leader';
  return purged.index > under.purged ? 'snapshot' : 'logs';
}
