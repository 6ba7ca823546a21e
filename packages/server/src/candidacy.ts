// A machine that has joined votes as soon as it has caught up: it asks the leader for that again
// and again, who refuses while it lags (member-plan.ts). Whoever made it an observer afterwards is
// obeyed: once it has voted, it asks no more.
import { type Clock, pause } from '@holdfast/base/clock';
import { isHoldfastError } from '@holdfast/base/errors';
import type { MemberId } from '@holdfast/base/ids';
import type { EngineStatus } from '@holdfast/engine/engine';
import type { MemberChange } from '@holdfast/engine/member-plan';

import type { Log } from './log.ts';

export type CandidacyOptions = {
  readonly clock: Clock;
  readonly log: Pick<Log, 'info' | 'debug'>;
  readonly status: () => EngineStatus | undefined;
  readonly change: (changes: readonly MemberChange[], signal: AbortSignal) => Promise<void>;
  /** It votes. */
  readonly onPromoted: () => void;
};

const againMs = 500;

export async function standForVoter(options: CandidacyOptions, signal: AbortSignal): Promise<void> {
  const { clock, log, status, onPromoted } = options;
  while (!signal.aborted) {
    const now = status();
    if (now && isVoting(now)) {
      log.info({ term: now.term }, 'this member has caught up, and votes from now on');
      return onPromoted();
    }
    if (now && now.role === 'observer' && now.leader !== undefined) {
      await ask(options, now.memberId, signal);
    }
    await pause(clock, againMs, signal);
  }
}

const isVoting = ({ role }: EngineStatus): boolean =>
  role === 'follower' || role === 'candidate' || role === 'leader';

async function ask(
  { change, log }: CandidacyOptions,
  id: MemberId,
  signal: AbortSignal,
): Promise<void> {
  try {
    await change([{ kind: 'promote', id }], signal);
  } catch (error) {
    if (!isHoldfastError(error)) throw error;
    log.debug({ reason: error.message }, 'not promoted yet');
  }
}
