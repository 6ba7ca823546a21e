// Goal: a member's certificate is good for its own id alone. Method: the rule on plain data.
import { memberId } from '@holdfast/base/ids';
import { expect, it } from 'vitest';

import { certifiedMemberProblem } from './certified-member.ts';

const one = memberId(1n);
const two = memberId(2n);
const three = memberId(3n);
const members = [
  { memberId: one, name: 'N1' },
  { memberId: two, name: 'n2' },
];

it('is told by the name that the cluster knows for the id', () => {
  const problem = (id: typeof one, names: readonly string[] | undefined) =>
    certifiedMemberProblem({ memberId: id, certifiedNames: names }, members)?.message;
  expect(problem(one, ['localhost', 'n1'])).toBeUndefined();
  expect(problem(one, ['n2'])).toMatch(/not that of member N1: it names n2/);
  expect(problem(two, [])).toMatch(/not that of member n2: it names no name/);
  // Without TLS nobody is asked; of a newcomer only what it says itself is known.
  expect(problem(one, undefined)).toBeUndefined();
  expect(problem(three, ['n3'])).toBeUndefined();
});
