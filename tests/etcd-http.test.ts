// Goal: scripts that speak to etcd by plain HTTP run against Holdfast unchanged. Method: three real
// members, fetch, and the results of all that the gateway can be asked, at each member in turn.
import { afterAll, beforeAll, describe, it } from 'vitest';

import { Gateway } from './support/etcd/gateway.ts';
import { httpCases } from './support/etcd/http-cases.ts';
import { ProcessCluster, type ProcessMember } from './support/process-cluster.ts';

describe('plain HTTP', () => {
  let cluster: ProcessCluster;

  beforeAll(async () => {
    cluster = await ProcessCluster.start(3);
  });
  afterAll(() => cluster[Symbol.asyncDispose]());

  for (const [at, one] of httpCases.entries()) {
    it(`${one.area}: ${one.does}`, async () => {
      await one.run(new Gateway(cluster.members[at % 3] as ProcessMember));
    });
  }
});
