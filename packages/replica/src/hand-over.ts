// How a member leaves: a leader says so first, so that nobody waits out an election timeout, and
// what was taken in is given the time to end with a result.
import { type Clock, sleep } from '@holdfast/base/clock';
import type { MemberId } from '@holdfast/base/ids';
import type { Raft } from '@holdfast/raft/raft';
import type { CoreLoop } from './core-loop.ts';
import type { PeerTransport } from './ports.ts';

export type HandOverOptions = {
  readonly raft: Raft;
  readonly loop: CoreLoop;
  readonly successor: () => MemberId | undefined;
  /** Whether calls that were taken in still wait. */
  readonly isPending: () => boolean;
  readonly clock: Clock;
};

const waitMsMax = 500;
const lookMs = 10;

/** Resolves when this member leads no more and owes nobody an answer, or after half a second. */
export async function handOver(options: HandOverOptions): Promise<void> {
  const { raft, loop, isPending, clock } = options;
  loop.drain(); // What was taken in before comes into the log before the hand-over.
  const successor = options.successor();
  if (successor !== undefined) loop.enqueue({ type: 'transfer-leadership', to: successor });
  const untilMs = clock.monotonicMs() + waitMsMax;
  const isHandingOver = (): boolean => successor !== undefined && raft.role === 'leader';
  while ((isHandingOver() || isPending()) && clock.monotonicMs() < untilMs) {
    await sleep(clock, lookMs);
  }
  loop.enqueue({ type: 'resign' });
  loop.drain();
}

/** The voter that a leader should name: linked, and of the longest agreeing log; or undefined. */
export function bestSuccessor(
  raft: Raft,
  transport: Pick<PeerTransport, 'isConnected'>,
): MemberId | undefined {
  const { voters } = raft.configuration;
  const able = raft
    .status()
    .peers.filter(({ id, repairing }) => voters.includes(id) && !repairing)
    .filter(({ id }) => transport.isConnected(id));
  return able.sort((a, b) => b.match - a.match)[0]?.id;
}
