// Thousands of etcd's watchers, some of whose clients stop reading. Goal: the others are told all
// that was written, in order, and what waits for the stuck ones stays within the bound that is set.
// Method: three real members, watchers on raw sockets, and a writer whose log each watcher's list
// of events is held against.
import { describe, expect, it } from 'vitest';
import { fetchMetrics } from '../tools/bench/metrics.ts';
import { SteadyWriter } from '../tools/watchers/steady-writer.ts';
import { WatchCrowd } from '../tools/watchers/watch-crowd.ts';
import { ProcessCluster } from './support/process-cluster.ts';

const mebibyte = 1024 * 1024;
const keys = 50;
/** A member goes beyond its bound by one at the most: 64 KiB of events, and the last of them. */
const answerBytesMax = 96 * 1024;

async function sumOf(cluster: ProcessCluster, name: string): Promise<number> {
  const metrics = await Promise.all(cluster.endpoints.map(fetchMetrics));
  return metrics.reduce((sum, values) => sum + (values?.get(name) ?? Number.NaN), 0);
}

describe('4,000 watchers, one in twenty of them stuck', () => {
  it('are told what was written, and cost no more than the bound', async () => {
    await using cluster = await ProcessCluster.start(3, ['--watch-unread-bytes-max', '1048576']);
    const { place } = await cluster.leader();
    const writer = await SteadyWriter.open(place.client, { keys, valueBytes: 8 * 1024 });
    const plan = { connections: 80, streams: 50, watchers: 4000, keys };
    const crowd = await WatchCrowd.open({ ...plan, endpoints: cluster.endpoints });
    try {
      expect(crowd.stopReading(20)).toBe(200);
      for (let part = 0; part < 5; part += 1) {
        await writer.write(60, 1);
        expect(await sumOf(cluster, 'watch_unread_bytes')).toBeLessThan(
          3 * (mebibyte + answerBytesMax),
        );
      }
      const told = await crowd.report(writer.log);
      expect(told).toMatchObject({ watchers: 3800, wrong: 0, over: 0 });
      expect(told.events).toBeGreaterThan(3800 * 5);
      const givenUp = await sumOf(cluster, 'watch_streams_given_up_total');
      expect(givenUp).toBeGreaterThan(0);
      expect(givenUp).toBeLessThan(200);
      crowd.readOn();
      const all = await crowd.report(writer.log);
      expect(all).toMatchObject({ watchers: 4000, wrong: 0, over: givenUp });
      expect(await sumOf(cluster, 'watch_unread_bytes')).toBe(0);
    } finally {
      crowd.close();
      writer.close();
    }
  });
});
