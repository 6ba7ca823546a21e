// Goal: what was acknowledged as forbidden is forbidden through every member, however far behind it
// is: its reads wait for the state that they are judged by, its writes are refused at apply and
// judged again. Method: three whole members in memory; the one that is asked has not heard yet.
import { utf8 } from '@holdfast/base/bytes';
import { allRange } from '@holdfast/domain/access-key';
import { planAccess } from '@holdfast/domain/access-plan';
import { AccessRules } from '@holdfast/domain/access-rules';
import {
  deleteRangeRequest,
  putOperation,
  putRequest,
  rangeRequest,
  txnRequest,
} from '@holdfast/domain/requests';
import type { ProvenUser, Subject } from '@holdfast/domain/subject';
import { beforeEach, describe, expect, it } from 'vitest';
import { TestAccess } from './access.fixture.ts';
import { accessVersion } from './cluster-version.ts';
import { versionOf } from './command-answer.ts';
import {
  cleanWorlds,
  type EngineWorld,
  keysOf,
  type TestMachine,
} from './embedded-engine.fixture.ts';
import type { Consistency } from './engine.ts';

const worlds = cleanWorlds();
let world: EngineWorld;
let access: TestAccess;
let follower: TestMachine;
let alice: ProvenUser;

beforeEach(async () => {
  world = await worlds.started(3);
  access = new TestAccess(world.leader.engine);
  follower = world.machines.find((one) => one !== world.leader) as TestMachine;
});

async function enable(): Promise<void> {
  await world.settle(access.enable());
  alice = await world.settle(access.add('alice'));
  await world.settle(access.grant('alice', 'readwrite', ['k']));
  expect(await world.settle(put(alice))).toBe('done');
}

async function told<T>(call: Promise<T>): Promise<T | string> {
  try {
    return await call;
  } catch (error) {
    return (error as { reason?: string }).reason ?? String(error);
  }
}

/** Through the member that is behind. */
const put = (subject?: Subject) =>
  told(
    follower.engine
      .put(putRequest(keysOf('k'), utf8('v')), { actor: 'test', subject })
      .then(() => 'done'),
  );
const get = (subject?: Subject, consistency?: Consistency) =>
  told(
    follower.engine
      .range(rangeRequest(keysOf('k')), {
        actor: 'test',
        subject,
        ...(consistency && { consistency }),
      })
      .then(({ body }) => body.count),
  );

describe('a member that has not heard of a change', () => {
  beforeEach(enable);

  it('has no write applied that was allowed before, and says so when it has heard', async () => {
    await world.settle(access.revoke('alice', 'k'));
    expect(follower.engine.accessRules.revision).toBeLessThan(access.revision);
    expect(await world.settle(put(alice))).toBe('denied');
    expect(follower.engine.accessRules.revision).toBe(access.revision);
  });

  it('has a write applied that is still allowed, without a word to its client', async () => {
    await world.settle(access.grant('alice', 'read', ['x']));
    expect(follower.engine.accessRules.revision).toBeLessThan(access.revision);
    expect(await world.settle(put(alice))).toBe('done');
  });

  it('reads nothing that may not be read any more', async () => {
    expect(await world.settle(get(alice))).toBe(1);
    await world.settle(access.revoke('alice', 'k'));
    expect(follower.engine.accessRules.revision).toBeLessThan(access.revision);
    expect(await world.settle(get(alice))).toBe('denied');
  });
});

describe('a member that has not heard that access control is on', () => {
  const nobody = { actor: 'test' } as const;
  const writing = txnRequest({ success: [putOperation(keysOf('k'), utf8('w'))] });
  const range = { $case: 'range', value: rangeRequest(keysOf('k')) } as const;
  const reading = txnRequest({ success: [{ request: range }] });

  /** `k` was written while it was off. */
  async function enableBehindItsBack(): Promise<void> {
    await world.settle(access.enable());
    await world.settle(access.disable());
    expect(await world.settle(put())).toBe('done');
    await world.settle(access.change({ kind: 'enable', secret: utf8('other') }));
    expect(follower.engine.accessRules.isOn).toBe(false);
  }

  it.each([
    ['a write', () => put()],
    ['a read', () => get()],
    ['a delete', () => told(follower.engine.deleteRange(deleteRangeRequest(keysOf('k')), nobody))],
    ['a transaction', () => told(follower.engine.txn(writing, nobody))],
    ['a transaction that reads', () => told(follower.engine.txn(reading, nobody))],
    ['a lease', () => told(follower.engine.leaseGrant({ ttlMs: 5000 }, nobody))],
    ['a session', () => told(follower.engine.sessionRegister({ ttlMs: 5000 }, nobody))],
    ['the list of leases', () => told(follower.engine.leases({ limit: 9 }, nobody))],
  ])('lets nobody have %s who does not say who it is', async (_what, call) => {
    await enableBehindItsBack();
    expect(await world.settle<unknown>(call())).toBe('nobody-asks');
  });

  it('answers a read of its own state by the rules of that state, as etcd does', async () => {
    await enableBehindItsBack();
    expect(await world.settle(get(undefined, { level: 'stale' }))).toBe(1);
    await world.until(() => follower.engine.accessRules.isOn);
    expect(await world.settle(get(undefined, { level: 'stale' }))).toBe('nobody-asks');
  });

  it('goes on with the work of the cluster', async () => {
    await world.settle(access.enable());
    await world.settle(follower.restart());
    await world.until(() => follower.engine.status().ready);
    await world.clock.advanceAsync(5000);
    expect(follower.engine.accessRules.isOn).toBe(true);
  });
});

describe('a change of the rules', () => {
  it('needs a cluster that refuses by them', async () => {
    const { body } = await world.settle(
      world.leader.engine.range(rangeRequest(allRange), { actor: 'test' }),
    );
    const value = planAccess(new AccessRules(body.kvs), { kind: 'add-role', name: 'a' });
    const change = value && ({ $case: 'txn', value } as const);
    expect(change && versionOf(change, {})).toBe(accessVersion);
    expect(versionOf({ $case: 'txn', value: txnRequest({}) }, {})).toBeUndefined();
  });
});
