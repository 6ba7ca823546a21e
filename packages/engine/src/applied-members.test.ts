// Goal: a report is judged by the members as of its own entry, also in the midst of a slice that
// the replica has not told of yet, and after a snapshot that has overtaken what was noted.
import { index, memberId } from '@holdfast/base/ids';
import { encodeConfiguration, newConfiguration } from '@holdfast/raft/configuration';
import { expect, it } from 'vitest';
import { AppliedMembers } from './applied-members.ts';

const of = (...voters: readonly bigint[]) => newConfiguration({ voters: voters.map(memberId) });

it('the newest of what is applied counts, whoever has told of it', () => {
  let told: { index: ReturnType<typeof index>; configuration: ReturnType<typeof of> } | undefined;
  const members = new AppliedMembers(() => told);
  expect(members.configuration).toBeUndefined();
  told = { index: index(5), configuration: of(1n) };
  expect(members.configuration).toEqual(of(1n));
  members.note({ index: index(7), payload: encodeConfiguration(of(1n, 2n)) });
  expect(members.configuration).toEqual(of(1n, 2n));
  told = { index: index(9), configuration: of(1n, 2n, 3n) };
  expect(members.configuration).toEqual(of(1n, 2n, 3n));
});
