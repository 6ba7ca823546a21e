// Goal: a password or a token proves who somebody is as long as it counts, on every member, and
// what a member does not know yet it asks for before it refuses. Method: the door's judge on an
// engine in memory, whose rules a test holds back as those of a member that lags.
import { clusterId } from '@holdfast/base/ids';
import { ManualClock } from '@holdfast/base/manual-clock';
import type { AccessRules } from '@holdfast/domain/access-rules';
import { MemoryEngine } from '@holdfast/engine/memory-engine';
import { beforeEach, describe, expect, it } from 'vitest';

import { EngineSlot } from '../engine-slot.ts';
import { readsOf } from '../http/test-door.fixture.ts';
import {
  changePassword,
  cheapPasswords,
  disableAccess,
  enableAccess,
  testAccess,
} from './access.fixture.ts';
import type { Access } from './access.ts';
import { authorizationOf, credentialsOf } from './credentials.ts';
import { Passwords } from './passwords.ts';
import { readToken, signToken } from './token.ts';

/** Its rules may be held back until somebody reads what is certain. */
class LaggingEngine extends MemoryEngine {
  held: AccessRules | undefined;

  override get accessRules(): AccessRules {
    return this.held ?? super.accessRules;
  }

  override range(...args: Parameters<MemoryEngine['range']>) {
    this.held = undefined;
    return super.range(...args);
  }
}

let clock: ManualClock;
let engine: LaggingEngine;
let access: Access;

beforeEach(async () => {
  clock = new ManualClock();
  engine = new LaggingEngine({ clock });
  const slot = new EngineSlot();
  slot.fill(engine);
  access = testAccess(slot, clock, 60_000);
  await enableAccess(engine);
});

async function told<T>(call: () => T | Promise<T>): Promise<T | string> {
  try {
    return await call();
  } catch (error) {
    return (error as { reason?: string }).reason ?? String(error);
  }
}

const byToken = (token: string) => told(() => access.byToken(token));
const byPassword = (name: string, password: string) =>
  told(() => access.byPassword(name, password));

describe('a password', () => {
  it('proves its user, with the revision at which it was set', async () => {
    const alice = await byPassword('alice', 'alice');
    expect(alice).toEqual({
      name: 'alice',
      passwordRevision: engine.accessRules.password('alice')?.revision,
    });
    expect(await byPassword('alice', 'alice')).toEqual(alice);
    expect(await byPassword('alice', 'root')).toBe('wrong-password');
    expect(await byPassword('bob', 'bob')).toBe('wrong-password');
    expect(await byPassword('', '')).toBe('wrong-password');
  });

  it('that was changed proves nothing, though it was remembered', async () => {
    await byPassword('alice', 'alice');
    await changePassword(engine, 'alice', 'new');
    expect(await byPassword('alice', 'alice')).toBe('wrong-password');
    expect(await byPassword('alice', 'new')).toMatchObject({ name: 'alice' });
  });

  it('is asked for anew by a member that lags', async () => {
    engine.held = engine.accessRules;
    const rules = engine.held;
    await changePassword(engine, 'alice', 'new');
    engine.held = rules;
    expect(await byPassword('alice', 'new')).toMatchObject({ name: 'alice' });
  });

  it('is kept in a way that it can not be told from', async () => {
    const passwords = cheapPasswords();
    const [one, other] = [await passwords.keep('secret'), await passwords.keep('secret')];
    expect(one.hash).not.toEqual(other.hash);
    expect(await passwords.matches(one, 'secret')).toBe(true);
    expect(await passwords.matches(one, 'Secret')).toBe(false);
    expect(await passwords.matches(undefined, '')).toBe(false);
    const costly = await new Passwords().keep('secret');
    expect(await passwords.matches(costly, 'secret')).toBe(true);
  });

  it('waits for few others at a time, and is refused where too many wait', async () => {
    const passwords = cheapPasswords();
    const looks = Array.from({ length: 300 }, () => told(() => passwords.matches(undefined, 'x')));
    const answers = await Promise.all(looks);
    expect(answers.filter((answer) => answer === false)).toHaveLength(258);
    expect(answers.at(-1)).toContain('wait to be looked at');
    expect(await passwords.matches(undefined, 'x')).toBe(false);
  });
});

describe('a token', () => {
  it('proves its user until its time is over', async () => {
    const token = await access.login('alice', 'alice');
    const alice = await byToken(token);
    expect(alice).toMatchObject({ name: 'alice' });
    await clock.advanceAsync(59_999);
    expect(await byToken(token)).toEqual(alice);
    await clock.advanceAsync(1);
    expect(await byToken(token)).toBe('proof-ended');
  });

  it('is judged by any member of its cluster, and by no other', async () => {
    const token = await access.login('alice', 'alice');
    const slot = new EngineSlot();
    slot.fill(engine);
    expect(testAccess(slot, clock).byToken(token)).toMatchObject({ name: 'alice' });
    const copy = new MemoryEngine({ clock, clusterId: clusterId(77n) });
    await enableAccess(copy);
    const other = new EngineSlot();
    other.fill(copy);
    expect(await told(() => testAccess(other, clock).byToken(token))).toBe('proof-ended');
  });

  it('ends with its password, its user, and with access control', async () => {
    const first = await access.login('alice', 'alice');
    await changePassword(engine, 'alice', 'alice');
    expect(await byToken(first)).toBe('proof-ended');
    const second = await access.login('alice', 'alice');
    await disableAccess(engine);
    expect(access.isOn).toBe(false);
    expect(await byToken(second)).toBe('proof-ended');
    expect(await told(() => access.login('alice', 'alice'))).toBe('not-on');
  });

  it('whose time or password is over for certain is refused without asking anybody', async () => {
    const [first, second] = [
      await access.login('alice', 'alice'),
      await access.login('root', 'root'),
    ];
    await changePassword(engine, 'alice', 'alice');
    await clock.advanceAsync(59_999);
    const reads = readsOf(engine);
    expect(() => access.byToken(first)).toThrow('does not count');
    await clock.advanceAsync(1);
    expect(() => access.byToken(second)).toThrow('does not count');
    expect(reads).toEqual([]);
    expect(await byToken('nobody.knows')).toBe('proof-ended');
    expect(reads).toHaveLength(1);
  });

  it('that was given out a moment ago is asked about by a member that lags', async () => {
    const rules = engine.accessRules;
    await changePassword(engine, 'alice', 'new');
    const token = await access.login('alice', 'new');
    engine.held = rules;
    expect(await byToken(token)).toMatchObject({ name: 'alice' });
  });

  it('that somebody has made or changed proves nothing', async () => {
    const token = await access.login('alice', 'alice');
    const [body = '', signature = ''] = token.split('.');
    const forged = Buffer.from(body, 'base64url').toString().replace('alice', 'root');
    const tokens = [
      ...['', '.', 'abc', `${token}x`, `${token}.x`, `${body}.`, 'x'.repeat(5000)],
      `${Buffer.from(forged).toString('base64url')}.${signature}`,
    ];
    for (const one of tokens) expect([one, await byToken(one)]).toEqual([one, 'proof-ended']);
  });

  it('holds any name', () => {
    const key = { secret: new Uint8Array(32), clusterId: clusterId(1n) };
    const facts = { name: 'älice.with:dots', passwordRevision: 7, endsAtMs: 9 };
    expect(readToken(signToken(facts, key), key)).toEqual(facts);
    expect(readToken(signToken(facts, key), { ...key, secret: new Uint8Array(32).fill(1) })).toBe(
      undefined,
    );
  });
});

describe('what root alone may do', () => {
  it('is asked of the rules, and of newer ones before it is refused', async () => {
    const alice = await access.byPassword('alice', 'alice');
    const root = await access.byPassword('root', 'root');
    expect(await told(() => access.requireRoot(root))).toBeUndefined();
    expect(await told(() => access.requireRoot(alice))).toBe('denied');
    expect(await told(() => access.requireRoot(undefined))).toBe('nobody-asks');
    expect(await told(() => access.requireUser(alice))).toBeUndefined();
    expect(await told(() => access.requireUser(undefined))).toBe('nobody-asks');
    const rules = engine.accessRules;
    await disableAccess(engine);
    engine.held = rules;
    expect(await told(() => access.requireRoot(undefined))).toBeUndefined();
  });

  it("is nobody's while the member starts", async () => {
    const starting = testAccess(new EngineSlot(), clock);
    expect(starting.isOn).toBe(false);
    expect(await told(() => starting.requireRoot(undefined))).toContain('starting');
  });
});

describe('credentials', () => {
  it('stand in a header in three ways', () => {
    const alice = { kind: 'password', name: 'alice', password: 'p: w' } as const;
    expect(credentialsOf(authorizationOf(alice))).toEqual(alice);
    const token = { kind: 'token', token: 'a.b' } as const;
    expect(credentialsOf(authorizationOf(token))).toEqual(token);
    expect(credentialsOf('a.b')).toEqual(token);
    expect(credentialsOf('bearer  a.b ')).toEqual(token);
  });

  it.each(['', ' ', 'Digest x', 'Basic', 'Bearer a b', 'Basic !!!', 'Basic OnB3'])(
    'are not %j',
    (header) => {
      const found = credentialsOf(header);
      // A word alone is taken for a token, which proves nothing.
      expect(found === undefined || found.kind === 'token').toBe(true);
    },
  );
});
