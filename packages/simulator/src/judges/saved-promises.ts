// Nothing that promises something in a term leaves a member before that term, and the vote that it
// tells of, are synced in its status (safety.md 4): a crash would let it promise again.
import type { Message } from '@holdfast/raft/message';
import type { SavedVote } from './durable-promises.ts';
import { Violation } from './violation.ts';

/** `saved`: the status that the sender's disk has; undefined where that is not known. */
export function judgeSavedPromise(message: Message, saved: SavedVote | undefined): void {
  if (!saved || !isPromise(message) || saved.term > message.term) return;
  const candidate = candidateOf(message);
  if (saved.term === message.term && (!candidate || saved.vote === candidate)) return;
  const said = `${message.from} sends a ${message.type} of term ${message.term}`;
  const has = `its status says term ${saved.term} and a vote for ${saved.vote ?? 'nobody'}`;
  throw new Violation('saved-promises', `${said}, and ${has}`);
}

function isPromise(message: Message): boolean {
  switch (message.type) {
    case 'vote-request':
      return true;
    case 'vote-response':
      return message.granted;
    case 'append-entries-response':
      return message.result === 'success';
    default:
      return false;
  }
}

/** For whom the sender has voted, if the message says so. */
function candidateOf({ type, from, to }: Message): Message['from'] | undefined {
  if (type === 'vote-request') return from;
  return type === 'vote-response' ? to : undefined;
}
