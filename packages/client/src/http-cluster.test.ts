// Goal: a look at whether anybody serves waits for nobody, whoever is dark or still starting.
// Method: scripted endpoints, and a clock that the test moves.
import { expect, it } from 'vitest';

import { scriptedCaller } from './caller.fixture.ts';
import { HttpCluster } from './http-cluster.ts';
import { answer, type Behaviour, fine, refused, settled, silent } from './scripted-http.fixture.ts';

const starting: Behaviour = async () =>
  answer(503, JSON.stringify({ code: 'unavailable', detail: 'it starts', phase: 'log' }));

async function lookAt(behaviours: Readonly<Record<string, Behaviour>>) {
  const { clock, close, caller, random, settings } = scriptedCaller(behaviours);
  const cluster = new HttpCluster({ caller, clock, random, settings });
  try {
    const isReady = await settled(clock, cluster.isReady());
    return { isReady, tookMs: clock.monotonicMs() };
  } finally {
    close();
  }
}

it('finds one that serves beside one that is dark', async () => {
  for (const endpoints of [
    { a: silent, b: fine },
    { a: fine, b: silent },
  ]) {
    const { isReady, tookMs } = await lookAt(endpoints);
    expect(isReady).toBe(true);
    expect(tookMs).toBeLessThanOrEqual(310);
  }
});

it('says no at once where all of them start', async () => {
  expect(await lookAt({ a: starting, b: starting, c: starting })).toEqual({
    isReady: false,
    tookMs: expect.closeTo(0, -2),
  });
});

it('waits for nobody who is silent where all others say no', async () => {
  for (const endpoints of [
    { a: silent, b: starting, c: starting },
    { a: starting, b: silent, c: refused },
    { a: starting, b: starting, c: silent },
  ]) {
    const { isReady, tookMs } = await lookAt(endpoints);
    expect(isReady).toBe(false);
    expect(tookMs).toBeLessThanOrEqual(610);
  }
});

it('rejects where nobody can be reached', async () => {
  await expect(lookAt({ a: refused, b: refused })).rejects.toMatchObject({ code: 'unavailable' });
});
