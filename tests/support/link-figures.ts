// What a member says of its links and elections, in figures.
import type { ProcessMember } from './process-cluster.ts';

/**
 * Connections to peers that it has ended since it started because something spoke against them, by
 * the reason. One that nobody had used for 30 s is no alarm, so it does not count.
 */
export async function alarmsOn(member: ProcessMember): Promise<ReadonlyMap<string, number>> {
  const metrics = await (await member.get('/metrics')).text();
  const lines = metrics.matchAll(/^holdfast_peer_connections_evicted_total\{(.*)\} (\d+)$/gm);
  const alarms = new Map<string, number>();
  for (const [, labels = '', count] of lines) {
    const reason = /reason="([^"]*)"/.exec(labels)?.[1] ?? labels;
    if (reason !== 'idle' && Number(count) > 0) alarms.set(reason, Number(count));
  }
  return alarms;
}

export async function termOf(member: ProcessMember): Promise<number> {
  const { term } = (await (await member.get('/v1/cluster')).json()) as { term: number };
  return term;
}
