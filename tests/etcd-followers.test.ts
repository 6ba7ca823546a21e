// Goal: programs written for etcd do not notice that members are killed: their watches go on,
// without a gap or a repetition, and their leases are kept alive. Method: three members; of the
// two that a program knows, one after the other is killed and started again, the leader first, so
// that whichever it hangs on is among them. Between the two they have the time that their libraries
// take to trust a member again. At last the programs are ended, and their leases with them.
import { setTimeout as delay } from 'node:timers/promises';

import { expect, it } from 'vitest';

import { type Follower, followers, trustedAgainMs } from './support/etcd/followers.ts';
import { base64, Gateway } from './support/etcd/gateway.ts';
import { ProcessCluster, type ProcessMember, until } from './support/process-cluster.ts';

it(`${followers.map(({ name }) => name).join(', ')} go on while members are killed`, async () => {
  await using cluster = await ProcessCluster.start(3);
  const leader = await cluster.leader();
  const [other, spared] = cluster.members.filter((one) => one !== leader) as [
    ...[ProcessMember, ProcessMember],
  ];
  const programs = await Promise.all(
    followers.map(async ({ start }) => await start({ killed: [leader, other], spared })),
  );
  const gateway = new Gateway(spared);
  try {
    const values = ['before'];
    await tell(gateway, programs, values);
    for (const member of [leader, other]) {
      await member.kill();
      await cluster.leader(30_000, [spared]);
      values.push(`without ${member.place.name}`);
      await tell(gateway, programs, values);
      member.start();
      await cluster.ready();
      await delay(trustedAgainMs); // Longer than a lease lives that nobody keeps alive.
      for (const { leased } of programs) expect(await isThere(gateway, leased), leased).toBe(true);
    }
  } finally {
    for (const program of programs) await program[Symbol.asyncDispose]();
  }
  let kept: readonly string[] = [];
  const areGone = async (): Promise<boolean> => {
    const asked = programs.map(async ({ leased }) => (await isThere(gateway, leased)) && leased);
    kept = (await Promise.all(asked)).filter((one) => one !== false);
    return kept.length === 0;
  };
  const what = (): string => `leases to end with their programs: ${kept.join(', ')}`;
  await until(areGone, { timeoutMs: 20_000, what });
});

/** The newest of these values; until all know all of them. */
async function tell(
  gateway: Gateway,
  programs: readonly Follower[],
  values: readonly string[],
): Promise<void> {
  const value = base64(values.at(-1) ?? '');
  await gateway.post('kv/put', { key: base64('followed'), value });
  const haveAll = async (): Promise<boolean> =>
    programs.every((program) => program.told().length >= values.length);
  const state = (): unknown => programs.map((one) => [...one.told(), one.trouble?.()]);
  const what = (): string => `${values.join()}: ${JSON.stringify(state())}`;
  await until(haveAll, { timeoutMs: 30_000, what });
  for (const program of programs) expect(program.told(), program.leased).toEqual(values);
}

async function isThere(gateway: Gateway, key: string): Promise<boolean> {
  return (await gateway.post('kv/range', { key: base64(key), count_only: true })).count === '1';
}
