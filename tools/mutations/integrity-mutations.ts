// States that are compared, and what becomes of the odd one (safety.md 10).
import type { Mutation } from './mutation.ts';

const stateVerdict = 'packages/engine/src/state-verdict.ts';
const snapshotInstaller = 'packages/replica/src/snapshot-installer.ts';

export const integrityMutations: readonly Mutation[] = [
  {
    name: 'majority-is-odd',
    does: 'of three states the two that are equal are set aside, and the third is believed',
    rule: '10',
    edits: [
      {
        file: stateVerdict,
        find: 'groups.find((group) => hasMajority(configuration, group.filter(isProven))) ??',
        replace: 'groups.find(({ length }) => length === 1 && reports.length > 2) ??',
      },
    ],
  },
  {
    name: 'replaced-state-not-taken',
    does: 'a member in doubt receives another state, and goes on with its own',
    rule: '10',
    edits: [
      {
        file: snapshotInstaller,
        find: 'this.#exchange(snapshot);',
        replace: 'this.#options.doubt.onReplaced();',
      },
    ],
  },
];
