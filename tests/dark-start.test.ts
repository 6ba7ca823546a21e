// A member, and a client, that begin while a machine is dark and so have never heard of it. Goal:
// the member is ready within five seconds, and no caller waits more than 300 ms for the one that
// nobody has reached yet. Method: three machines in the rig; one is cut off, another starts.
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import type { Call } from '../tools/dark/protocol.ts';
import { monotonicMs } from '../tools/dark/system.ts';
import { ClientCalls } from './support/client-calls.ts';
import { DarkCluster } from './support/dark-cluster.ts';
import type { DarkMember } from './support/dark-member.ts';
import { noDark, skipped } from './support/no-dark.ts';
import { until } from './support/process-cluster.ts';

const readyMs = 5000;
const hedgeMs = 300;
/** What a call takes where all is well, on a machine that has other things to do as well. */
const usualMs = 200;
const watchedMs = 10_000;

describe.skipIf(noDark)(`who begins while a machine is dark${skipped}`, () => {
  it('is ready within 5 s, and lets nobody wait for it more than 300 ms', async () => {
    await using cluster = await DarkCluster.start(3);
    const leader = await cluster.leader();
    const [dark, starter] = cluster.others(leader) as [DarkMember, DarkMember];
    await starter.kill();
    await cluster.rig.cut(dark.name);
    const startedMs = monotonicMs();
    starter.start();
    await until(() => starter.isReady(), {
      timeoutMs: 30_000,
      everyMs: 20,
      what: () => `${starter.name} to be ready\n${cluster.logs()}`,
    });
    const tookMs = monotonicMs() - startedMs;

    expect((await starter.put('/v1/kv/begin', '0')).ok).toBe(true);
    const calls = callsTo(starter);
    const pace = await cluster.client.start({ calls, perSecond: 40 });
    const sdk = await ClientCalls.start(cluster.clientMachine, {
      endpoints: cluster.endpoints,
      everyMs: 1000,
    });
    await delay(watchedMs);
    const attempts = await pace.stop();
    const { attempts: clientAttempts } = await sdk.stop();
    const instant = clientAttempts.filter(({ call }) => !call.includes('watch'));
    const slowest = Math.max(...instant.map((one) => one.tookMs));
    process.stdout.write(
      `ready after ${Math.round(tookMs)} ms; slowest of ${attempts.length} calls ` +
        `${Math.round(Math.max(...attempts.map((one) => one.tookMs)))} ms, of ` +
        `${clientAttempts.length} calls of the SDK ${Math.round(slowest)} ms\n`,
    );
    expect(tookMs).toBeLessThan(readyMs);
    expect(attempts.filter((one) => one.result !== 200)).toEqual([]);
    expect(attempts.filter((one) => one.tookMs > hedgeMs + usualMs)).toEqual([]);
    // Its very first calls, too, with which it meets all three endpoints.
    expect(instant.map(({ call }) => call)).toContain('first: configs.publish');
    expect(instant.filter((one) => one.tookMs > hedgeMs + usualMs)).toEqual([]);
    const odd = clientAttempts.filter(({ result }) => result !== 'ok' && result !== 'not-found');
    expect(odd).toEqual([]);
  });
});

/** What needs the others, and what is said of them. */
const callsTo = (member: DarkMember): readonly Call[] => [
  member.putCall('/v1/kv/begin', '{n}'),
  ...['/v1/kv/begin', '/v1/kv/begin?consistency=stale', '/v1/members', '/readyz'].map((path) =>
    member.getCall(path),
  ),
];
