// What a majority is, said once more: the judges may not believe the code that they judge.
import type { MemberId } from '@holdfast/base/ids';
import type { Configuration } from '@holdfast/raft/configuration';

/** Whether more than half of the voters, of both halves if it is joint, are among them. */
export function isMajority(
  { voters, votersOutgoing }: Configuration,
  isIn: (member: MemberId) => boolean,
): boolean {
  const halves = votersOutgoing.length > 0 ? [voters, votersOutgoing] : [voters];
  return halves.every((half) => 2 * half.filter(isIn).length > half.length);
}
