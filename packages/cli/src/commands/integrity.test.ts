// Goal: who asks for a comparison is shown what that one came to, not the one before. Method: a
// client of which only the comparisons are made, and a clock that is moved by hand.
import { ManualClock } from '@holdfast/base/manual-clock';
import type { IntegrityView } from '@holdfast/client/integrity-api';
import { expect, it } from 'vitest';

import { checkAndSee } from './integrity.ts';

const signal = new AbortController().signal;
const view = (checkIndex: number | null, verdict: string): IntegrityView =>
  ({ checkIndex, verdict }) as IntegrityView;

async function seen(views: readonly IntegrityView[], passMs: number): Promise<IntegrityView> {
  const clock = new ManualClock();
  let asked = 0;
  const integrity = {
    check: () => Promise.resolve(view(7, 'equal')),
    view: () => Promise.resolve(views[Math.min(asked++, views.length - 1)] as IntegrityView),
  };
  const client = { integrity } as unknown as Parameters<typeof checkAndSee>[0];
  const result = checkAndSee(client, { clock, signal });
  await clock.advanceAsync(passMs);
  return await result;
}

it('waits until the members have been compared anew', async () => {
  const views = [view(7, 'equal'), view(9, 'open'), view(9, 'odd')];
  expect(await seen(views, 200)).toEqual(view(9, 'odd'));
});

it('shows what there is where not all report', async () => {
  expect(await seen([view(9, 'open')], 5000)).toEqual(view(9, 'open'));
});
