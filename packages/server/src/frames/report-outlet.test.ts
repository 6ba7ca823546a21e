// Goal: reports written by hand are what the generated code would write, they leave together, and
// it is said where much is unread. Method: an outlet over a link that the test plays.
import { WatchReports } from '@holdfast/proto/client';
import { expect, it } from 'vitest';

import { ReportOutlet } from './report-outlet.ts';

function started() {
  const sent: Uint8Array[] = [];
  const link = { pendingBytes: 0 };
  const outlet = new ReportOutlet({
    pendingBytes: () => link.pendingBytes,
    send: (payload) => {
      sent.push(payload);
      link.pendingBytes += payload.length;
      return true;
    },
  });
  return { sent, link, outlet };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

it('writes what the generated code reads, the reports of an event in one frame', async () => {
  const { sent, outlet } = started();
  const ids = [0, 1, 127, 128, 300, 2 ** 21, 2 ** 35 + 1, Number.MAX_SAFE_INTEGER];
  const reports = ids.flatMap((id) => {
    const events = new Uint8Array(id % 7 === 0 ? 0 : (id % 1000) + 1).fill(id % 256);
    outlet.tellEvents(id, events);
    const progress = { $case: 'progress', value: { revision: id } } as const;
    outlet.tell(id, progress);
    return [
      { id, report: { $case: 'events', value: events } },
      { id, report: progress },
    ];
  });
  await turn();
  expect(sent.length).toBe(1);
  expect(WatchReports.decode(sent[0] as Uint8Array)).toEqual({ reports });
});

it('cuts what is too much for one frame, and goes on', async () => {
  const { sent, outlet } = started();
  for (let id = 1; id <= 10; id += 1) outlet.tellEvents(id, new Uint8Array(100_000));
  await turn();
  const all = sent.map((payload) => WatchReports.decode(payload).reports.map(({ id }) => id));
  expect(all).toEqual([
    [1, 2],
    [3, 4],
    [5, 6],
    [7, 8],
    [9, 10],
  ]);
});

it('has room again when what was said has left', async () => {
  const { link, outlet } = started();
  outlet.tellEvents(1, new Uint8Array(100_000));
  outlet.tellEvents(1, new Uint8Array(100_000));
  expect(outlet.hasRoom).toBe(true);
  outlet.tellEvents(1, new Uint8Array(100_000));
  expect(outlet.hasRoom).toBe(false);
  await turn();
  expect(outlet.hasRoom).toBe(false);
  link.pendingBytes = 10_000;
  expect(outlet.hasRoom).toBe(true);
});

it('tells nobody anything once it is closed', async () => {
  const { sent, outlet } = started();
  outlet.tellEvents(1, new Uint8Array(5));
  outlet.close();
  outlet.tellEvents(1, new Uint8Array(5));
  await turn();
  expect(sent.length).toBe(0);
});
