// Goal: an answer that was lost is asked for again, and nobody waits for more than one election.
// Method: a leader whose answers take their time and are lost, on a clock of the test's.
import { sleep } from '@holdfast/base/clock';
import { HoldfastError } from '@holdfast/base/errors';
import { ManualClock } from '@holdfast/base/manual-clock';
import { describe, expect, it } from 'vitest';
import { askPatiently } from './patient-ask.ts';

/** What became of a question of which so many answers are lost, each after so long. */
async function asking(lost: number, eachMs: number) {
  const clock = new ManualClock();
  let asks = 0;
  const ask = async (): Promise<string> => {
    asks += 1;
    if (asks > lost) return 'answer';
    await sleep(clock, eachMs);
    throw new HoldfastError('leadership-lost', 'lost', { outcome: 'unknown' });
  };
  const asked = askPatiently(clock, ask).then(
    (answer) => ({ answer, asks, tookMs: clock.monotonicMs() }),
    ({ code }: HoldfastError) => ({ answer: code, asks, tookMs: clock.monotonicMs() }),
  );
  await clock.advanceAsync(60_000);
  return await asked;
}

describe('a question whose answer is lost', () => {
  it('is asked again', async () => {
    expect(await asking(2, 10)).toEqual({ answer: 'answer', asks: 3, tookMs: 20 });
  });

  it('is given up after three', async () => {
    expect(await asking(9, 10)).toEqual({ answer: 'unavailable', asks: 3, tookMs: 30 });
  });

  it('is asked no more once an election must be over: the next ask may wait for another', async () => {
    expect(await asking(9, 900)).toEqual({ answer: 'unavailable', asks: 2, tookMs: 1800 });
    expect(await asking(1, 1700)).toMatchObject({ answer: 'unavailable', asks: 1 });
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
