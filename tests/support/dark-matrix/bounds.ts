// How long a call may take, whatever happens to one machine. The numbers follow from rules, which
// are named, not from what was measured.
import type { BoundName } from './http-calls.ts';

/** pages, looks, and levers of one member wait for nobody. */
const answerMs = 1000;
/** A leader is missed after 1.2 s at the latest, another one stands after 1.6 s (safety.md 11). */
const electionMs = 1600;
/** A call waits so long for a leader, then it is refused (safety.md 23). */
const leaderWaitMs = 900;
/** what it costs to have asked a machine in the dark first. */
const hedgeMs = 300;
/** by then whoever is silent is known, and nobody waits for it any more. */
const noticedMs = 8000;

export const httpBoundMs: Readonly<Record<BoundName, number>> = {
  look: answerMs,
  steer: answerMs,
  stale: answerMs,
  read: electionMs + leaderWaitMs,
  write: electionMs + leaderWaitMs,
};

export type ClientBoundName = 'look' | 'read' | 'retried' | 'once' | 'watch';

export const clientBoundMs: Readonly<Record<ClientBoundName, number>> = {
  look: hedgeMs + answerMs,
  read: hedgeMs + electionMs + leaderWaitMs,
  /** May be sent again, and waits for the first answer as long as any try does. */
  retried: 3000 + hedgeMs + electionMs + leaderWaitMs,
  /** Whether it has left nobody knows: it waits until its endpoint is known to be dead. */
  once: noticedMs,
  /** At a machine that goes dark, or has lost the others, it goes on elsewhere. */
  watch: noticedMs + electionMs,
};
