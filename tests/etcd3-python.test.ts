// Goal: programs that use Python's etcd3 run against Holdfast unchanged. Method: three real
// members, the package and the Python of Debian, and the results of all that it can be asked.
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { noPython, skippedBecause } from './support/etcd/installed.ts';
import { PythonProgram } from './support/etcd/python.ts';
import { pythonCases } from './support/etcd/python-cases.ts';
import { ProcessCluster, type ProcessMember } from './support/process-cluster.ts';

describe.skipIf(noPython)(`etcd3 of Python${skippedBecause(noPython)}`, () => {
  let cluster: ProcessCluster;
  let program: PythonProgram;

  beforeAll(async () => {
    cluster = await ProcessCluster.start(3);
    const names = pythonCases.map(({ name }) => name);
    program = new PythonProgram(cluster.members[1] as ProcessMember, names);
  });
  afterAll(async () => {
    await program[Symbol.asyncDispose]();
    await cluster[Symbol.asyncDispose]();
  });

  for (const one of pythonCases) {
    it(`${one.area}: ${one.does}`, async () => {
      expect(await program.says()).toEqual({ name: one.name });
    });
  }
});
