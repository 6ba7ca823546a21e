// What a peer's message does to the core: its term is judged first, then it goes to the file that
// has that duty. Owns nothing.
import { assert, unreachable } from '@holdfast/base/assert';
import type { Core } from './core.ts';
import {
  answerTermRequest,
  handlePreVoteRequest,
  handlePreVoteResponse,
  handleTermResponse,
  handleTimeoutNow,
  handleVoteRequest,
  handleVoteResponse,
} from './election.ts';
import { becomeFollower, forgetLeader } from './follow.ts';
import { handleAppendEntries, handleHeartbeat, handleInstallSnapshot } from './follower.ts';
import { handleAppendEntriesResponse } from './leader.ts';
import type { Message } from './message.ts';
import {
  handleHeartbeatResponse,
  handleReadIndexRequest,
  handleReadIndexResponse,
} from './round.ts';

/** Terms first (thesis 3.3), then what the message says. */
export function stepMessage(core: Core, message: Message): void {
  assert(message.to === core.id, 'a message reaches whom it names');
  if (core.heardTerms) {
    // Without a status nothing may be promised, accepted or saved: a term that is saved too early
    // would hide that a vote was forgotten (safety.md 4).
    if (message.type === 'term-response') handleTermResponse(core, message);
    else if (message.type === 'term-request') answerTermRequest(core, message.from);
  } else if (message.type === 'term-request') {
    answerTermRequest(core, message.from);
  } else if (message.type === 'pre-vote-request') {
    handlePreVoteRequest(core, message);
  } else if (message.type === 'pre-vote-response' && message.term < core.term) {
    // It answers for the term that was asked for, wherever its giver still is: one that may not
    // campaign itself would else never learn the term in which its vote is needed.
    handlePreVoteResponse(core, message);
  } else if (message.term < core.term) {
    answerStale(core, message);
  } else if (message.type === 'vote-request' && defendsLeader(core, message)) {
    // Thesis 4.2.3: a server that hears a live leader neither votes nor takes the newer term.
  } else {
    if (message.term > core.term) enterTerm(core, message);
    dispatch(core, message);
  }
}

const defendsLeader = (core: Core, message: Message & { type: 'vote-request' }): boolean =>
  !message.transfer && message.term > core.term && core.hearsLeader;

function enterTerm(core: Core, message: Message): void {
  const isLeaders =
    message.type === 'append-entries' ||
    message.type === 'heartbeat' ||
    message.type === 'install-snapshot';
  const leader = isLeaders ? message.from : undefined;
  becomeFollower(core, message.term, { leader, why: `term ${message.term} seen` });
}

/** Tells a sender whose term is over that it is; answers to nobody's question are dropped. */
function answerStale(core: Core, message: Message): void {
  if (message.type === 'vote-request') {
    core.send({ type: 'vote-response', to: message.from, granted: false });
  } else if (
    message.type === 'append-entries' ||
    message.type === 'heartbeat' ||
    message.type === 'install-snapshot'
  ) {
    core.send({ type: 'heartbeat-response', to: message.from, round: 0, stampMs: core.nowMs });
  } else if (message.type === 'read-index-request') {
    handleReadIndexRequest(core, message);
  }
}

function dispatch(core: Core, message: Message): void {
  switch (message.type) {
    case 'pre-vote-request':
    case 'term-request':
    case 'term-response':
      break; // Seen to before the terms were compared.
    case 'log-range-request':
    case 'log-range':
      break; // The replica's: a core holds no payloads.
    case 'pre-vote-response':
      handlePreVoteResponse(core, message);
      break;
    case 'vote-request':
      handleVoteRequest(core, message);
      break;
    case 'vote-response':
      handleVoteResponse(core, message);
      break;
    case 'append-entries':
      handleAppendEntries(core, message);
      break;
    case 'append-entries-response':
      handleAppendEntriesResponse(core, message);
      break;
    case 'heartbeat':
      handleHeartbeat(core, message);
      break;
    case 'heartbeat-response':
      handleHeartbeatResponse(core, message);
      break;
    case 'install-snapshot':
      handleInstallSnapshot(core, message);
      break;
    case 'read-index-request':
      handleReadIndexRequest(core, message);
      break;
    case 'read-index-response':
      handleReadIndexResponse(core, message);
      break;
    case 'timeout-now':
      handleTimeoutNow(core);
      break;
    case 'resigned':
      if (message.from === core.leader) forgetLeader(core, 'leader resigned');
      break;
    default:
      unreachable(message);
  }
}
