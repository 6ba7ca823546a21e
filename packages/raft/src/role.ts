// The role of a core, and the same as plain data.
import type { MemberId } from '@holdfast/base/ids';
import type { LeaderState } from './leader-state.ts';
import { Progress, type ProgressCapture } from './progress.ts';

export type Role =
  | { readonly name: 'follower' }
  | {
      readonly name: 'pre-candidate';
      readonly granted: Set<MemberId>;
      readonly refused: Set<MemberId>;
    }
  | {
      readonly name: 'candidate';
      readonly granted: Set<MemberId>;
      readonly refused: Set<MemberId>;
      /** The status save after which the own vote counts. */
      readonly voteSequence: number;
    }
  | { readonly name: 'leader'; readonly leader: LeaderState };

type Votes = { readonly granted: readonly MemberId[]; readonly refused: readonly MemberId[] };

type LeaderCapture = Omit<LeaderState, 'progress' | 'rounds' | 'waitingReads'> & {
  readonly progress: readonly (readonly [MemberId, ProgressCapture])[];
  readonly rounds: readonly LeaderState['rounds'][number][];
  readonly waitingReads: readonly LeaderState['waitingReads'][number][];
};

export type RoleCapture =
  | { readonly name: 'follower' }
  | ({ readonly name: 'pre-candidate' } & Votes)
  | ({ readonly name: 'candidate'; readonly voteSequence: number } & Votes)
  | { readonly name: 'leader'; readonly leader: LeaderCapture };

export function captureRole(role: Role): RoleCapture {
  switch (role.name) {
    case 'follower':
      return role;
    case 'pre-candidate':
    case 'candidate':
      return { ...role, granted: [...role.granted], refused: [...role.refused] };
    case 'leader':
      return { name: 'leader', leader: captureLeader(role.leader) };
  }
}

export function resumeRole(role: RoleCapture): Role {
  switch (role.name) {
    case 'follower':
      return role;
    case 'pre-candidate':
    case 'candidate':
      return { ...role, granted: new Set(role.granted), refused: new Set(role.refused) };
    case 'leader':
      return { name: 'leader', leader: resumeLeader(role.leader) };
  }
}

function captureLeader(leader: LeaderState): LeaderCapture {
  return {
    ...leader,
    progress: [...leader.progress].map(([id, one]) => [id, one.capture()] as const),
    rounds: [...leader.rounds],
    waitingReads: [...leader.waitingReads],
  };
}

function resumeLeader(leader: LeaderCapture): LeaderState {
  return {
    ...leader,
    progress: new Map(leader.progress.map(([id, one]) => [id, Progress.resume(one)])),
    rounds: [...leader.rounds],
    waitingReads: [...leader.waitingReads],
  };
}
