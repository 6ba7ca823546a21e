// A member that lost its disk gives way to another one, as an operator does it: the old one is
// removed, the new one joins as an observer, and votes when it has caught up (thesis 4.2.1). Owns
// how far this has come; asked again and again, it asks the leader for whatever is still missing.
import type { MemberId } from '@holdfast/base/ids';
import type { EmbeddedEngine } from '@holdfast/engine/embedded-engine';
import { isJoint } from '@holdfast/raft/configuration';

export type MemberReplacementOptions = {
  readonly old: MemberId;
  readonly next: MemberId;
  readonly leader: () => EmbeddedEngine | undefined;
  /** The new member is expected now: its process may start. */
  readonly onAdmitted: () => void;
  /** Undefined while the new one is not up. */
  readonly newcomer: () => EmbeddedEngine | undefined;
};

/** A newcomer that is so few entries behind votes soon. */
const behindMax = 50;

export class MemberReplacement {
  readonly #options: MemberReplacementOptions;
  #isAdmitted = false;
  #isOver = false;

  constructor(options: MemberReplacementOptions) {
    this.#options = options;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  advance(): void {
    const { old, next, leader, onAdmitted } = this.#options;
    const engine = leader();
    const raft = engine?.replica.status().raft;
    if (!engine || !raft || isJoint(raft.configuration)) return;
    const { voters, learners } = raft.configuration;
    const others = learners.filter((id) => id !== next);
    if (voters.includes(old)) {
      const target = { voters: voters.filter((id) => id !== old), learners: [...others, next] };
      engine.replica.changeMembership(target);
      return;
    }
    if (!this.#isAdmitted) onAdmitted();
    this.#isAdmitted = true;
    this.#isOver = voters.includes(next);
    if (this.#isOver || !this.#hasCaughtUp(raft.commit)) return;
    engine.replica.changeMembership({ voters: [...voters, next], learners: others });
  }

  #hasCaughtUp(commit: number): boolean {
    const newcomer = this.#options.newcomer();
    return newcomer !== undefined && newcomer.store.appliedIndex + behindMax >= commit;
  }
}
