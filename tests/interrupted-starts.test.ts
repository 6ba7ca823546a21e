// A start is told to end while it reads a big directory. Goal: it ends within 2 s with nothing
// broken, whatever phase it is in, and the next start finds everything. Method: SIGTERM at growing
// times after the door opened, then one start that is left alone.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { fill } from './support/fill.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

const endWithinMs = 2000;
const stopsAfterMs = [0, 50, 150, 400, 800];
const plan = { name: 'big', keys: 60_000, keysPerTxn: 100, valueBytes: 1000 };
const flags = ['--snapshot-at-stop-entries', '0'];

describe('a start on a big directory', () => {
  it('ends soon when it is told to, and the next one finds everything', async () => {
    await using cluster = await ProcessCluster.start(1, flags);
    const [member] = cluster.members as [ProcessMember];
    const written = await fill(member, plan);
    expect(written.size).toBe(plan.keys);
    await member.kill();
    const tookMs: number[] = [];
    let interrupted = 0;
    for (const afterMs of stopsAfterMs) {
      const { endMs, wasStarting } = await stopInStart(member, afterMs);
      tookMs.push(endMs);
      if (wasStarting) interrupted += 1;
    }
    process.stdout.write(
      `${interrupted} of ${tookMs.length} starts told to end in mid-start; ` +
        `they ended after ${tookMs.map(Math.round).join(', ')} ms\n`,
    );
    member.start();
    await cluster.ready();
    const page = await (await member.get('/v1/kv?prefix=big-&limit=1')).json();
    expect(page).toMatchObject({ count: plan.keys });
    for (const at of [0, 1234, plan.keys - 1]) {
      const key = `big-${at}`;
      expect(await (await member.get(`/v1/kv/${key}`)).text()).toBe(written.get(key));
    }
    expect(interrupted).toBeGreaterThan(0);
    expect(Math.max(...tookMs), member.log).toBeLessThanOrEqual(endWithinMs);
  });
});

/** The exit is a clean one. */
async function stopInStart(member: ProcessMember, afterMs: number) {
  const { length } = member.log;
  member.start();
  await until(async () => member.log.slice(length).includes('listening for clients'), {
    timeoutMs: 60_000,
    everyMs: 5,
    what: () => `the door to open\n${member.log.slice(length)}`,
  });
  await delay(afterMs);
  const toldAtMs = performance.now();
  const exit = await member.stop();
  const endMs = performance.now() - toldAtMs;
  const said = member.log.slice(length);
  expect(exit, said).toEqual({ code: 0, signal: null });
  return { endMs, wasStarting: !said.includes('"msg":"ready"') };
}
