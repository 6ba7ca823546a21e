// A crowd of watchers in a process of its own, so that it costs its members no event loop but the
// system's time: opens, stops reading, reads on and reports as it is told.
import { messageOf } from '@holdfast/base/errors';

import { type CrowdPlan, type CrowdReport, WatchCrowd, type WrittenLog } from './watch-crowd.ts';

export type CrowdOrder =
  | { readonly do: 'open'; readonly plan: CrowdPlan }
  | { readonly do: 'stop reading'; readonly oneIn: number }
  | { readonly do: 'read on' }
  | { readonly do: 'report'; readonly log: WrittenLog }
  | { readonly do: 'close' };

export type CrowdAnswer = {
  readonly stuck?: number;
  readonly report?: CrowdReport;
  readonly error?: string;
};

let crowd: WatchCrowd | undefined;

async function obey(order: CrowdOrder): Promise<CrowdAnswer> {
  if (order.do === 'open') {
    crowd = await WatchCrowd.open(order.plan);
    return {};
  }
  if (!crowd) throw new Error('there is no crowd');
  switch (order.do) {
    case 'stop reading':
      return { stuck: crowd.stopReading(order.oneIn) };
    case 'read on':
      crowd.readOn();
      return {};
    case 'report':
      return { report: await crowd.report(order.log) };
    case 'close':
      crowd.close();
      return {};
  }
}

process.on('message', (order: CrowdOrder) => {
  obey(order).then(
    (answer) => process.send?.(answer),
    (error: unknown) => process.send?.({ error: messageOf(error) }),
  );
});
// The parent may end without a word.
process.on('disconnect', () => process.exit(0));
