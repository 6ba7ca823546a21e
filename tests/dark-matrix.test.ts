// Every endpoint and every call of the SDK, in every fault that a machine can have (A-01, A-03,
// Goal: no call takes longer than its bound, whatever became of it, and the page
// docs/dark-matrix.md says what was measured. Method: four machines in the rig; all calls again and
// again from a machine beside them, while the leader, or a follower, is made ill and well again.
import { describe, expect, it } from 'vitest';
import { DarkCluster } from './support/dark-cluster.ts';
import { type MatrixFault, matrixFaults } from './support/dark-matrix/faults.ts';
import { httpCalls } from './support/dark-matrix/http-calls.ts';
import { expectPageIsTrue, writePage } from './support/dark-matrix/page.ts';
import { playFault, type Row } from './support/dark-matrix/play.ts';
import { noDark, skipped } from './support/no-dark.ts';
import { dealt, sideBySide } from './support/side-by-side.ts';

describe.skipIf(noDark)(`calls in the dark${skipped}`, () => {
  it('end within their bounds, whatever happens to a machine', async () => {
    const isWhole = process.env.REWRITE === '1';
    const faults = matrixFaults.filter(({ isUsual }) => isWhole || isUsual);
    // What is written down is measured by one cluster that has the machine to itself.
    const hands = dealt(faults, isWhole ? 1 : 2).map((hand) => () => playInTurn(hand));
    const rows = (await sideBySide(hands)).flat();
    if (isWhole) writePage(rows);
    const over = rows.filter(({ worstMs, boundMs }) => worstMs > boundMs);
    expect(over).toEqual([]);
    expectPageIsTrue(rows);
  }, 600_000);
});

/** In a cluster of their own. */
async function playInTurn(faults: readonly MatrixFault[]): Promise<readonly Row[]> {
  await using cluster = await DarkCluster.start(4);
  await expectAllEndpoints(cluster);
  const rows: Row[] = [];
  for (const fault of faults) rows.push(...(await playFault(cluster, fault)));
  return rows;
}

/** Whoever adds an endpoint says here what it may cost. */
async function expectAllEndpoints(cluster: DarkCluster): Promise<void> {
  const leader = await cluster.leader();
  const { paths } = (await (await leader.get('/openapi.json')).json()) as {
    readonly paths: Readonly<Record<string, object>>;
  };
  const served = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
  const called = httpCalls.map(({ name }) => name);
  expect(served.filter((name) => !called.includes(name))).toEqual([]);
}
