// How a member becomes leader, and how it helps others to (thesis 3.4, 3.6.1, 9.6). A candidate
// asks for pre-votes first, in a term that nobody enters, so that a member that cannot win disturbs
// nobody.
import { assert } from '@holdfast/base/assert';
import { index, type MemberId, type Term, term } from '@holdfast/base/ids';
import { hasQuorum, isVoter, membersOf, quorumImpossible } from './configuration.ts';
import type { Core } from './core.ts';
import { isUpToDate } from './entry.ts';
import { becomeFollower, forgetLeader } from './follow.ts';
import { becomeLeader } from './leader.ts';
import type {
  PreVoteRequest,
  PreVoteResponse,
  TermResponse,
  VoteRequest,
  VoteResponse,
} from './message.ts';
import { abandonReads } from './round.ts';

/** The election timer fired, in whatever role but leader. */
export function electionTimeout(core: Core): void {
  // While a status is being saved, whatever is asked would only be held back; and a candidate whose
  // disk is slow has not been heard by anybody yet.
  if (!core.mayCampaign || !core.isStatusSynced) {
    forgetLeader(core, 'leader silent');
    core.electionAtMs = core.nowMs + core.electionDelayMs();
    return;
  }
  askForPreVotes(core, 'election timeout');
}

export function askForPreVotes(core: Core, why: string): void {
  abandonReads(core);
  core.leader = undefined;
  core.electionAtMs = core.nowMs + core.retryDelayMs();
  core.become({ name: 'pre-candidate', granted: new Set([core.id]), refused: new Set() }, why);
  if (hasQuorum(core.configuration, (id) => id === core.id)) {
    askForVotes(core, { transfer: false, why: 'alone' });
    return;
  }
  for (const to of otherVoters(core)) {
    core.send({ type: 'pre-vote-request', to, lastLog: core.log.last }, nextTerm(core));
  }
}

/** Enters the next term and asks for real votes; its own counts once it is synced. */
export function askForVotes(
  core: Core,
  options: { readonly transfer: boolean; readonly why: string },
): void {
  assert(core.mayCampaign, 'only a voter with a whole log and status campaigns');
  abandonReads(core);
  core.leader = undefined;
  const voteSequence = core.saveState({ term: nextTerm(core), vote: core.id });
  const { electionMinMs } = core.settings;
  core.electionAtMs = core.nowMs + core.random.integer(electionMinMs / 2, electionMinMs);
  core.become(
    { name: 'candidate', granted: new Set(), refused: new Set(), voteSequence },
    options.why,
  );
  for (const to of otherVoters(core)) {
    core.send({ type: 'vote-request', to, lastLog: core.log.last, transfer: options.transfer });
  }
}

/** A status save was synced: perhaps the one that holds this candidate's own vote. */
export function ownVotePersisted(core: Core, sequence: number): void {
  if (core.role.name !== 'candidate' || core.role.voteSequence > sequence) return;
  core.role.granted.add(core.id);
  // The requests leave only now: their answers have not been waited for yet.
  core.electionAtMs = Math.max(core.electionAtMs, core.nowMs + core.settings.electionMinMs / 2);
  countVotes(core);
}

export function handlePreVoteRequest(core: Core, message: PreVoteRequest): void {
  const granted = wouldVote(core, message);
  core.send({
    type: 'pre-vote-response',
    to: message.from,
    granted,
    requestTerm: message.term,
  });
  // Safety.md 11: the asker can't win, this voter can; waiting out its own timer helps nobody.
  const isLonger = !isUpToDate(message.lastLog, core.log.last);
  if (
    !granted &&
    isLonger &&
    core.role.name === 'follower' &&
    !core.hearsLeader &&
    core.mayCampaign
  ) {
    askForPreVotes(core, 'own log is longer');
  }
}

function wouldVote(core: Core, message: PreVoteRequest): boolean {
  return (
    core.mayPromise &&
    message.term > core.term &&
    !core.hearsLeader &&
    isUpToDate(message.lastLog, core.log.last)
  );
}

export function handlePreVoteResponse(core: Core, message: PreVoteResponse): void {
  if (core.role.name !== 'pre-candidate' || message.requestTerm !== nextTerm(core)) return;
  if (message.granted) core.role.granted.add(message.from);
  else core.role.refused.add(message.from);
  const { granted, refused } = core.role;
  if (hasQuorum(core.configuration, (id) => granted.has(id))) {
    askForVotes(core, { transfer: false, why: 'pre-vote won' });
  } else if (quorumImpossible(core.configuration, (id) => refused.has(id))) {
    loseElection(core, 'pre-vote lost');
  }
}

/** The request's term is ours: any newer one was entered before. */
export function handleVoteRequest(core: Core, message: VoteRequest): void {
  const { vote } = core.hardState;
  const granted =
    core.mayPromise &&
    core.role.name !== 'leader' &&
    (vote === message.from || (vote === undefined && core.leader === undefined)) &&
    isUpToDate(message.lastLog, core.log.last);
  if (granted) {
    if (vote === undefined) core.saveState({ vote: message.from });
    core.electionAtMs = core.nowMs + core.electionDelayMs();
  }
  core.send({ type: 'vote-response', to: message.from, granted });
}

export function handleVoteResponse(core: Core, message: VoteResponse): void {
  if (core.role.name !== 'candidate') return;
  if (message.granted) core.role.granted.add(message.from);
  else core.role.refused.add(message.from);
  countVotes(core);
}

function countVotes(core: Core): void {
  if (core.role.name !== 'candidate') return;
  const { granted, refused } = core.role;
  if (!granted.has(core.id)) return; // The own vote is not synced yet.
  if (hasQuorum(core.configuration, (id) => granted.has(id))) becomeLeader(core);
  else if (quorumImpossible(core.configuration, (id) => refused.has(id))) {
    loseElection(core, 'vote lost');
  }
}

/** A lost or split vote: again soon, at a random moment (safety.md 11, C-08). */
function loseElection(core: Core, why: string): void {
  core.become({ name: 'follower' }, why);
  core.electionAtMs = core.nowMs + core.retryDelayMs();
}

export function handleTimeoutNow(core: Core): void {
  if (core.mayCampaign && core.role.name !== 'leader') {
    askForVotes(core, { transfer: true, why: 'leadership transferred' });
  }
}

/** Asks every other voter for its term, until all have answered (safety.md 4). */
export function requestTerms(core: Core): void {
  if (!core.heardTerms) return;
  core.nextTermRequestMs = core.nowMs + core.settings.heartbeatMs;
  for (const to of otherVoters(core)) core.send({ type: 'term-request', to });
  concludeHeardTerms(core);
}

export function handleTermResponse(core: Core, message: TermResponse): void {
  core.heardTerms?.set(message.from, { term: message.term, lost: message.lost });
  concludeHeardTerms(core);
}

/** From a member that may promise nothing, or even knows its own term no more. */
export function answerTermRequest(core: Core, to: MemberId): void {
  const lost = core.heardTerms !== undefined;
  core.send({ type: 'term-response', to, lost }, lost ? core.log.last.term : core.term);
}

/**
 * Of which voters a member that lost its status must still hear. Others that lost theirs as well
 * are no hindrance as long as those who have not are a quorum: one of them was in every election
 * that was won, and a candidate that lost its status stands for election no more. Without that
 * quorum nobody can prove what was promised.
 */
export function unheardVoters(core: Core): readonly MemberId[] {
  const heard = core.heardTerms;
  if (!heard) return [];
  const voters = otherVoters(core);
  const unheard = voters.filter((id) => !heard.has(id));
  const lost = voters.filter((id) => heard.get(id)?.lost);
  const isProven = hasQuorum(core.configuration, (id) => heard.get(id)?.lost === false);
  return lost.length === 0 || isProven ? unheard : [...unheard, ...lost];
}

/** All were heard: no vote that was forgotten can lie above the highest of these terms. */
function concludeHeardTerms(core: Core): void {
  const heard = core.heardTerms;
  if (!heard || unheardVoters(core).length > 0) return;
  const terms = [...heard.values()].map((one) => one.term);
  const highest = Math.max(core.term, core.log.last.term, ...terms);
  core.heardTerms = undefined;
  // The lost file also said whether the log has a hole. Where the others can elect a leader without
  // this member, that is found out before it promises anything again.
  const canBeRepaired = hasQuorum(core.configuration, (id) => id !== core.id);
  if (canBeRepaired)
    core.saveState({ repairing: core.hardState.repairing ?? { target: index(0) } });
  becomeFollower(core, term(highest + 1), { leader: undefined, why: 'lost status replaced' });
}

const otherVoters = (core: Core): readonly MemberId[] =>
  membersOf(core.configuration).filter((id) => id !== core.id && isVoter(core.configuration, id));

const nextTerm = (core: Core): Term => term(core.term + 1);
