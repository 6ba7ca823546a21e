// All that the npm package etcd3 is asked.
import { nodeAccessCases } from './node-access-cases.ts';
import { nodeKeyCases } from './node-key-cases.ts';
import { nodeLiveCases } from './node-live-cases.ts';
import type { NodeCase } from './node-program.ts';

export const nodeCases: readonly NodeCase[] = [
  ...nodeKeyCases,
  ...nodeLiveCases,
  ...nodeAccessCases,
];
