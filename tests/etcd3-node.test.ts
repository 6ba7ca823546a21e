// Goal: programs that use the npm package etcd3 run against Holdfast unchanged. Method: three real
// members, the package as it is published, and the results of all that it can be asked.
import { Etcd3 } from 'etcd3';
import { afterAll, beforeAll, describe, it } from 'vitest';

import { nodeCases } from './support/etcd/node-cases.ts';
import type { NodeProgram } from './support/etcd/node-program.ts';
import { ProcessCluster } from './support/process-cluster.ts';

describe('etcd3 of npm', () => {
  let cluster: ProcessCluster;
  let program: NodeProgram;

  beforeAll(async () => {
    cluster = await ProcessCluster.start(3);
    const hosts = cluster.members.map(({ url }) => url);
    program = { hosts, etcd: new Etcd3({ hosts }) };
  });
  afterAll(async () => {
    program.etcd.close();
    await cluster[Symbol.asyncDispose]();
  });

  for (const one of nodeCases) {
    it(`${one.area}: ${one.does}`, () => one.run(program));
  }
});
