// All planted bugs, in the order of the table.
import { accessMutations } from './access-mutations.ts';
import { clientMutations } from './client-mutations.ts';
import { consensusMutations } from './consensus-mutations.ts';
import { durabilityMutations } from './durability-mutations.ts';
import { integrityMutations } from './integrity-mutations.ts';
import { leaseMutations } from './lease-mutations.ts';
import type { Mutation } from './mutation.ts';

export const mutations: readonly Mutation[] = [
  ...consensusMutations,
  ...durabilityMutations,
  ...clientMutations,
  ...leaseMutations,
  ...integrityMutations,
  ...accessMutations,
];
