// Members that the operating system stops for seconds, as a paused virtual machine or a debugger
// does. Goal: the others go on, a leader that wakes up finds that it leads no more, nothing that
// was acknowledged is lost or differs, and no connection is ended for it. Method: SIGSTOP
// and SIGCONT under writers.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { expectConverged } from './support/converged.ts';
import { termOf } from './support/link-figures.ts';
import { ProcessCluster, type ProcessMember } from './support/process-cluster.ts';
import { Recorder } from './support/recorder.ts';

const frozenMs = 2000;

describe('a frozen member', () => {
  it.each(['leader', 'follower'])('%s: the others go on, and it comes back', async (role) => {
    await using cluster = await ProcessCluster.start(3);
    const leader = await cluster.leader();
    const others = cluster.members.filter((member) => member !== leader);
    const frozen = role === 'leader' ? leader : (others[0] as ProcessMember);
    const awake = cluster.members.filter((member) => member !== frozen);
    const recorder = new Recorder();
    const load = startWriters(awake, recorder);
    await recorder.firstAcknowledgementAfter(0);
    const before = await lookAt(cluster);
    process.kill(frozen.pid, 'SIGSTOP');
    const frozenAtMs = performance.now();
    // Half of the time is for the election; what is sent then must be answered before the thaw.
    await recorder.firstAcknowledgementAfter(frozenAtMs + frozenMs / 2);
    const answeredAfterMs = performance.now() - frozenAtMs;
    await delay(Math.max(0, frozenMs - answeredAfterMs));
    process.kill(frozen.pid, 'SIGCONT');
    await cluster.ready();
    await load.stop();
    const after = await lookAt(cluster);
    // whoever stands still for 2 s has done nothing wrong.
    expect(after.evicted).toBe(before.evicted);
    const elections = after.term - before.term;
    if (role === 'follower') expect(elections).toBe(0);
    else expect(elections).toBeLessThanOrEqual(1);
    await expectConverged(cluster, recorder.acknowledged);
    expect(answeredAfterMs).toBeLessThan(frozenMs + 2000);
  });
});

/** Connections that were ended, on all members together, and the term they are in. */
async function lookAt({ members }: ProcessCluster): Promise<{ evicted: number; term: number }> {
  const looks = members.map(async (member) => {
    const metrics = await (await member.get('/metrics')).text();
    const evicted = Number(/^health_connections_evicted_total (\d+)/m.exec(metrics)?.[1]);
    return { evicted, term: await termOf(member) };
  });
  const all = await Promise.all(looks);
  return {
    evicted: all.reduce((sum, { evicted }) => sum + evicted, 0),
    term: Math.max(...all.map(({ term }) => term)),
  };
}

/** Writers of unique keys that never ask the frozen member themselves. */
function startWriters(awake: readonly ProcessMember[], recorder: Recorder) {
  let isStopped = false;
  const write = async (writer: number): Promise<void> => {
    for (let count = 0; !isStopped; count += 1) {
      const member = awake[(writer + count) % awake.length] as ProcessMember;
      await recorder.write(member, `key-${writer}-${count}`, `value-${count}`);
      await delay(10);
    }
  };
  const running = [0, 1, 2, 3].map(write);
  return {
    stop: async (): Promise<void> => {
      isStopped = true;
      await Promise.all(running);
    },
  };
}
