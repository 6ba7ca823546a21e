// Asks many at once, and answers within a deadline with what there is by then: who has answered,
// and who is missing, and why. Nobody waits for the slowest, and nobody is left
// out in silence.
import type { Clock } from '@holdfast/base/clock';
import { startDeadline, waitFor } from '@holdfast/base/deadline';
import { type ErrorCode, HoldfastError, messageOf } from '@holdfast/base/errors';

export type Answered<Peer, T> = {
  readonly peer: Peer;
  readonly answer: T;
  readonly tookMs: number;
};

export type Missing<Peer> = {
  readonly peer: Peer;
  readonly code: ErrorCode;
  /** A sentence. */
  readonly reason: string;
  readonly tookMs: number;
};

/** In the order of those who were asked. */
export type FanOut<Peer, T> = {
  readonly answered: readonly Answered<Peer, T>[];
  readonly missing: readonly Missing<Peer>[];
};

/** Asks all of `peers`; never rejects. The signal that `ask` is given ends with the deadline. */
export async function fanOut<Peer, T>(
  peers: readonly Peer[],
  ask: (peer: Peer, signal: AbortSignal) => Promise<T>,
  options: { readonly clock: Clock; readonly deadlineMs: number },
): Promise<FanOut<Peer, T>> {
  const { clock, deadlineMs } = options;
  const startMs = clock.monotonicMs();
  const deadline = startDeadline(clock, deadlineMs);
  const one = async (peer: Peer): Promise<Answered<Peer, T> | Missing<Peer>> => {
    const tookMs = (): number => clock.monotonicMs() - startMs;
    try {
      // Also of one that does not heed the signal.
      const answer = await waitFor(ask(peer, deadline.signal), deadline.signal);
      return { peer, answer, tookMs: tookMs() };
    } catch (error) {
      const code = error instanceof HoldfastError ? error.code : 'internal';
      return { peer, code, reason: messageOf(error), tookMs: tookMs() };
    }
  };
  try {
    const all = await Promise.all(peers.map(one));
    const answered = all.filter((each) => 'answer' in each);
    const missing = all.filter((each) => 'code' in each);
    return { answered, missing };
  } finally {
    deadline.dispose();
  }
}
