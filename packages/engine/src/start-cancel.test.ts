// Goal: a start can be ended at any moment, quickly and without harm (D-01). Method: a member whose
// directory has snapshots, several log segments and entries to replay is told to end at every disk
// operation of its start in turn; after that the next start finds everything.
import { isHoldfastError } from '@holdfast/base/errors';
import { afterEach, describe, expect, it } from 'vitest';
import { EngineWorld } from './embedded-engine.fixture.ts';

let world: EngineWorld;

afterEach(async () => {
  expect(await world.close()).toBe(0);
});

describe('a start that is told to end', () => {
  it('at any of its disk operations ends at once, and the next one finds all', async () => {
    world = new EngineWorld(1, {
      segmentBytes: 8192,
      replicaSettings: { snapshotEntriesMax: 40, snapshotIntervalMinMs: 0 },
    });
    const machine = world.machines[0] as (typeof world.machines)[number];
    await world.start();
    for (let at = 0; at < 100; at += 1) {
      await world.settle(machine.put(`k${at}`, 'x'.repeat(300)));
    }
    await machine.kill();
    const phases = new Set<string>();
    const operations = await stopAt(Number.POSITIVE_INFINITY, machine, phases);
    for (let target = 1; target <= operations; target += 1) await stopAt(target, machine, phases);
    expect(operations).toBeGreaterThan(30);
    expect([...phases].sort()).toEqual(
      expect.arrayContaining(['log', 'snapshot-load', 'snapshot-scan', 'status']),
    );
    machine.disk.setFaults(undefined);
    await machine.start();
    await world.until(() => machine.engine.status().ready);
    expect((await world.settle(machine.get('k99'))).body).toBe('x'.repeat(300));
  });
});

/** Answers how many disk operations the start had until it ended. */
async function stopAt(
  target: number,
  machine: EngineWorld['machines'][number],
  phases: Set<string>,
): Promise<number> {
  let count = 0;
  let closing: Promise<void> | undefined;
  machine.disk.setFaults(() => {
    // The identity comes first, when there is no engine yet.
    if (!machine.isAlive) return undefined;
    count += 1;
    if (count === target) {
      const running = machine.engine.status().recovery.find(({ state }) => state === 'running');
      if (running) phases.add(running.name);
      closing = machine.engine.close();
    }
    return undefined;
  });
  const startedMs = world.clock.monotonicMs();
  const outcome = await world.settle(
    machine.boot().then(
      () => undefined,
      (error: unknown) => error,
    ),
  );
  if (closing) {
    await world.settle(closing);
    expect(world.clock.monotonicMs() - startedMs).toBeLessThan(200);
    if (outcome !== undefined) expect(isHoldfastError(outcome, 'shutting-down')).toBe(true);
  }
  const operations = count;
  await machine.kill();
  return operations;
}
