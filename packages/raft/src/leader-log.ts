// The leader's own appends, and whom they go to. A configuration takes effect as it is appended, so
// appending one also changes who is tracked.
import { next } from '@holdfast/base/ids';
import { membersOf } from './configuration.ts';
import type { Core } from './core.ts';
import type { EntryKind, LogId } from './entry.ts';
import type { LeaderState } from './leader-state.ts';
import { Progress } from './progress.ts';

/**
 * Appends one entry of the present term. It leaves for the followers with the next Ready, and for
 * those that are spare in their time; a configuration hurries: who is not in it may soon be
 * followed no more.
 */
export function appendOwn(
  core: Core,
  leader: LeaderState,
  what: { readonly kind: EntryKind; readonly payload: Uint8Array },
): LogId {
  const id = { index: next(core.log.last.index), term: core.term };
  core.appendToLog({ index: id.index, term: id.term, kind: what.kind, payload: what.payload });
  leader.uncommittedBytes += core.log.sizeAt(id.index);
  leader.lastAppendMs = core.nowMs;
  if (what.kind === 'membership') {
    syncProgress(core, leader);
    for (const progress of leader.progress.values()) progress.hurry(core.nowMs);
  }
  return id;
}

/** Follows the configuration: new members are tracked, those that left are forgotten. */
function syncProgress(core: Core, leader: LeaderState): void {
  const members = new Set(membersOf(core.configuration));
  for (const id of leader.progress.keys()) {
    if (!members.has(id)) leader.progress.delete(id);
  }
  for (const id of members) {
    if (id !== core.id && !leader.progress.has(id)) {
      leader.progress.set(id, new Progress(core.log.last.index, core.nowMs));
    }
  }
}
