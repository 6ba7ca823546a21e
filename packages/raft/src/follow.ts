// Following, and ceasing to follow. Every way out of another role leads through becomeFollower.
import { assert } from '@holdfast/base/assert';
import { index, type MemberId, type Term } from '@holdfast/base/ids';
import type { Core } from './core.ts';
import { abandonReads } from './round.ts';

const noOne = index(0);

/** Follows `leader` (or nobody yet) in `newTerm`; a newer term clears the vote. */
export function becomeFollower(
  core: Core,
  newTerm: Term,
  follow: { readonly leader: MemberId | undefined; readonly why: string },
): void {
  assert(newTerm >= core.term, 'terms never decrease');
  const isNewTerm = newTerm > core.term;
  const wasLeader = core.role.name === 'leader';
  if (isNewTerm || wasLeader || follow.leader !== core.leader) {
    abandonReads(core);
    core.verified = noOne;
    core.ackedToLeader = noOne;
  }
  if (isNewTerm) core.saveState({ term: newTerm, vote: undefined });
  core.leader = follow.leader;
  core.heardLeaderMs = follow.leader === undefined ? Number.NEGATIVE_INFINITY : core.nowMs;
  if (isNewTerm || core.role.name !== 'follower') core.become({ name: 'follower' }, follow.why);
  // A request that is then refused must not postpone this member's own try (C-09).
  if (wasLeader || follow.leader !== undefined) {
    core.electionAtMs = core.nowMs + core.electionDelayMs();
  }
}

/** The leader is gone for sure: forget it, and ask for pre-votes almost at once (safety.md 12). */
export function forgetLeader(core: Core, why: string): void {
  if (core.role.name !== 'follower' || core.leader === undefined) return;
  becomeFollower(core, core.term, { leader: undefined, why });
  core.electionAtMs = core.nowMs + core.random.integer(0, core.settings.refusedMaxMs);
}
