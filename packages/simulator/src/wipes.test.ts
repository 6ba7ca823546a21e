// Goal: members that can never promise again are replaced, and no others. Method: members of which
// only that is made that an operator looks at.
import { memberId } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { newConfiguration } from '@holdfast/raft/configuration';
import { expect, it } from 'vitest';
import type { ClusterMember } from './cluster-member.ts';
import { EventQueue } from './event-queue.ts';
import { Wipes } from './wipes.ts';

const [a, b, c] = [memberId(1n), memberId(2n), memberId(3n)];
const goneId = memberId(9n);

function clusterOf(waitsFor: readonly ReturnType<typeof memberId>[]) {
  const targets: string[] = [];
  const configuration = newConfiguration({ voters: [a, b, c] });
  const memberOf = (id: typeof a, unheardVoters = [] as typeof waitsFor): ClusterMember => {
    const replica = {
      isLeader: id === a,
      raft: { unheardVoters },
      status: () => ({ raft: { configuration, commit: 5 } }),
      changeMembership: ({ voters }: { voters: readonly bigint[] }) => targets.push(voters.join()),
    };
    return { id, engine: { replica } } as unknown as ClusterMember;
  };
  const cluster = new Map([
    [a, memberOf(a)],
    [b, memberOf(b)],
    [c, memberOf(c, waitsFor)],
  ]);
  const wipes = new Wipes({
    queue: new EventQueue(),
    random: new SeededRandom(1),
    cluster,
    crash: () => undefined,
    start: () => undefined,
    replace: () => undefined,
  });
  return { wipes, targets };
}

it('a member that waits for the word of one that is gone is replaced, once', () => {
  const { wipes, targets } = clusterOf([b, goneId]);
  wipes.replaceStranded();
  wipes.replaceStranded();
  expect([targets, wipes.count]).toEqual([['1,2'], 1]);
});

it('a member that waits for the word of one that is there is not', () => {
  const { wipes, targets } = clusterOf([a, b]);
  wipes.replaceStranded();
  expect([targets, wipes.count]).toEqual([[], 0]);
});
