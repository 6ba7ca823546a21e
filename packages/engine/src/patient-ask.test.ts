// Goal: an answer that was lost is asked for again, and nobody waits for more than one election.
// Method: a leader whose answers take their time and are lost, on a clock of the test's.
import { sleep } from '@holdfast/base/clock';
import { startDeadline, waitFor } from '@holdfast/base/deadline';
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { askPatiently } from './patient-ask.ts';

const lost = (): HoldfastError =>
  new HoldfastError('leadership-lost', 'lost', { outcome: 'unknown' });

/** What becomes of a question of which answers are lost, each after so long; then one comes. */
async function asking(lostAfterMs: readonly number[], deadlineMs?: number) {
  const clock = new ManualClock();
  const deadline = deadlineMs === undefined ? undefined : startDeadline(clock, deadlineMs);
  let asks = 0;
  const ask = async (signal: AbortSignal | undefined): Promise<string> => {
    const ms = lostAfterMs[asks];
    asks += 1;
    if (ms === undefined) return 'answer';
    await waitFor(sleep(clock, ms), signal);
    throw lost();
  };
  const told = (answer: string) => ({ answer, asks, tookMs: clock.monotonicMs() });
  const asked = askPatiently(clock, ask, deadline?.signal).then(told, ({ code }: HoldfastError) =>
    told(code),
  );
  await clock.advanceAsync(60_000);
  return await asked;
}

describe('a question whose answer is lost', () => {
  it('is asked again', async () => {
    expect(await asking([10, 10])).toEqual({ answer: 'answer', asks: 3, tookMs: 20 });
    expect(await asking([1600])).toEqual({ answer: 'answer', asks: 2, tookMs: 1600 });
  });

  it('is given up after three', async () => {
    expect(await asking([10, 10, 10])).toEqual({ answer: 'unavailable', asks: 3, tookMs: 30 });
  });

  it('is given up once an election must be over, however long the last ask would take', async () => {
    const [answer, tookMs] = ['unavailable', 2000];
    expect(await asking([900, 900, 900])).toEqual({ answer, asks: 3, tookMs });
    expect(await asking([900, 5000])).toEqual({ answer, asks: 2, tookMs });
    expect(await asking([5000])).toEqual({ answer, asks: 1, tookMs: 5000 });
  });

  it('ends as its caller wants it to', async () => {
    expect(await asking([10, 900], 300)).toMatchObject({ answer: 'deadline-exceeded', asks: 2 });
    expect(await asking([900], 300)).toMatchObject({ answer: 'deadline-exceeded', asks: 1 });
  });

  it('that was refused is not asked again', async () => {
    let asks = 0;
    const refused = askPatiently(new ManualClock(), () => {
      asks += 1;
      return Promise.reject(new HoldfastError('not-found', 'no such lease'));
    });
    await expect(refused).rejects.toMatchObject({ code: 'not-found' });
    expect(asks).toBe(1);
  });
});
