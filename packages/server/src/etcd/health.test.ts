// Goal: probes made for etcd find /health and /version as etcd has them. Method: the door over an
// engine in memory whose status is what the test says.
import type { EngineStatus } from '@holdfast/engine/engine';
import type { IntegrityStatus } from '@holdfast/engine/integrity-status';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { type TestDoor, testDoor } from '../http/test-door.fixture.ts';

let door: TestDoor;

beforeEach(() => {
  door = testDoor();
});

afterEach(() => door.app.close());

function statusIs(more: Partial<EngineStatus>): void {
  const status = door.engine.status();
  door.engine.status = () => ({ ...status, ...more });
}

async function health(query = ''): Promise<readonly [number, unknown]> {
  const answer = await door.app.inject(`/health${query}`);
  return [answer.statusCode, answer.json()];
}

const well = [200, { health: 'true', reason: '' }];
const ill = (reason: string) => [503, { health: 'false', reason }];

describe('/version', () => {
  it("names a version of etcd's API that its clients take for new enough", async () => {
    const { payload } = await door.app.inject('/version');
    expect(payload).toMatch(/^\{"etcdserver":"3\.[5-9]\.\d+","etcdcluster":"3\.[5-9]\.0"\}$/);
  });
});

describe('/health', () => {
  it('is true where the member serves', async () => {
    expect(await health()).toEqual(well);
    expect(await health('?serializable=true&exclude=NOSPACE&other=1')).toEqual(well);
  });

  it('is false without a leader, but for who asks about this member alone', async () => {
    const notReadyReason = 'no quorum: these voters are missing: n2, n3';
    statusIs({ leader: undefined, ready: false, notReadyReason });
    expect(await health()).toEqual(ill('RAFT NO LEADER'));
    expect(await health('?serializable=false')).toEqual(ill('RAFT NO LEADER'));
    expect(await health('?serializable=true')).toEqual(well);
  });

  it('is false where it is not ready for another reason', async () => {
    statusIs({ ready: false, notReadyReason: 'writes do not get through' });
    expect(await health()).toEqual(ill('writes do not get through'));
    statusIs({ initialised: false, ready: false, notReadyReason: 'recovering from disk' });
    expect(await health('?serializable=true')).toEqual(ill('recovering from disk'));
    door.slot.restart();
    expect(await health('?serializable=true')).toMatchObject([503, { health: 'false' }]);
    door.slot.close();
    expect(await health()).toEqual(ill('this member is stopping'));
  });

  it('is false while an alarm is raised, unless that is left out', async () => {
    const integrity = { quarantine: {} } as unknown as IntegrityStatus;
    statusIs({ integrity, ready: false, notReadyReason: 'its state differs' });
    expect(await health()).toEqual(ill('ALARM CORRUPT'));
    expect(await health('?serializable=true&exclude=NOSPACE')).toEqual(ill('ALARM CORRUPT'));
    expect(await health('?serializable=true&exclude=NOSPACE&exclude=CORRUPT')).toEqual(well);
    expect(await health('?exclude=CORRUPT')).toEqual(ill('its state differs'));
  });
});
