// What can be said about a lost majority before anything is done about it.
import type { Loss } from './lost-revisions.ts';
import type { MemberPast } from './member-past.ts';
import type { VoterThere } from './voters-there.ts';

export type QuorumReport = {
  readonly kept: MemberPast;
  readonly others: readonly MemberPast[];
  /** Which of them knows more than the one that was named. */
  readonly better: MemberPast | undefined;
  readonly voters: readonly VoterThere[];
  /** With those that answer, and this one once it is started. */
  readonly hasMajority: boolean;
  readonly loss: Loss;
  /** When the last revision was made that it has, if its log still says so. */
  readonly lastMadeAt: string | undefined;
};
