// A leader that stops says so first, so that nobody waits out an election timeout.
import type { Clock } from '@holdfast/base/clock';
import type { Raft } from '@holdfast/raft/raft';
import type { CoreLoop } from './core-loop.ts';

export type HandOverOptions = {
  readonly raft: Raft;
  readonly loop: CoreLoop;
  readonly clock: Clock;
};

const waitMs = 500;
const lookMs = 10;

/** Resolves when another member has taken over, or this one has resigned without a successor. */
export async function handOver({ raft, loop, clock }: HandOverOptions): Promise<void> {
  if (raft.role !== 'leader') return;
  const { peers } = raft.status();
  const best = [...peers].sort((a, b) => b.match - a.match)[0];
  if (!best) return;
  loop.enqueue({ type: 'transfer-leadership', to: best.id });
  const untilMs = clock.monotonicMs() + waitMs;
  while (raft.role === 'leader' && clock.monotonicMs() < untilMs) {
    await new Promise<void>((resolve) => clock.schedule(lookMs, resolve));
  }
  loop.enqueue({ type: 'resign' });
  loop.drain();
}
