// Goal: stock etcdctl does here what it does at etcd, and prints the same, down to its errors.
// Method: three real members; all that is said to it stands in tests/support/etcd, with what it
// printed when three members of etcd were asked the same. REWRITE=1 asks etcd anew.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { titleOf } from './support/etcd/area.ts';
import { etcdctlCases } from './support/etcd/etcdctl-cases.ts';
import { play } from './support/etcd/etcdctl-script.ts';
import { noEtcdctl, skippedBecause } from './support/etcd/installed.ts';
import { ownTitle, recorded, recordedAtEtcd, writeRecorded } from './support/etcd/recorded.ts';
import { ProcessCluster } from './support/process-cluster.ts';

const isRewritten = process.env.REWRITE === '1';

describe.skipIf(noEtcdctl)(`etcdctl${skippedBecause(noEtcdctl)}`, () => {
  let cluster: ProcessCluster;
  let told = new Map<string, string>();

  beforeAll(async () => {
    told = isRewritten ? await recordedAtEtcd() : recorded();
    cluster = await ProcessCluster.start(3);
  });
  afterAll(async () => {
    if (isRewritten) writeRecorded(told);
    await cluster[Symbol.asyncDispose]();
  });

  for (const one of etcdctlCases) {
    it(`${one.area}: ${one.does}`, async () => {
      const here = await play(cluster.endpoints, one.steps);
      const atEtcd = told.get(titleOf(one));
      if (one.differs === undefined) return expect(here).toBe(atEtcd);
      if (isRewritten) told.set(ownTitle(titleOf(one)), here);
      expect(here).toBe(told.get(ownTitle(titleOf(one))));
      expect(here, 'it no longer differs').not.toBe(atEtcd);
    });
  }
});
