// Goal: members that can never promise again are replaced, and no others. Method: members of which
// only that is made that an operator looks at.
import { type MemberId, memberId } from '@holdfast/base/ids';
import { SeededRandom } from '@holdfast/base/seeded-random';
import { expect, it } from 'vitest';
import type { ClusterMember } from './cluster-member.ts';
import { EventQueue } from './event-queue.ts';
import { Replacements } from './replacements.ts';

const [a, b, c] = [memberId(1n), memberId(2n), memberId(3n)];
const goneId = memberId(9n);

/** What was put into whose place, where `c` waits for these. */
function replacedIn(waitsFor: readonly MemberId[]): readonly string[] {
  const replaced: string[] = [];
  const memberOf = (id: MemberId, unheardVoters: readonly MemberId[] = []): ClusterMember =>
    ({ id, engine: { replica: { raft: { unheardVoters } } } }) as unknown as ClusterMember;
  const replacements = new Replacements({
    queue: new EventQueue(),
    random: new SeededRandom(1),
    cluster: new Map([
      [a, memberOf(a)],
      [b, memberOf(b)],
      [c, memberOf(c, waitsFor)],
    ]),
    crash: () => undefined,
    start: () => undefined,
    replace: (place, next) => replaced.push(`${next} for ${place}`),
    switchOff: () => undefined,
    onFailure: () => undefined,
  });
  replacements.replaceStranded();
  replacements.replaceStranded();
  return replaced;
}

it('a member that waits for the word of one that is gone is replaced, once', () => {
  expect(replacedIn([b, goneId])).toEqual(['100 for 3']);
});

it('a member that waits for the word of one that is there is not', () => {
  expect(replacedIn([a, b])).toEqual([]);
});
