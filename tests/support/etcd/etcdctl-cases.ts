// All that is said to etcdctl, in order: on one cluster, from its first revision on.
import { accessCases, clusterCases } from './cluster-cases.ts';
import type { EtcdctlCase } from './etcdctl-script.ts';
import { keyCases } from './key-cases.ts';
import { liveCases } from './live-cases.ts';

export const etcdctlCases: readonly EtcdctlCase[] = [
  ...keyCases,
  ...liveCases,
  ...clusterCases,
  ...accessCases,
];
